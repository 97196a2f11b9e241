"""Who has a place: the open connections, so many in all and so many from one address.

A place is never refused to whoever comes, unless answers are being made for all: the one that has sat there
longest without having asked, or without having taken its answer, makes room. So clients that drip and
clients that do not read, however many they are, keep out nobody who asks promptly.
"""

from typing import Final, Protocol

from minibit.address import is_loopback

MAX_CONNECTIONS: Final = 400  # below the 1,024 open files that a process may usually have
CONNECTIONS_PER_SOURCE: Final = 100  # from one address, behind which a school may stand
CONNECTIONS_FROM_HERE: Final = 300  # from this machine, where a whole swarm may live


class Guest(Protocol):
    """One connection, from the IP literal `source`. `busy`: its answer is being made."""

    @property
    def source(self) -> str: ...
    @property
    def busy(self) -> bool: ...
    def throw_out(self) -> None: ...
    def sweep(self, now: float) -> None: ...


class Places:
    """The guests, by source, in the order in which they came; a source without guests has no entry."""

    def __init__(self) -> None:
        self._guests: dict[str, dict[Guest, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def guests(self) -> list[Guest]:
        return [guest for guests in self._guests.values() for guest in guests]

    def enter(self, guest: Guest) -> bool:
        """Gives `guest` a place, which may cost another one his; False: everybody's answer is being made."""
        limit = CONNECTIONS_FROM_HERE if is_loopback(guest.source) else CONNECTIONS_PER_SOURCE
        if len(self._guests.get(guest.source, ())) >= limit:
            crowd = [guest.source]
        elif self._count >= MAX_CONNECTIONS:
            crowd = sorted(self._guests, key=lambda source: -len(self._guests[source]))
        else:
            crowd = []
        if crowd:
            sitting = (other for source in crowd for other in self._guests[source] if not other.busy)
            victim = next(sitting, None)
            if victim is None:
                return False
            self.leave(victim)
            victim.throw_out()
        self._guests.setdefault(guest.source, {})[guest] = None
        self._count += 1
        return True

    def leave(self, guest: Guest) -> None:
        """`guest` has no place any more; he may have lost it before."""
        guests = self._guests.get(guest.source, {})
        if guest in guests:
            del guests[guest]
            self._count -= 1
            if not guests:
                del self._guests[guest.source]
