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
        self._calm = True  # whether everybody competes, for nothing has happened of late

    def review(self, now: float) -> bool:
        """Look at everybody who wants something of us; returns whether who competes has changed."""
        if self._calm and not self._anything_unused(now):
            return False
        wanting = [n for n in self._standing.neighbours.values() if n.demand.interested]
        ready = [n for n in wanting if n.demand.rests_until <= now]
        if any(n.demand.unchoked_since is None for n in ready):
            unused = [n for n in ready if n.demand.unchoked_since is not None and _unused(n, now)]
            for neighbour in unused:
                self._rest(neighbour, now)
            if unused:
                ready = [n for n in ready if n.demand.rests_until <= now]
        resting = [n for n in wanting if n.demand.rests_until > now] if len(ready) < len(wanting) else []
        resting.sort(key=lambda n: n.demand.rests_until)
        # A slot that nobody else wants is theirs all the same.
        spare = max(0, SLOTS - len(ready))
        admitted = {n.key for n in self._admitted(ready, now) + resting[:spare]}
        changed = [n for n in wanting if n.demand.competes is not (n.key in admitted)]
        for neighbour in changed:
            neighbour.demand.competes = not neighbour.demand.competes
        self._calm = now >= self._wary_until and all(
            n.demand.competes and n.demand.rests_until <= now for n in self._standing.neighbours.values()
        )
        return bool(changed)

    def left(self, neighbour: Neighbour, now: float) -> None:
        """A neighbour is gone; one that takes a slot, leaves it unused and comes back is no newcomer."""
        if neighbour.demand.unchoked and not neighbour.traded:
            self._wary_until = now + WARY_SECONDS
            self._calm = False

    def _anything_unused(self, now: float) -> bool:
        slots, neighbours = self._standing.slots, self._standing.neighbours
        holders = (neighbours.get(key) for key in slots.held)
        return any(holder is not None and _unused(holder, now) for holder in holders)

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
