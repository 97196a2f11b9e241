"""What is new here and neighbours have not been told: when they are to be told.

A HAVE alone costs either end a turn of Python, more than a small block does, and each block is told to each
neighbour: HAVEs × neighbours is what a large swarm costs. So on a fast link those of a while go together.
With many neighbours, all peers tell at the same moments, the multiples of `MANY_SECONDS` on their clocks: who
is told by forty at one moment wakes once. In virtual time a crowd of fifty takes 1 % longer for that, and
7 % longer with moments 0.25 s apart. Who has had nothing to tell for a while, because its link is slow, does
not wait, and neither does who is complete.
"""

from typing import Final

FEW: Final = 12  # neighbours
FEW_SECONDS: Final = 0.05  # between two tellings of few…
MANY_SECONDS: Final = 1 / 16  # …and of many: exact in binary, and so are its multiples
PAUSE_SECONDS: Final = 0.5


class News:
    """`blocks` are new since neighbours were last told."""

    def __init__(self) -> None:
        self.blocks = 0
        self._many = False  # whether many were told last
        self._told_at = float("-inf")
        self._due = float("inf")

    def add(self, blocks: int, now: float) -> None:
        """These are here now."""
        if blocks and not self.blocks:
            if self._many and now < self._told_at + PAUSE_SECONDS:
                self._due = (now // MANY_SECONDS + 1) * MANY_SECONDS
            else:
                self._due = self._told_at + FEW_SECONDS
        self.blocks |= blocks

    def drop(self, blocks: int) -> None:
        """These are not here after all."""
        self.blocks &= ~blocks

    def hurry(self) -> None:
        """What there is to be told does not wait."""
        self._due = float("-inf")

    def due(self, now: float) -> bool:
        """Whether there is anything to be told, and now is the time."""
        return self.blocks != 0 and now >= self._due

    def take(self, neighbours: int, now: float) -> int:
        """The blocks that so many neighbours are told of now."""
        blocks, self.blocks = self.blocks, 0
        self._many, self._told_at = neighbours > FEW, now
        return blocks

    def next_deadline(self) -> float:
        """When neighbours are to be told next; infinity if there is no news."""
        return self._due if self.blocks else float("inf")
