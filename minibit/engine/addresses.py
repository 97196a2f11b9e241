"""The addresses we know: whom to dial when, and whom never again.

Bounded: strangers may tell us of any number of peers. A failed dial waits 2 s, then 4 s, up to
32 s, and after 6 failures in a row an address is forgotten until somebody tells us of it anew. A
connection that did not last counts as a failure.

Who is complete needs nobody and may be needed: by clients that wait to be dialled, or that cannot dial. It
dials those that had time to come by themselves and did not, unless they were seen to be complete too. Of two
dials that cross one is given up, which is safe but slow, so whoever is about to come is let come.
"""

from collections.abc import Callable, Container
from typing import Final

from msgspec import Struct

from minibit.address import Address, PeerAddress, is_far
from minibit.engine.effects import PeerId
from minibit.engine.neighbour import source
from minibit.wire.clients import is_minibit

MAX_ADDRESSES: Final = 1000
MAX_HEARSAY: Final = 500  # of them, those that are known by the word of somebody who may lie
MAX_DIALLING: Final = 16
MAX_BANS: Final = 2000  # sources and IP addresses
MAX_FAILURES: Final = 6
MAX_HEARSAY_FAILURES: Final = 3  # of an address that nobody but such told us of
FIRST_RETRY: Final = 2.0
LASTING: Final = 60.0  # s; a connection that held so long was a success
COMING_SECONDS: Final = 3.0  # how long a seed waits for a MiniBit peer: it dials whom it hears of…
FOREIGN_SECONDS: Final = 0.2  # …and for others, that may wait too, or have tried what we do not speak (uTP)
GREETING_SECONDS: Final = 1.0  # how long who dials a seed has to say who it is, before it may be dialled
SEED_SECONDS: Final = 1800.0  # how long a seed believes that another one is still one


class Entry(Struct):
    """What we know of one address; `due` is when it may be dialled, `needy` when it may need a seed."""

    due: float
    needy: float
    peer_id: bytes | None = None
    failures: int = 0  # dials in a row that led to no lasting connection
    dialling: bool = False
    connected_at: float | None = None
    hearsay: bool = False  # no tracker and no user told us of it


