"""Which blocks of a share are good as they lie on a disk: hashing in threads, in the order of the blocks.

The same hashing checks what an earlier run left, reads what somebody wants to share, and verifies
copies at the end (BEP 3, *pieces*).
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress, islice, takewhile
from typing import Final

from minibit import bitfield
from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage
from minibit.errors import StorageError
from minibit.torrent.layout import Layout
from minibit.torrent.metainfo import Metainfo

HASHERS: Final = 2  # threads that hash; a disk seldom feeds more
RUN_BYTES: Final = 1 << 20  # small blocks are hashed in runs, so that handing them over costs nothing


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


def blocks_with_data(
    storage: Storage, layout: Layout, blocks: Iterable[int], hole: Callable[[int, bytes], None]
) -> Iterator[int]:
    """Those of `blocks`, in their order, that have to be read; `hole(block, digest)` is told of the others.

    They lie in holes, which are zeros, so their digest is known. `blocks` ascend.
    """
    zeros = {
        length: hashlib.sha1(bytes(length)).digest()
        for length in {layout.block_length(0), layout.block_length(layout.block_count - 1)}
    }
    data = 0  # no data lies between the last block looked at and this offset
    for block in blocks:
        start, length = block * layout.block_size, layout.block_length(block)
        if data <= start:
            data = storage.next_data(start)
        if data < start + length:
            yield block
        else:
            hole(block, zeros[length])


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
    good = bytearray(count)

    def hole(block: int, digest: bytes) -> None:
        good[block] = metainfo.digest(block) == digest

    wanted = takewhile(lambda _: not stop(), range(count))
    progress(0, count)
    for block, digest in digests(storage, layout, blocks_with_data(storage, layout, wanted, hole)):
        if digest == metainfo.digest(block):
            good[block] = True
        progress(block + 1, count)
    if not stop():
        progress(count, count)
    return bitfield.from_indices(compress(range(count), good), count)
