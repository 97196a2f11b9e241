"""Chunks in a row as messages: one may be about as many as its receiver says (`wire.extended`, *span*).

The engine counts in chunks, and sets of them; what a message holds of a block are bytes.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from minibit.engine.flight import Chunks
from minibit.torrent.layout import Layout
from minibit.wire.extended import MAX_SPAN
from minibit.wire.messages import Cancel, Piece, Request

M = TypeVar("M", Request, Cancel)


def messages(kind: type[M], layout: Layout, some: Iterable[Chunks], most: int) -> Iterator[M]:
    """*Requests* for these chunks, or *cancels* of them, each about up to `most` in a row."""
    for block, chunks in some:
        for begin, length in layout.spans(block, chunks, most):
            yield kind(block, begin, length)


def within(layout: Layout, block: int, run: Iterable[Piece], chunks: int) -> list[Piece]:
    """What these pieces of a block hold of these chunks, and nothing else."""
    parts = []
    for piece in run:
        held = chunks & layout.chunks(block, piece.begin, len(piece.data))
        for begin, length in layout.spans(block, held, MAX_SPAN):
            start = begin - piece.begin
            parts.append(Piece(block, begin, piece.data[start : start + length]))
    return parts
