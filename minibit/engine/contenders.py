"""Who competes for our slots: who wants something of us, and uses a slot that it is given.

A neighbour that holds a slot, asks for nothing and is sent nothing rests while somebody else waits: it
does not compete for a while, longer each time, and has another chance after. That shuts nobody out who
has nothing to ask for just now, and a crowd of mute neighbours costs the others seconds, not their slots.
While such a thing has happened of late, neighbours that nobody spoke for and that never moved a byte
compete only for the slots that the others leave, or for one: new ones cost a stranger nothing.
"""

from typing import Final

from minibit.engine.neighbour import Neighbour
from minibit.engine.standing import Standing
from minibit.strategies.choking_manager import FIXED_SLOTS

SLOTS: Final = FIXED_SLOTS + 1
UNUSED_SECONDS: Final = 5.0  # how long a slot may go unused while somebody waits for one
REST_SECONDS: Final = 10.0  # how long a neighbour rests after the first time; twice as long after each other
MAX_RESTS: Final = 6  # …which counts up to this
WARY_SECONDS: Final = 60.0


class Contenders:
    """Decides who of our neighbours competes."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._wary_until = float("-inf")

    def review(self, now: float) -> bool:
        """Look at everybody who wants something of us; returns whether who competes has changed."""
        wanting = [n for n in self._standing.neighbours.values() if n.demand.interested]
        before = [n.demand.competes for n in wanting]
        ready = [n for n in wanting if n.demand.rests_until <= now]
        if any(not n.demand.unchoked for n in ready):
            for neighbour in ready:
                if _unused(neighbour, now):
                    self._rest(neighbour, now)
            ready = [n for n in ready if n.demand.rests_until <= now]
        resting = sorted(
            (n for n in wanting if n.demand.rests_until > now), key=lambda n: n.demand.rests_until
        )
        # A slot that nobody else wants is theirs all the same.
        spare = max(0, SLOTS - len(ready))
        admitted = {n.key for n in self._admitted(ready, now) + resting[:spare]}
        for neighbour in wanting:
            neighbour.demand.competes = neighbour.key in admitted
        return before != [n.demand.competes for n in wanting]

    def left(self, neighbour: Neighbour, now: float) -> None:
        """A neighbour is gone; one that takes a slot, leaves it unused and comes back is no newcomer."""
        if neighbour.demand.unchoked and not neighbour.traded:
            self._wary_until = now + WARY_SECONDS

    def _rest(self, neighbour: Neighbour, now: float) -> None:
        demand = neighbour.demand
        demand.rests_until = now + REST_SECONDS * 2**demand.rests
        demand.rests = min(demand.rests + 1, MAX_RESTS)
        self._wary_until = now + WARY_SECONDS

    def _admitted(self, ready: list[Neighbour], now: float) -> list[Neighbour]:
        if now >= self._wary_until:
            return ready
        proven = [n for n in ready if n.expected or n.traded]
        others = [n for n in ready if not (n.expected or n.traded)]
        others.sort(key=lambda n: (n.demand.rests, n.connected_at))
        return proven + others[: max(1, SLOTS - len(proven))]


def _unused(neighbour: Neighbour, now: float) -> bool:
    demand = neighbour.demand
    if demand.unchoked_since is None or demand.queue or demand.unsent:
        return False
    return now - max(demand.unchoked_since, demand.used_at) >= UNUSED_SECONDS
