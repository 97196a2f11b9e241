"""How many messages that change nothing are borne from one neighbour, before that is abuse.

Each costs us a turn of Python and its sender next to nothing: *interested* and *not interested* in turns,
greetings over and over, keep-alives, cancels of what was never asked for. Who trades may talk: every chunk
that moves, either way, makes up for a few.
"""

from typing import Final

from minibit.engine.rates import TokenBucket
from minibit.errors import RemoteProtocolError

NEEDLESS_PER_SECOND: Final = 50.0
NEEDLESS_BURST: Final = 1000.0  # an endgame's cancels, or the rejections that follow a choke, come at once
NEEDLESS_PER_CHUNK: Final = 4


class Patience:
    """Our patience with one neighbour."""

    __slots__ = ("_bucket",)

    def __init__(self, now: float) -> None:
        self._bucket = TokenBucket(NEEDLESS_PER_SECOND, NEEDLESS_BURST, now)

    def lose(self, count: int, now: float) -> None:
        """It sent `count` messages that changed nothing.

        Raises:
            RemoteProtocolError: that is too many.
        """
        self._bucket.take(count)
        if not self._bucket.ready(now):
            raise RemoteProtocolError("says too much that changes nothing")

    def regain(self, chunks: int) -> None:
        """So many chunks moved."""
        self._bucket.take(-NEEDLESS_PER_CHUNK * chunks)
