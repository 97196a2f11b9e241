"""What a limited peer may still ask for: it paces its requests, so that chunks come no faster than it wants.

Nothing is held back on the connection: control messages are as quick as ever, and a neighbour's uplink is
free for others meanwhile.
"""

from typing import Final

from minibit.engine.debts import Debts
from minibit.engine.rates import TokenBucket
from minibit.torrent.layout import CHUNK_SIZE

BURST_SECONDS: Final = 0.03  # how long an idle limited peer may save up, and…
TURN_SECONDS: Final = 1 / 16  # …for how long ahead it may send at once: together less than 2 % of 5 s


class Allowance:
    """Bytes per second that may be asked for, a chunk at a time and by turns.

    A chunk counts when it is asked for. One that was taken back, refused or lost with its neighbour counts
    no more; one that comes although nobody owes it counts when it comes.

    Args:
        limit: bytes per second over all neighbours; 0 is no limit.
    """

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self._bucket = TokenBucket(limit, max(1, limit * BURST_SECONDS), now, saved=1)
        self._counted = 0  # chunks that count, and have not come
        self._turns: dict[int, None] = {}  # who may be asked for more; first is next

    @property
    def pause(self) -> float:
        """Seconds from one request to the next."""
        return CHUNK_SIZE / self.limit if self.limit else 0.0

    def line_up(self, key: int) -> None:
        """This neighbour may be asked for more; who stands in line keeps its place."""
        self._turns.setdefault(key)

    def next(self, now: float) -> int | None:
        """Whose turn it is to be asked for a chunk, and it leaves the line; None if nothing may be asked."""
        if not self._turns or not self._bucket.ready(now):
            return None
        key = next(iter(self._turns))
        del self._turns[key]
        return key

    def asked(self, chunks: int) -> None:
        """So many were asked for."""
        self._counted += chunks
        self._bucket.take(chunks * CHUNK_SIZE)

    def came(self, owed: int, unasked: int) -> None:
        """So many came that were owed, and so many that were not."""
        self._counted -= owed
        self._bucket.take(unasked * CHUNK_SIZE)

    def balance(self, debts: Debts) -> None:
        """What is owed no more, and has not come, counts no more."""
        owed = sum(debt.chunks for debt in debts.values())
        self._bucket.take((owed - self._counted) * CHUNK_SIZE)
        self._counted = owed

    def leave(self, key: int) -> None:
        """This neighbour is gone."""
        self._turns.pop(key, None)

    def next_deadline(self, now: float) -> float:
        """When something may be asked for; infinity if nobody waits."""
        return self._bucket.ready_at(now) if self._turns else float("inf")


def overdrawn(limit: float) -> float:
    """Bytes that a limited peer may send at once, and then waits for: a chunk, or on a quick line more, since
    each time that it sends costs either end a turn of Python."""
    return max(CHUNK_SIZE, limit * TURN_SECONDS)
