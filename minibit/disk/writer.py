"""Blocks on their way to the disk: collected chunk by chunk, verified, then written.

BEP 3, *pieces*: a block counts only if its SHA-1 is the one in the metainfo, so nothing is written
before it matched.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial

from minibit.disk.buffers import BufferPool
from minibit.disk.ledger import Ledger
from minibit.disk.threads import Threads
from minibit.torrent.metainfo import Metainfo
from minibit.wire.messages import Piece


class Writer:
    """The blocks that neighbours are sending, each in a buffer of its own.

    All methods are called on one thread; `on_result(block, good)` is called on those of `threads`, in any
    order, once the block is written or was found corrupt, and `on_lost(blocks)` when blocks that were
    written turn out to be spoilt, after their results.

    Args:
        max_open: how many blocks may be on their way at a time; memory is so many blocks.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        ledger: Ledger,
        threads: Threads,
        max_open: int,
        on_result: Callable[[int, bool], None],
        on_lost: Callable[[int], None],
    ) -> None:
        self._metainfo = metainfo
        self._layout = metainfo.layout
        self._ledger = ledger
        self._threads = threads
        self._on_result = on_result
        self._on_lost = on_lost
        self._views: dict[int, memoryview] = {}
        size = self._layout.block_size
        self.buffers = BufferPool(size, max_open * size)

    def store(self, block: int, pieces: Iterable[Piece]) -> None:
        """Keep the data of these pieces, all of this block."""
        view = self._views.get(block)
        if view is None:
            view = self._views[block] = self.buffers.acquire(self._layout.block_length(block))
        for piece in pieces:
            begin, data = piece.begin, piece.data
            view[begin : begin + len(data)] = data

    def discard(self, block: int) -> None:
        """Forget what was stored of this block, if anything was."""
        view = self._views.pop(block, None)
        if view is not None:
            self.buffers.release(view)

    def verify(self, block: int) -> None:
        """All of this block is stored: check it and, if it is good, write it."""
        self._threads.put(partial(self._keep, block, self._views.pop(block)))

    def _keep(self, block: int, view: memoryview) -> None:
        if not self._is_good(block, view):
            self.buffers.release(view)
            self._on_result(block, False)
            return
        # One at a time: the kernel lets one thread write to a file, and the others would spin. Results
        # too, as what is lost may be a block that another thread has just written.
        with self._ledger.lock:
            try:
                lost = self._ledger.write(block, view)
            finally:
                self.buffers.release(view)  # before the result: who hears it opens another block
            self._on_result(block, True)
            if lost:
                self._on_lost(lost)

    def _is_good(self, block: int, view: memoryview) -> bool:
        return hashlib.sha1(view).digest() == self._metainfo.digest(block)
