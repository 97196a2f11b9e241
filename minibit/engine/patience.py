"""How many messages that change nothing are borne from one neighbour, before that is abuse.

Each costs us a turn of Python and its sender next to nothing: *interested* and *not interested* in turns,
greetings over and over, keep-alives, cancels of what was never asked for. Who trades may talk: every chunk
that moves, either way, makes up for a few.

A connection is cheap to replace, so it brings along a few words only. What is borne beyond them is counted
by account, over all connections at once and one after another: strangers from one IP address have one
together, a peer that a tracker lists has its own. So who floods us and comes again finds his account empty,
and whoever honest shares his address still has words of his own.
"""

from typing import Final

from minibit.engine.rates import TokenBucket
from minibit.errors import RemoteProtocolError

NEEDLESS_PER_SECOND: Final = 50.0  # of one connection, and of one account
NEEDLESS_BURST: Final = 1000.0  # an endgame's cancels, or the rejections that follow a choke, come at once
NEEDLESS_PER_CHUNK: Final = 4
FIRST_WORDS: Final = 64  # of a connection: it greets, and has the first requests of ours to reject
MAX_ACCOUNTS: Final = 1000


class Patience:
    """Our patience with one connection."""

    __slots__ = ("_words",)

    def __init__(self, now: float) -> None:
        self._words = TokenBucket(NEEDLESS_PER_SECOND, NEEDLESS_BURST, now)
        self._words.take(int(NEEDLESS_BURST) - FIRST_WORDS)

    def lose(self, count: int, now: float) -> bool:
        """It sent `count` messages that changed nothing; returns whether it had as many words."""
        if not self._words.ready(now):
            return False
        self._words.take(count)
        return True

    def regain(self, chunks: int) -> None:
        """So many chunks moved."""
        self._words.take(-NEEDLESS_PER_CHUNK * chunks)


class Accounts:
    """What is borne beyond that. Bounded: who was not heard of the longest is forgotten."""

    def __init__(self) -> None:
        self._left: dict[bytes, TokenBucket] = {}

    def lose(self, patience: Patience, account: bytes, count: int, now: float) -> None:
        """Someone with this patience and account sent `count` messages that changed nothing.

        Raises:
            RemoteProtocolError: that is too many.
        """
        if not count or patience.lose(count, now):
            return
        left = self._left.pop(account, None) or TokenBucket(NEEDLESS_PER_SECOND, NEEDLESS_BURST, now)
        self._left[account] = left
        if len(self._left) > MAX_ACCOUNTS:
            del self._left[next(iter(self._left))]
        if not left.ready(now):
            raise RemoteProtocolError("says too much that changes nothing")
        left.take(count)
