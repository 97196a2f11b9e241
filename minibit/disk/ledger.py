"""Which blocks of which file are good: so when a file is whole, and what somebody else has spoilt.

A block's hash is right when it is written. Whether it is still on the disk when its file is whole shows in
the file's stamp: if that is not as our last write left it, all that was written is hashed again.
"""

from collections import Counter
from threading import Lock
from typing import Final

from minibit import bitfield
from minibit.disk.check import digests
from minibit.disk.storage import Storage
from minibit.errors import StorageError
from minibit.torrent.metainfo import Metainfo

PATIENCE: Final = 3  # times that one file is mended


class Ledger:
    """The blocks of one share on one disk. Whoever calls a method holds `lock`.

    Args:
        have: the blocks that are good already. Files that are whole by them have their own names.
    """

    def __init__(self, metainfo: Metainfo, storage: Storage, have: int) -> None:
        self.lock = Lock()
        self._metainfo = metainfo
        self._storage = storage
        self._good = bytearray(metainfo.layout.block_count)
        for block in bitfield.indices(have):
            self._good[block] = 1
        # How many blocks each unfinished file lacks.
        self._lacking = {index: self._count_lacking(index) for index in storage.unfinished}
        self._mended: Counter[int] = Counter()

    def write(self, block: int, view: memoryview) -> int:
        """Write a block whose hash is right; files that are whole by it get their own names.

        Returns the blocks that turn out to be spoilt.

        Raises:
            StorageError: the disk refused, or somebody else does not let go of a file.
        """
        self._storage.write(block, 0, view)
        lost = 0
        if not self._good[block]:
            self._good[block] = 1
            for index in self._storage.files_of(block):
                if index in self._lacking:
                    self._lacking[index] -= 1
            for index in self._storage.files_of(block):
                if self._lacking.get(index) == 0:
                    lost |= self._finish(index)
        return lost

    def look(self) -> int:
        """See whether every file is as we left it; returns the blocks that are spoilt.

        Raises:
            StorageError: a file that was whole is not what it was, or one is gone.
        """
        lost = 0
        for index in self._storage.changed():
            if index in self._lacking:
                if self._storage.doubtful(index):
                    lost |= self._mend(index)
            else:
                raise self._storage.changed_meanwhile(index)
        if not lost:
            self._storage.check_present()
        return lost

    def _finish(self, index: int) -> int:
        lost = self._mend(index) if self._storage.doubtful(index) else 0
        if not self._lacking[index]:
            self._storage.finish(index)
            del self._lacking[index]
        return lost

    def _mend(self, index: int) -> int:
        """Hash again what was written to this file; returns the blocks that are spoilt."""
        blocks = [block for block in self._blocks(index) if self._good[block]]
        lost = 0
        for block, digest in digests(self._storage, self._metainfo.layout, blocks):
            if digest != self._metainfo.digest(block):
                lost |= 1 << block
                self._good[block] = 0
                for other in self._storage.files_of(block):
                    if other in self._lacking:
                        self._lacking[other] += 1
        self._mended[index] += bool(lost)
        if self._mended[index] > PATIENCE:
            raise StorageError(
                f"{str(self._storage.lies_at(index))!r} is spoilt again and again by something else: "
                "end that, and start again"
            )
        return lost

    def _blocks(self, index: int) -> range:
        """The blocks that have bytes in this file."""
        entry, size = self._metainfo.files[index], self._metainfo.layout.block_size
        return range(entry.offset // size, -(-(entry.offset + entry.length) // size))

    def _count_lacking(self, index: int) -> int:
        blocks = self._blocks(index)
        return self._good.count(0, blocks.start, blocks.stop)
