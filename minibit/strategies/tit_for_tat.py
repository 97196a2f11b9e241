"""Simplified tit-for-tat: upload to the neighbours that hold what is rare.

Classic tit-for-tat (BEP 3, Cohen 2003) repays bandwidth. This one repays *worth to the swarm*: a block
is rare when its copies among the neighbours that have told us their blocks are at least 1 and at most
`max(1, floor(0.3 * number of those neighbours))`, and a neighbour's score is the number of rare blocks
that it holds. Our own blocks do not count. Slots and rounds are the choking manager's.
"""

from functools import cache
from random import Random

from minibit.copies import Copies
from minibit.strategies.choking_manager import manage
from minibit.strategies.view import Choice, SwarmView


def rare_blocks(copies: Copies, known: int) -> int:
    """The rare blocks, as a bitfield, when `known` neighbours have told us their blocks."""
    return copies.between_one_and(max(1, known * 3 // 10))


class TitForTat:
    """The default choking strategy."""

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:  # noqa: ARG002
        @cache
        def rare() -> int:
            return rare_blocks(view.copies, sum(neighbour.known for neighbour in view.neighbours.values()))

        return manage(
            view, rng, lambda neighbour: (neighbour.blocks & rare()).bit_count(), "rare blocks held"
        )
