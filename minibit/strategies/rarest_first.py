"""Rarest first: fetch what fewest neighbours hold, so that no block dies out and everyone has wares.

Rule (DESIGN, after BEP 3 and Legout et al. 2006, "Rarest First and Choke Algorithms Are Enough"): among
the blocks that we miss, that are not in flight and that the neighbour at hand holds, one with the
fewest copies among neighbours; ties are drawn by lot; none if there is none.
"""

from random import Random

from minibit import bitfield
from minibit.strategies.view import Pick, SwarmView


class RarestFirst:
    """The default picking strategy."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:  # noqa: ARG002
        if not view.candidates:
            return None
        copies, tied = view.copies.rarest(view.candidates)
        return Pick(bitfield.choose(tied, rng), view.candidates, tied, "rarest", copies)
