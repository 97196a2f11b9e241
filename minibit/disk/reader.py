"""Reading ahead what is to be sent, into buffers that are used again and again.

What would have to wait for a disk is read in threads.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Final

from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage
from minibit.disk.threads import Threads
from minibit.wire.messages import Request

READ_BYTES: Final = 256 * 1024  # read at once
READS_AHEAD: Final = 2  # per connection: one is being sent, the next is being read


class Read:
    """The data of some chunks, one after another in `view` once `done`; `key` says who asked for it."""

    __slots__ = ("chunks", "done", "dropped", "key", "length", "view")

    def __init__(self, key: int, chunks: Sequence[Request], length: int) -> None:
        self.key = key
        self.chunks = chunks
        self.length = length
        self.done = False
        self.view: memoryview | None = None
        self.dropped = False  # whoever wanted it is gone


class Reader:
    """Reads chunks in the threads it is given; `on_read` is called there.

    A buffer is taken only when its reading begins, so reads that wait cost no memory, and those that
    nobody waits for any more never do.

    Args:
        links: how many connections there may be, each with `READS_AHEAD` reads at most.
    """

    def __init__(
        self, storage: Storage, block_size: int, threads: Threads, links: int, on_read: Callable[[Read], None]
    ) -> None:
        self._storage = storage
        self._block_size = block_size
        self._threads = threads
        self._on_read = on_read
        self._lock = Lock()
        # What links hold, and what the threads have in hand for links that were hung up.
        self.buffers = BufferPool(READ_BYTES, READS_AHEAD * (links + 2) * READ_BYTES)

    def submit(self, read: Read) -> None:
        """Read this, at most `READ_BYTES`.

        What the page cache holds is `done` at once, without a call of `on_read`: handing it to a thread and
        back would take as long as copying it.
        """
        read.view = self.buffers.acquire(read.length)
        if all(self._storage.read_cached(*run) for run in self._runs(read)):
            read.done = True
        else:
            self._give_back(read)
            self._threads.put(partial(self._read, read))

    def release(self, read: Read) -> None:
        """Nobody needs this read any more: its buffer is free, or will be when the disk is done with it."""
        with self._lock:
            read.dropped = True
            if read.done:
                self._give_back(read)

    def _read(self, read: Read) -> None:
        with self._lock:
            if read.dropped:
                return
            read.view = self.buffers.acquire(read.length)
        for run in self._runs(read):
            self._storage.read_into(*run)
        with self._lock:
            read.done = True
            if read.dropped:
                self._give_back(read)
                return
        self._on_read(read)

    def _give_back(self, read: Read) -> None:
        assert read.view is not None
        self.buffers.release(read.view)
        read.view = None

    def _runs(self, read: Read) -> Iterator[tuple[memoryview, int, int]]:
        """The reads to make, as (where to, block, begin): chunks in a row in the share are one."""
        assert read.view is not None
        first = read.chunks[0]
        start = used = 0  # where in the view the run starts, and how far it goes
        expected = -1  # where in the share the next chunk of the run would be
        for chunk in read.chunks:
            at = chunk.index * self._block_size + chunk.begin
            if at != expected and used:
                yield read.view[start:used], first.index, first.begin
                first, start = chunk, used
            used += chunk.length
            expected = at + chunk.length
        yield read.view[start:used], first.index, first.begin
