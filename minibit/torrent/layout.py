"""How a share is cut: blocks, each with a hash of its own, and the chunks that are asked for (BEP 3).

Pure arithmetic: what the blocks hold, and where they lie on a disk, is unknown here.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct

CHUNK_SIZE: Final = 16 * 1024  # bytes that every client serves at a request (BEP 3)
MIN_BLOCK_SIZE: Final = 16 * 1024
MAX_BLOCK_SIZE: Final = 16 * 1024 * 1024
MAX_BLOCKS: Final = 1 << 21
FEW_BLOCKS: Final = 256  # are enough for a crowd to share the work evenly; more cost its time…
HANDY_BLOCK_SIZE: Final = 1024 * 1024  # …but a block that was interrupted is fetched again, so…
MANY_BLOCKS: Final = 2048  # …there may be so many before they grow further


class Layout(Struct, frozen=True, dict=True):
    """How `total_size` bytes are cut: blocks of `block_size` bytes, the last one shorter.

    `UNKNOWN` has no blocks at all: it stands where the metainfo is still to come (BEP 9).
    """

    total_size: int
    block_size: int

    @cached_property
    def block_count(self) -> int:
        return -(-self.total_size // self.block_size)

    @cached_property
    def _last(self) -> tuple[int, int]:
        """(the last block, its length)"""
        last = self.block_count - 1
        return last, self.total_size - last * self.block_size

    def block_length(self, block: int) -> int:
        """Bytes in `block`."""
        last, length = self._last
        return length if block == last else self.block_size

    def size_of(self, blocks: int) -> int:
        """Bytes in a set of blocks."""
        if not blocks:
            return 0
        last, length = self._last
        return blocks.bit_count() * self.block_size - (blocks >> last & 1) * (self.block_size - length)

    def chunk_count(self, block: int) -> int:
        """Chunks in `block`, the last one possibly shorter."""
        return -(-self.block_length(block) // CHUNK_SIZE)

    def chunks(self, block: int, begin: int, length: int) -> int:
        """The set of chunks that `length` bytes from `begin` in `block`, which exist, are; empty if these are
        not whole chunks."""
        first, odd = divmod(begin, CHUNK_SIZE)
        count, rest = divmod(length, CHUNK_SIZE)
        if odd or (rest and begin + length != self.block_length(block)):
            return 0
        return ((1 << count + (rest > 0)) - 1) << first

    def spans(self, block: int, chunks: int, most: int) -> Iterator[tuple[int, int]]:
        """These chunks of `block` as (begin, length), ascending: each as many in a row as there are, up to
        `most`."""
        while chunks:
            first = (chunks & -chunks).bit_length() - 1
            row = chunks >> first
            count = min(most, (row ^ row + 1).bit_length() - 1)
            begin = first * CHUNK_SIZE
            yield begin, min(count * CHUNK_SIZE, self.block_length(block) - begin)
            chunks ^= ((1 << count) - 1) << first

    def contains(self, block: int, begin: int, length: int) -> bool:
        """Whether `length` bytes from `begin` in `block` exist."""
        last, last_length = self._last
        if not 0 <= block <= last or begin < 0 or length <= 0:
            return False
        return begin + length <= (last_length if block == last else self.block_size)


UNKNOWN: Final = Layout(0, CHUNK_SIZE)


def padding(lengths: Sequence[int], block_size: int) -> list[int]:
    """Bytes of padding behind each file but the last, so that the next one begins a block (BEP 47)."""
    last = max((index for index, length in enumerate(lengths) if length), default=0)
    return [-length % block_size if index < last else 0 for index, length in enumerate(lengths)]


def block_size_for(total_size: int) -> int:
    """A power of two, 16 KiB–16 MiB, that cuts `total_size` bytes into 256–512 blocks, as far as that makes
    blocks of 1 MiB at most, or else, from 256 MiB on, into 2,048 blocks at most. Below 4 MiB there are fewer,
    above 32 GiB more.

    A crowd pays for each block and each neighbour: fifty peers at 1 MiB/s had 16 MiB after 39 s in 256
    blocks, 57 s in 512, 86 s in 1,024.
    """
    size = MIN_BLOCK_SIZE
    while size < HANDY_BLOCK_SIZE and total_size >= 2 * size * FEW_BLOCKS:
        size *= 2
    while size < MAX_BLOCK_SIZE and total_size > size * MANY_BLOCKS:
        size *= 2
    return size
