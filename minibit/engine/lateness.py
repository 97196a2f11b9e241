"""How late a peer is of late: its machine, or whoever shares it, has more to do than it can.

Then a line stands idle because nobody finds the time to use it, and to serve more neighbours, or to tell them
more often, only makes everybody later.
"""

from typing import Final

MAX_LATE: Final = 0.5  # seconds that one delay counts for, at most
WEIGHT: Final = 1 / 8  # of the newest delay
ASLEEP_SECONDS: Final = 10.0  # who is so late was not busy but suspended


class Lateness:
    """`seconds` is by how much news and sweeps, which are due at a time, come too late: a moving average."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def add(self, late: float) -> None:
        """Something was so many seconds late."""
        if late < ASLEEP_SECONDS:
            self.seconds += WEIGHT * (min(late, MAX_LATE) - self.seconds)
