"""Chunks in a row as messages: one may be about as many as its receiver says (`wire.extended`, *span*).

The engine counts in chunks, and sets of them; what a message holds of a block are bytes.
"""

from collections.abc import Iterable, Iterator

from minibit.engine.flight import Chunks
from minibit.torrent.layout import Layout
from minibit.wire.extended import MAX_SPAN
from minibit.wire.messages import Cancel, Piece, Request


def requests(layout: Layout, asked: Iterable[Chunks], most: int) -> Iterator[Request]:
    """What to send to be sent these chunks, `most` at a time."""
    for block, chunks in asked:
        for begin, length in layout.spans(block, chunks, most):
            yield Request(block, begin, length)


def cancels(layout: Layout, block: int, chunks: int, most: int) -> Iterator[Cancel]:
    """What to send not to be sent these chunks of a block any more, `most` at a time."""
    for begin, length in layout.spans(block, chunks, most):
        yield Cancel(block, begin, length)


def within(layout: Layout, block: int, run: Iterable[Piece], chunks: int) -> list[Piece]:
    """What these pieces of a block hold of these chunks, and nothing else."""
    parts = []
    for piece in run:
        held = chunks & layout.chunks(block, piece.begin, len(piece.data))
        for begin, length in layout.spans(block, held, MAX_SPAN):
            start = begin - piece.begin
            parts.append(Piece(block, begin, piece.data[start : start + length]))
    return parts