class AddressBook:
    """Whom to dial. `own_id` is our own wire id: an address that turns out to be ours is dropped."""

    def __init__(self, own_id: bytes) -> None:
        self._own_id = own_id
        self._entries: dict[Address, Entry] = {}
        self._banned: dict[PeerId | str, None] = {}
        self._mine: dict[Address, None] = {}
        self._who: dict[bytes, PeerAddress] = {}
        self.wake = float("inf")  # when somebody may be due, or needy, that was not when we last looked

    def learn(self, peer: PeerAddress, now: float, *, hearsay: bool = False) -> None:
        """A tracker or the user told us of this peer, or, if it is `hearsay`, somebody who may lie."""
        address = (peer.ip, peer.port)
        ours = peer.bt_id == self._own_id or address in self._mine
        if ours or self.banned(address):
            return
        if peer.bt_id is not None:
            self._who.pop(peer.bt_id, None)
            self._who[peer.bt_id] = peer
            if len(self._who) > MAX_ADDRESSES:
                del self._who[next(iter(self._who))]
        entry = self._entries.get(address)
        if entry is None:
            rumours = sum(each.hearsay for each in self._entries.values()) if hearsay else 0
            if len(self._entries) >= MAX_ADDRESSES or rumours >= MAX_HEARSAY:
                return
            entry = self._entries[address] = Entry(now, now + _coming(peer), hearsay=hearsay)
            self.wake = min(self.wake, entry.needy)
        entry.hearsay &= hearsay
        if peer.bt_id is not None and peer.bt_id != entry.peer_id:
            # Somebody new at an old address, a restarted peer say, deserves a fresh start.
            entry.peer_id, entry.failures, entry.due = peer.bt_id, 0, min(entry.due, now)
            entry.needy = now + _coming(peer)
            self.wake = min(self.wake, entry.needy)

    def forget_hearsay(self) -> set[Address]:
        """Dial nobody whom no tracker and no user told us of; returns their addresses."""
        forgotten = {address for address, entry in self._entries.items() if entry.hearsay}
        for address in forgotten:
            del self._entries[address]
        return forgotten

    @property
    def known(self) -> int:
        """How many addresses we may dial, now or later."""
        return len(self._entries)

    def who(self, peer_id: bytes | None) -> PeerAddress | None:
        """What we were last told of the peer with this wire id."""
        return None if peer_id is None else self._who.get(peer_id)

    def named(self, address: Address) -> str:
        """The name that we were told of the peer at this address, or ""."""
        entry = self._entries.get(address)
        told = None if entry is None else self.who(entry.peer_id)
        return "" if told is None else told.name

    def due(self, room: int, connected: set[bytes], now: float) -> list[Address]:
        """Up to `room` addresses to dial now, noted as dialling; never a peer in `connected`.

        An origin comes first, and there is room for one: to it everybody turns. What is known by hearsay
        comes last.
        """
        self._look_ahead(now, lambda entry: entry.due)
        due = [e for e in self._entries.items() if e[1].due <= now and self._idle(e[1], connected)]
        if not due:
            return []
        spare = self._spare()
        due.sort(key=lambda each: (not self._is_origin(each[1]), each[1].hearsay))
        chosen: list[Address] = []
        for address, entry in due:
            if len(chosen) >= min(spare, max(room, int(self._is_origin(entry)))):
                break
            chosen.append(address)
        return self._dialling(chosen)

    def needy(
        self,
        room: int,
        connected: set[bytes],
        reached: Container[Address],
        coming: Container[str],
        now: float,
    ) -> list[Address]:
        """As `due`, for a seed: who may need us. Whoever listens at an address in `reached` has come; from
        an IP address in `coming` somebody comes who has yet to say who he is, for whom others there do not
        wait long."""
        self._look_ahead(now, lambda entry: max(entry.due, entry.needy))
        room = max(min(room, self._spare()), 0)
        due = [
            address
            for address, entry in self._entries.items()
            if entry.due <= now
            and entry.needy <= now
            and address not in reached
            and not (address[0] in coming and now < entry.needy + GREETING_SECONDS)
            and not self._is_origin(entry)
            and self._idle(entry, connected)
        ]
        due.sort(key=lambda address: self._entries[address].hearsay)
        return self._dialling(due[:room])

    def seeds(self, address: Address, now: float) -> None:
        """Who is at this address has everything."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.needy = now + SEED_SECONDS

    def failed(self, address: Address, now: float) -> None:
        """A dial failed."""
        entry = self._entries.get(address)
        if entry is None:
            return
        entry.dialling = False
        entry.connected_at = None
        entry.failures += 1
        entry.due = now + FIRST_RETRY * 2 ** (entry.failures - 1)
        if entry.failures >= (MAX_HEARSAY_FAILURES if entry.hearsay else MAX_FAILURES):
            del self._entries[address]

    def again(self, address: Address, when: float) -> None:
        """A dial to this address crossed one of theirs, and both are lost: it may be dialled again then."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.due = min(entry.due, when)
            self.wake = min(self.wake, when)

    def connected(self, address: Address, now: float) -> None:
        """A dial succeeded."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.dialling, entry.connected_at = False, now

    def identified(self, address: Address, peer_id: bytes) -> None:
        """The peer at this address turned out to be `peer_id`."""
        if peer_id == self._own_id:
            self._mine[address] = None
            if len(self._mine) > MAX_ADDRESSES:
                del self._mine[next(iter(self._mine))]
            self._entries.pop(address, None)
            return
        entry = self._entries.get(address)
        if entry is not None:
            entry.peer_id = peer_id

    def disconnected(self, address: Address, now: float) -> None:
        """A connection that we dialled is over."""
        entry = self._entries.get(address)
        if entry is not None and entry.connected_at is not None:
            # Whoever answers only to hang up, because it is full or has another share, is no success.
            if now - entry.connected_at >= LASTING:
                entry.failures = 0
            self.failed(address, now)

    def ban(self, culprit: PeerId) -> bool:
        """Never deal with this `neighbour.source` again; returns whether that is news.

        Nor with anybody at its IP address where that names one machine on the internet: behind a private or
        loopback address there may be many honest peers.
        """
        if culprit in self._banned:
            return False
        self._banned[culprit] = None
        ip = culprit.partition(b" ")[0].decode()
        if is_far(ip):
            self._banned[ip] = None
        while len(self._banned) > MAX_BANS:
            del self._banned[next(iter(self._banned))]
        for known in [address for address in self._entries if self.banned(address)]:
            del self._entries[known]
        return True

    def banned(self, address: Address, peer_id: bytes | None = None) -> bool:
        """Whether we deal no more with whoever is at this address that we might dial, or, if there is a
        `peer_id`, with who has dialled us from it under that id."""
        culprit = source(address, peer_id or b"", outgoing=peer_id is None)
        return address[0] in self._banned or culprit in self._banned

    def _look_ahead(self, now: float, when: Callable[[Entry], float]) -> None:
        self.wake = min((due for due in map(when, self._entries.values()) if due > now), default=float("inf"))

    def _spare(self) -> int:
        """How many more dials there may be at a time."""
        return MAX_DIALLING - sum(entry.dialling for entry in self._entries.values())

    def _dialling(self, chosen: list[Address]) -> list[Address]:
        for address in chosen:
            self._entries[address].dialling = True
        return chosen

    def _is_origin(self, entry: Entry) -> bool:
        told = self.who(entry.peer_id)
        return told is not None and told.origin

    @staticmethod
    def _idle(entry: Entry, connected: set[bytes]) -> bool:
        return not (entry.dialling or entry.connected_at is not None or entry.peer_id in connected)


def _coming(peer: PeerAddress) -> float:
    """How many seconds it has to come by itself."""
    return COMING_SECONDS if is_minibit(peer.bt_id) else FOREIGN_SECONDS
