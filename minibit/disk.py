"""The work on the disk that must not happen on the event loop: hash a block, then write it.

BEP 3, *pieces*: a block counts only if its SHA-1 is the one in the metainfo, so nothing is written
before it matched. Worker threads do this behind a bounded queue; they know no neighbour and no engine,
and call back with a block's number and whether it was good. The same hashing checks what an earlier run
left on the disk and reads what somebody wants to share.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress, islice
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

from minibit import bitfield
from minibit.errors import StorageError
from minibit.metainfo import Layout, Metainfo
from minibit.storage import Storage

MAX_QUEUED: Final = 1024  # blocks; the pool's bound in bytes is what holds memory down
WORKERS: Final = 2  # threads that verify and write what neighbours send
HASHERS: Final = 2  # threads that hash at start; a disk seldom feeds more
RUN_BYTES: Final = 1 << 20  # small blocks are hashed in runs, so that handing them over costs nothing


class BufferPool:
    """Buffers of one block each, used again and again: a fresh one costs a page fault every 4 KiB.

    At most `limit` bytes exist at a time (at least one buffer), lent and idle together. Thread-safe.
    """

    def __init__(self, size: int, limit: int) -> None:
        self._size = size
        self._unlent = max(1, limit // size)  # buffers that may still be lent
        self._idle: list[bytearray] = []
        self._lent: set[int] = set()
        self._lock = Lock()

    def acquire(self, length: int) -> memoryview:
        """`length` bytes, at most the pool's `size`, with anything in them.

        Raises:
            BufferError: everything is lent; the caller is to open fewer blocks at a time.
        """
        if not 0 < length <= self._size:
            raise ValueError(f"a buffer of {length} bytes from a pool of {self._size}")
        with self._lock:
            if not self._unlent:
                raise BufferError(f"all {len(self._lent)} block buffers are in use")
            self._unlent -= 1
            buffer = self._idle.pop() if self._idle else bytearray(self._size)
            self._lent.add(id(buffer))
        return memoryview(buffer)[:length]

    def release(self, view: memoryview) -> None:
        """Give back what `acquire` lent; to give it back twice would mix two blocks, so that raises."""
        buffer = view.obj
        with self._lock:
            if not isinstance(buffer, bytearray) or id(buffer) not in self._lent:
                raise ValueError("this buffer is not lent")
            self._lent.remove(id(buffer))
            self._idle.append(buffer)
            self._unlent += 1
        view.release()  # whoever kept it finds it dead, not full of another block


class DiskWorker:
    """The threads that verify received blocks and write the good ones, in any order.

    Two, so that one block is hashed while another is written: where a file system makes writing slow,
    that is half as fast again, and elsewhere it costs nothing. `on_result(block, good)` and
    `on_error(error)` are called from these threads. The first error, of the disk or a bug, stops the
    writing: it is reported once, and blocks after it are dropped without a result.
    """

    def __init__(
        self,
        storage: Storage,
        digest: Callable[[int], bytes],
        buffers: BufferPool,
        on_result: Callable[[int, bool], None],
        on_error: Callable[[Exception], None],
        workers: int = WORKERS,
    ) -> None:
        self._storage = storage
        self._digest = digest
        self._buffers = buffers
        self._on_result = on_result
        self._on_error = on_error
        self._queue: SimpleQueue[tuple[int, memoryview] | None] = SimpleQueue()
        self._lock = Lock()
        self._writing = Lock()
        self._dropping = False
        self._closed = False
        # Daemons: should the peer die without `close`, these threads must not keep the process alive.
        self._threads = [
            Thread(target=self._work, name=f"minibit-disk-{n}", daemon=True) for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, block: int, view: memoryview) -> None:
        """Verify and write `block`, whose bytes are exactly `view`, a buffer of the pool.

        The buffer belongs to the worker from here on, and goes back to the pool.

        Raises:
            BufferError: `MAX_QUEUED` blocks are waiting; the buffer stays the caller's.
        """
        if self._closed:
            raise ValueError("this disk worker is closed")
        if self._queue.qsize() >= MAX_QUEUED:
            raise BufferError(f"{MAX_QUEUED} blocks are waiting for the disk")
        self._queue.put((block, view))

    def close(self) -> None:
        """Finish all that was submitted; then stop."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            block, view = job
            try:
                if not self._dropping:
                    self._on_result(block, self._keep(block, view))
            except Exception as error:  # a thread that died of one would leave its block verifying for ever
                with self._lock:
                    first, self._dropping = not self._dropping, True
                if first:
                    self._on_error(error)
            finally:
                self._buffers.release(view)

    def _keep(self, block: int, view: memoryview) -> bool:
        good = hashlib.sha1(view).digest() == self._digest(block)
        if good:
            # One at a time: the kernel lets one thread write to a file, and the others would spin.
            with self._writing:
                self._storage.write(block, 0, view)
        return good


def digests(
    storage: Storage, layout: Layout, blocks: Iterable[int]
) -> Iterator[tuple[int, bytes | StorageError]]:
    """The SHA-1 of each of `blocks` as it is on disk, in order, or why it could not be read.

    Two threads hash; memory is two blocks whatever the share's size. `blocks` is drawn as needed, in
    the thread that iterates.
    """
    per_run = max(1, RUN_BYTES // layout.block_size)
    buffers = BufferPool(layout.block_size, HASHERS * layout.block_size)

    def hash_run(run: list[int]) -> list[tuple[int, bytes | StorageError]]:
        view = buffers.acquire(layout.block_size)
        try:
            return [(block, hash_block(block, view[: layout.block_length(block)])) for block in run]
        finally:
            buffers.release(view)

    def hash_block(block: int, view: memoryview) -> bytes | StorageError:
        try:
            storage.read_into(view, block, 0)
        except StorageError as error:
            return error
        return hashlib.sha1(view).digest()

    remaining = iter(blocks)
    with ThreadPoolExecutor(HASHERS, "minibit-hash") as pool:
        pending: deque[Future[list[tuple[int, bytes | StorageError]]]] = deque()
        while run := list(islice(remaining, per_run)):
            pending.append(pool.submit(hash_run, run))
            if len(pending) > HASHERS:
                yield from pending.popleft().result()
        for future in pending:
            yield from future.result()


def check(
    storage: Storage,
    metainfo: Metainfo,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> int:
    """The blocks that are good on disk, as a bitfield; those found so far once `stop()` is true.

    Whatever cannot be read is missing. Holes are not read: they are zeros, whose digest is known, so an
    empty sparse file of any size is checked at once. `progress(blocks done, blocks in all)` is called
    in this thread.
    """
    layout = metainfo.layout
    count = layout.block_count
    zeros = {
        length: hashlib.sha1(bytes(length)).digest()
        for length in {layout.block_length(0), layout.block_length(count - 1)}
    }
    good = bytearray(count)

    def blocks_with_data() -> Iterator[int]:
        data = 0  # no data lies between the last block looked at and this offset
        for block in range(count):
            if stop():
                return
            start, length = block * layout.block_size, layout.block_length(block)
            if data <= start:
                data = storage.next_data(start)
            if data < start + length:
                yield block
            elif metainfo.digest(block) == zeros[length]:
                good[block] = True

    progress(0, count)
    for block, digest in digests(storage, layout, blocks_with_data()):
        if digest == metainfo.digest(block):
            good[block] = True
        progress(block + 1, count)
    if not stop():
        progress(count, count)
    return bitfield.from_indices(compress(range(count), good), count)
