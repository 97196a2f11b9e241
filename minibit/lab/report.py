"""What there is to show of many runs: tables of words, curves, and what to make of them.

A description only: `screen` draws it on a terminal, in a pipe or in a picture.
"""

from collections.abc import Sequence

from msgspec import Struct


class Grid(Struct, frozen=True):
    """A table: its heads, and rows of as many words. The first column is of names, others of figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


class Line(Struct, frozen=True):
    """One curve, or points; `group` gives the curves of a group one colour, `faint` draws it thin."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    group: int = 0
    faint: bool = False
    steps: bool = False
    points: bool = False


class Panel(Struct, frozen=True):
    """One set of axes."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    logarithmic: bool = False  # along x


class Report(Struct, frozen=True):
    """The whole of it; `source` is what it is held against, if anything."""

    title: str
    grids: tuple[Grid, ...]
    notes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    source: str = ""
