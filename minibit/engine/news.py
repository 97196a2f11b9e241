"""What is new here and neighbours have not been told: when they are to be told.

A HAVE alone costs either end a turn of Python, more than a small block does, and each block is told to each
neighbour: HAVEs × neighbours is what a large swarm costs. So on a fast link those of a while go together.
With many neighbours, it ends at a multiple of itself on the clock: who is told by forty at one moment wakes
once. In virtual time that costs half as much as telling one by one, and a crowd is as quick; at 0.25 s it
would take 6 % longer. Who has had no news for as long, because its link is slow, tells at once, and so does
who is complete.
"""

from typing import Final

FEW: Final = 12  # neighbours
FEW_SECONDS: Final = 0.05
MANY_SECONDS: Final = 1 / 16  # in binary exact, and so are its multiples


class News:
    """`blocks` are new since neighbours were last told."""

    def __init__(self) -> None:
        self.blocks = 0
        self._not_before = float("-inf")

    def add(self, blocks: int) -> None:
        """These are here now."""
        self.blocks |= blocks

    def drop(self, blocks: int) -> None:
        """These are not here after all."""
        self.blocks &= ~blocks

    def hurry(self) -> None:
        """What there is to be told does not wait."""
        self._not_before = float("-inf")

    def due(self, now: float) -> bool:
        """Whether there is anything to be told, and now is the time."""
        return self.blocks != 0 and now >= self._not_before

    def take(self, neighbours: int, now: float) -> int:
        """The blocks that so many neighbours are told of now."""
        blocks, self.blocks = self.blocks, 0
        if neighbours <= FEW:
            self._not_before = now + FEW_SECONDS
        else:
            self._not_before = (now // MANY_SECONDS + 1) * MANY_SECONDS
        return blocks

    def next_deadline(self) -> float:
        """When neighbours are to be told next; infinity if there is no news."""
        return self._not_before if self.blocks else float("inf")
