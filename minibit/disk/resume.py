"""What an earlier run, or another program, has left of a share: found, checked, and nobody's file touched."""

import hashlib
from collections.abc import Callable

from msgspec import Struct

from minibit import bitfield
from minibit.disk.check import check
from minibit.disk.storage import Storage
from minibit.torrent.metainfo import Metainfo


class Found(Struct, frozen=True):
    """The blocks that are good, as a bitfield; the files that are `whole` by them, by number; and those that
    hold bytes of the share, which is what tells them from a stranger's."""

    have: int = 0
    whole: frozenset[int] = frozenset()
    ours: frozenset[int] = frozenset()


def inspect(
    storage: Storage,
    metainfo: Metainfo,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
    *,
    overwrite: bool,
) -> Found:
    """What lies where `storage` is to write: nothing is created, changed or grown.

    `progress(blocks done, blocks in all)` is called in this thread; once `stop()` is true, what was found so
    far is returned.

    Raises:
        UsageError: a file that is not ours is in the way, and we are not to `overwrite` it.
        StorageError: the disk refused.
    """
    storage.survey(overwrite=overwrite)
    found = _found(metainfo, check(storage, metainfo, progress, stop))
    if not stop():
        storage.refuse_strangers(found.whole, found.ours, overwrite=overwrite)
    return found


def _found(metainfo: Metainfo, have: int) -> Found:
    layout = metainfo.layout
    last = layout.block_count - 1
    zeros = {
        hashlib.sha1(bytes(length)).digest() for length in {layout.block_size, layout.block_length(last)}
    }
    good = bytearray(layout.block_count)
    telling = bytearray(layout.block_count)
    for block in bitfield.indices(have):
        good[block] = 1
        telling[block] = metainfo.digest(block) not in zeros  # a stranger's file has zeros too
    whole, ours = set(), set()
    for index, entry in enumerate(metainfo.files):
        first, end = entry.offset // layout.block_size, -(-(entry.offset + entry.length) // layout.block_size)
        if entry.length and not good.count(0, first, end):
            whole.add(index)
        if entry.length and telling.count(1, first, end):
            ours.add(index)
    return Found(have, frozenset(whole), frozenset(ours))
