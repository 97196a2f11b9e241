"""Buffers that are used again and again, so that memory has a bound and no page is touched for nothing."""

from mmap import mmap
from threading import Lock


class BufferPool:
    """Buffers of one block each, used again and again: a fresh one costs a page fault every 4 KiB.

    At most `limit` bytes exist at a time (at least one buffer), lent and idle together. Thread-safe. Each is
    a map of its own: what malloc was given back, large buffers of threads that have ended, stays with the
    process, 20 MiB of it where blocks have 16.
    """

    def __init__(self, size: int, limit: int) -> None:
        self._size = size
        self._unlent = max(1, limit // size)  # buffers that may still be lent
        self._idle: list[mmap] = []
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
            buffer = self._idle.pop() if self._idle else mmap(-1, self._size)
            self._lent.add(id(buffer))
        return memoryview(buffer)[:length]

    def release(self, view: memoryview) -> None:
        """Give back what `acquire` lent; to give it back twice would mix two blocks, so that raises."""
        buffer = view.obj
        with self._lock:
            if not isinstance(buffer, mmap) or id(buffer) not in self._lent:
                raise ValueError("this buffer is not lent")
            self._lent.remove(id(buffer))
            self._idle.append(buffer)
            self._unlent += 1
        view.release()  # whoever kept it finds it dead, not full of another block
