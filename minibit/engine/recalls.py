"""Whether it is of any use to take a block back from one neighbour and ask another for it.

Where uploaders hold what they were asked for in queues of their own, a block that is taken back stays there.
Behind the long pipe of a slow line it is on its way already: it comes all the same, and twice. What became of
the last ones tells; now and then it is tried anew.
"""

from typing import Final

WEIGHT: Final = 0.15  # of each block
HEEDED: Final = 0.6  # how large a part of them must not have come all the same
PROBE_SECONDS: Final = 4.0
MAX_PENDING: Final = 64  # blocks of which nothing is known yet


class Recalls:
    """The blocks that were taken back; a key is a neighbour."""

    def __init__(self) -> None:
        self._pending: dict[tuple[int, int], None] = {}
        self._heeded = 1.0
        self._last = float("-inf")

    def useful(self, now: float) -> bool:
        """Whether a block that is taken back now is likely to be sent no more."""
        return self._heeded > HEEDED or now - self._last > PROBE_SECONDS

    def recalled(self, key: int, block: int, now: float) -> None:
        """This block was taken back from this neighbour."""
        self._last = now
        self._pending[key, block] = None
        if len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]

    def came(self, key: int, block: int) -> None:
        """Some of it came all the same."""
        self._judge(key, block, 0.0)

    def agreed(self, key: int, block: int) -> None:
        """The neighbour says that it will not send it (BEP 6)."""
        self._judge(key, block, 1.0)

    def _judge(self, key: int, block: int, heeded: float) -> None:
        if (key, block) in self._pending:
            del self._pending[key, block]
            self._heeded += WEIGHT * (heeded - self._heeded)
