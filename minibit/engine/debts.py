"""What each neighbour owes us, how quickly it pays, and when each chunk of it is to be expected.

Everybody is measured by what it did itself: a chunk is late by its supplier's own pace, and whoever has
fallen silent is expected to be silent as long again. Times are seconds, sets of chunks are ints.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from minibit import bitfield

UNTRIED: Final = 0.25  # s per chunk, of a neighbour that has never owed us anything
MEMORY: Final = 64  # chunks: what came before so many counts half


class Batch(Struct):
    """Chunks of one block that were asked for together."""

    block: int
    chunks: int
    when: float


class Debt(Struct):
    """What one neighbour owes us, in the order in which it was asked, and how it has paid so far."""

    chunks: int = 0
    batches: deque[Batch] = field(default_factory=deque)
    since: float = 0.0  # when it last paid, or was asked while it owed nothing, whichever is later
    paid: float = 0.0  # chunks, older ones counting less…
    busy: float = 0.0  # …and the seconds for which it owed us something meanwhile
    trip: float = 0.0  # the quickest answer so far
    vain: float = float("-inf")  # when it was last found that it can relieve nobody

    def add(self, block: int, chunks: int, now: float) -> None:
        """It was asked for these too."""
        if not self.chunks:
            self.since = now
        self.chunks += chunks.bit_count()
        self.batches.append(Batch(block, chunks, now))

    def pay(self, block: int, chunks: int, now: float) -> float:
        """These came; returns when the oldest of them was asked for."""
        asked_at = self.drop(block, chunks)
        self.trip = min(self.trip, now - asked_at) if self.paid else now - asked_at
        self.busy += now - self.since
        self.paid += chunks.bit_count()
        self.since = now
        if self.paid > MEMORY:
            self.paid /= 2
            self.busy /= 2
        return asked_at

    def drop(self, block: int, chunks: int) -> float:
        """These are expected of it no more; returns when the oldest of them was asked for."""
        self.chunks -= chunks.bit_count()
        first = self.batches[0]
        if first.block == block and not chunks & ~first.chunks:  # nearly always
            if first.chunks == chunks:
                self.batches.popleft()
            else:
                first.chunks ^= chunks
            return first.when
        asked_at = float("inf")
        kept: deque[Batch] = deque()
        for batch in self.batches:
            gone = batch.chunks & chunks if batch.block == block else 0
            if gone:
                asked_at = min(asked_at, batch.when)
                batch.chunks ^= gone
            if batch.chunks:
                kept.append(batch)
        self.batches = kept
        return asked_at

    def give_up(self, block: int, chunks: int, now: float) -> None:
        """These are expected of it no more, and not because it said so: having waited counts."""
        self.drop(block, chunks)
        if not self.chunks:
            self.busy += now - self.since

    def despair(self, now: float) -> None:
        """It has let us wait for so long that what it owes is about to be dropped: that is remembered."""
        self.busy += now - self.since
        self.since = now

    @property
    def usual(self) -> float:
        """Seconds per chunk when it paid; 0 if it never has."""
        return self.busy / self.paid if self.paid else 0.0

    def pace(self, now: float) -> float:
        """Seconds per chunk, as far as is known by now."""
        busy = self.busy + (now - self.since if self.chunks else 0.0)
        return busy / self.paid if self.paid else max(UNTRIED, busy)

    def expected(self, now: float, position: int) -> float:
        """In how many seconds what stands at this position of its queue is likely to come; 1 is next."""
        silence = now - self.since if self.chunks else 0.0
        return max(self.pace(now) * position, silence)

    def late(self, now: float, bar: float, blocks: int) -> Iterator[tuple[int, int, float]]:
        """Each chunk of `blocks` that is likely to take more than `bar` seconds: (block, chunk, seconds)."""
        if not self.chunks:
            return
        pace, silence = self.pace(now), now - self.since
        silent = silence > bar
        if not silent and pace * self.chunks <= bar:
            return
        position = 0
        for batch in self.batches:
            before, position = position, position + batch.chunks.bit_count()
            if blocks >> batch.block & 1 and (silent or pace * position > bar):
                for at, chunk in enumerate(bitfield.indices(batch.chunks), before + 1):
                    if silent or pace * at > bar:
                        yield batch.block, chunk, max(pace * at, silence)


class Debts(dict[int, Debt]):
    """By neighbour; what one was like is remembered until it leaves."""

    def __missing__(self, key: int) -> Debt:
        debt = self[key] = Debt()
        return debt

    def outstanding(self, key: int) -> int:
        """How many chunks this neighbour owes us."""
        debt = self.get(key)
        return 0 if debt is None else debt.chunks

    def promise(self, key: int, more: int, now: float) -> float:
        """In how many seconds the last of `more` chunks would come, if it were asked for them now."""
        debt = self.get(key)
        if debt is None:
            return UNTRIED * more
        return debt.trip + debt.expected(now, debt.chunks + more)
