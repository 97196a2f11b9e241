"""The disk of a simulated peer: no byte is kept, only which of them would be wrong."""

from collections.abc import Sequence
from typing import Final

from minibit.torrent.layout import Layout
from minibit.wire.messages import MAX_REQUEST, Piece

HASH_SECONDS: Final = 0.0005  # for a block to be handed to a disk's thread and back…
HASH_RATE: Final = 400 << 20  # …and bytes per second that it hashes and writes
TRUTH: Final = memoryview(bytes(MAX_REQUEST))  # the data of every piece
LIES: Final = memoryview(b"\1" * MAX_REQUEST)


def hash_seconds(length: int) -> float:
    """How long a block of `length` bytes takes to be hashed and written."""
    return HASH_SECONDS + length / HASH_RATE


class SimulatedDisk:
    """Blocks in `spoilt` never come out right, whatever is stored of them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.spoilt = 0
        self._wrong: dict[int, int] = {}  # by block: its chunks that are not right

    def store(self, block: int, pieces: Sequence[Piece]) -> None:
        """Keep these pieces of a block."""
        wrong = self._wrong.get(block, 0)
        for piece in pieces:
            chunks = self._layout.chunks(block, piece.begin, len(piece.data))
            wrong = wrong | chunks if piece.data[0] else wrong & ~chunks
        self._wrong[block] = wrong

    def discard(self, block: int) -> None:
        """Forget what was stored of this block."""
        self._wrong.pop(block, None)

    def right(self, block: int) -> bool:
        """Whether the block that was stored has the right hash; it is forgotten with that."""
        return not self._wrong.pop(block, 0) and not self.spoilt >> block & 1
