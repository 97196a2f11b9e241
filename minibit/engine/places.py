"""Who may stay when more want to be our neighbours than we have places for.

Places are for who has greeted. Until then it waits in a room of its own, which is crowded only by who dials
us and says nothing; there the one that has waited longest goes first. In a place, who is of no use yields to
anybody, and a stranger (nobody listed it, dealt it a grant or dialled it) that never moved a byte to anybody
expected, or after a while to another stranger. An origin, whom everybody is to meet, lets go of whom it has
served for a while and owes no granted block. Of several, one from the address that most come from goes:
behind one address there may be a whole classroom, so that alone is held against nobody.

A peer dials for fewer than it takes in, as each block is told to each neighbour: fifty peers who all knew
each other ended a tenth later on two cores than where each dials for `SEEKS`, and 1 % later in virtual time.
With half as many, sixteen that come one by one ended 1 % later. That was measured of crowds of MiniBit peers;
who trades with others too asks for more.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from minibit.engine.neighbour import Neighbour

SEEKS: Final = 20  # how many neighbours a peer dials for; up to twenty peers and an origin all meet…
MAX_NEIGHBOURS: Final = 50  # …and how many it has at most
MAX_ORIGIN_NEIGHBOURS: Final = 200
MAX_WAITING: Final = 100  # who dialled us and has not greeted
IDLE_SECONDS: Final = 30.0  # how long a neighbour may be of no use before it yields
STRANGER_SECONDS: Final = 5.0  # how long a stranger has to move a byte before it yields to another
SERVED_SECONDS: Final = 60.0  # how long an origin keeps a neighbour while others wait


class Places:
    """The places of one peer, whose neighbours these are; an origin's if `offering`.

    It dials for `seeks` neighbours: None is `SEEKS`, and for an origin as many as a peer has at most.
    """

    def __init__(self, neighbours: Mapping[int, Neighbour], *, offering: bool, seeks: int | None) -> None:
        self._neighbours = neighbours
        self._seeks = seeks if seeks is not None else MAX_NEIGHBOURS if offering else SEEKS
        self._offering = offering
        self.limit = MAX_ORIGIN_NEIGHBOURS if offering else MAX_NEIGHBOURS

    def overdue(self) -> Neighbour | None:
        """Who has waited too long without a greeting, if too many wait."""
        waiting = [n for n in self._neighbours.values() if not (n.greeted or n.outgoing)]
        return self._first(waiting) if len(waiting) > MAX_WAITING else None

    def yielding(self, newcomer: Neighbour, now: float) -> Neighbour | None:
        """Who goes because this one has greeted: itself, if nobody yields to it; None if there is room."""
        present = [n for n in self._neighbours.values() if n.greeted and n is not newcomer]
        if len(present) < self.limit + newcomer.origin:  # whom everybody is to meet finds a place
            return None

        def stranger(n: Neighbour) -> bool:
            patience = 0.0 if newcomer.expected else STRANGER_SECONDS
            return n.stranger and now - n.connected_at >= patience

        def served(n: Neighbour) -> bool:
            owed = n.demand.granted & ~n.blocks
            return newcomer.expected and not owed and now - n.connected_at >= SERVED_SECONDS

        rules: list[Callable[[Neighbour], bool]] = [lambda n: _useless(n, now), stranger]
        if self._offering:
            rules.append(served)
        for rule in rules:
            if matching := [n for n in present if rule(n)]:
                return self._first(matching)
        return newcomer

    def room(self, now: float, *, starving: bool) -> int:
        """How many more we may dial: strangers that never moved a byte will yield.

        Who is starving does not rest content with whom it has, for these may all be in the same plight: it
        dials for every place that is free or held by who is of no use.
        """
        kept = [n for n in self._neighbours.values() if not n.stranger]
        if starving:
            return self.limit - sum(not _useless(n, now) for n in kept)
        return self._seeks - len(kept)

    def spare(self) -> int:
        """How many more a seed may dial: at least half of the places are for who comes by himself."""
        return min(self._seeks, self.limit // 2) - len(self._neighbours)

    def in_vain(self, neighbour: Neighbour, full: int, complete_since: float | None) -> bool:
        """Whether this neighbour, which holds everything, was dialled by one that did too: by us."""
        dialled = neighbour.outgoing and neighbour.holds_all(full)
        return dialled and complete_since is not None and neighbour.connected_at > complete_since

    def _first(self, neighbours: list[Neighbour]) -> Neighbour:
        crowd = Counter(n.address[0] for n in self._neighbours.values())
        return min(neighbours, key=lambda n: (n.outgoing, -crowd[n.address[0]], n.connected_at, n.key))


def _useless(neighbour: Neighbour, now: float) -> bool:
    useful = neighbour.demand.interested or neighbour.supply.interesting or neighbour.early
    return not useful and now - neighbour.connected_at >= IDLE_SECONDS
