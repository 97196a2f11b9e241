"""The work on the disk that must not happen on the event loop: hash a block, then write it.

BEP 3, *pieces*: a block counts only if its SHA-1 is the one in the metainfo, so nothing is written
before it matched. Worker threads do this behind a bounded queue; they know no neighbour and no engine,
and call back with a block's number and whether it was good. The same hashing checks what an earlier run
left on the disk and reads what somebody wants to share.
"""

import hashlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage

MAX_QUEUED: Final = 1024  # blocks; the pool's bound in bytes is what holds memory down
WORKERS: Final = 2  # threads that verify and write what neighbours send


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
