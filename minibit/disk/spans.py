"""Which files lie under which bytes of a share. Pure arithmetic: where they lie on a disk is unknown here."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from minibit.torrent.metainfo import FileEntry, Metainfo


class Spans:
    """The files of one share with bytes in them, in order; offsets count from the start of the share."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._entries = metainfo.files
        self._block_size = metainfo.layout.block_size
        self._total_size = metainfo.layout.total_size
        self._files = [index for index, entry in enumerate(metainfo.files) if entry.length]
        self._offsets = [metainfo.files[index].offset for index in self._files]

    def files_of(self, block: int) -> range:
        """The files that bytes of this block lie in, by number; empty ones among them may be in it too."""
        start = block * self._block_size
        end = min(start + self._block_size, self._total_size)
        first, behind = self._first(start), bisect_left(self._offsets, end)
        return range(self._files[first], self._files[behind - 1] + 1) if first < behind else range(0)

    def files_from(self, offset: int) -> Iterator[int]:
        """The files with bytes at or behind `offset`, in order."""
        return (self._files[place] for place in range(self._first(offset), len(self._files)))

    def under(self, offset: int, length: int) -> Iterator[tuple[int | None, int, int]]:
        """The parts of files under `length` bytes from `offset`: (file, offset in it, bytes).

        Padding, zeros that lie in no file, has None for a file (BEP 47).
        """
        if not 0 <= offset <= offset + length <= self._total_size:
            raise ValueError(f"{length} bytes at {offset} are not in a share of {self._total_size}")
        place = self._first(offset)
        while length:
            if place == len(self._files):
                yield None, 0, length
                return
            index = self._files[place]
            entry = self._entries[index]
            if offset < entry.offset:
                size = min(length, entry.offset - offset)
                yield None, 0, size
            else:
                size = min(length, _end(entry) - offset)
                yield index, offset - entry.offset, size
                place += 1
            offset += size
            length -= size

    def _first(self, offset: int) -> int:
        """The place in `_files` of the first file that has bytes at or behind `offset`."""
        place = bisect_right(self._offsets, offset) - 1
        inside = place >= 0 and offset < _end(self._entries[self._files[place]])
        return place if inside else place + 1


def _end(entry: FileEntry) -> int:
    return entry.offset + entry.length
