"""Figures in a few words, as tables and lines both say them; nothing here needs a terminal's library."""

from minibit import units
from minibit.snapshot import SwarmStatus


def blocks_phrase(count: int, size: int) -> str:
    """`192 blocks of 64 KiB`: a power of two needs no decimals."""
    return f"{units.count(count, 'block')} of {units.size(size).replace('.0 ', ' ')}"


def copies_phrase(copies: int) -> str:
    """`no copy`, `1 copy`, `5 copies`: of a block, among the peers."""
    return units.count(copies, "copy", "copies") if copies else "no copy"


def carried_phrase(view: SwarmStatus) -> str:
    """What the origin uploaded, and its part of all that was: one side's figures, so never above 100 %.

    Of an origin that has left, what those who are there had from it.
    """
    if view.origin is not None:
        origin, everyone = view.origin.figures.uploaded, sum(row.figures.uploaded for row in view.rows)
    else:
        origin = sum(row.figures.from_origin for row in view.rows)
        everyone = sum(row.figures.downloaded for row in view.rows)
    return f"{units.size(origin)} ({units.proportion(origin, everyone)})" if everyone else units.size(origin)
