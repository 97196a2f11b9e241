"""Shares of noise, storage whose calls wait at a gate, and how much a pool of buffers still lends."""

import hashlib
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo

BLOCK = 64 * 1024  # larger than a page, so that unwritten blocks are holes
PATIENCE = 20  # seconds until a hung thread fails a test


def share_of(content: bytes, files: list[int] | None = None, block_size: int = BLOCK) -> Metainfo:
    blocks = [content[at : at + block_size] for at in range(0, len(content), block_size)]
    found = b"".join(hashlib.sha1(block).digest() for block in blocks)
    if files is None:
        return metainfo.build("f", [((), len(content))], block_size, found, folder=False)
    entries = [((str(i),), length) for i, length in enumerate(files)]
    return metainfo.build("f", entries, block_size, found, folder=True)


def noise(blocks: int, tail: int = 0) -> bytes:
    return hashlib.shake_128(b"noise").digest(blocks * BLOCK + tail)


def opened(share: Metainfo, folder: Path) -> Storage:
    ready = Storage(share, folder, writable=True)
    ready.prepare()
    return ready


def free(pool: BufferPool) -> int:
    """How many more buffers it lends."""
    lent = []
    with suppress(BufferError):
        while True:
            lent.append(pool.acquire(1))
    for view in lent:
        pool.release(view)
    return len(lent)


class Gate:
    """Stands in for a method: it waits until the gate opens, then does what the method did.

    `entered` is set once somebody waits; `passed` are the blocks whose call has ended, in order.
    """

    def __init__(self, method: Any) -> None:
        self._method = method
        self._open = Event()
        self.entered = Event()
        self.passed: list[int] = []

    def __call__(self, *arguments: Any) -> None:
        self.entered.set()
        assert self._open.wait(PATIENCE)
        self._method(*arguments)
        self.passed.append(next(a for a in arguments if isinstance(a, int)))

    def open(self) -> None:
        self._open.set()
