"""Which blocks a peer holds, drawn in the cells of a terminal.

A cell stands for a range of blocks: full only when all of them are held, empty only when none is, and
a shade in between, so that a hole stays visible however many blocks share a cell. Pure functions of a
bitfield; no figure, name or layout is known here.
"""

from collections.abc import Iterable
from itertools import groupby, repeat
from typing import Final

from rich.text import Text

SHADES: Final = "·░▒▓█"
ARRIVING: Final = "▁"
GIVEN: Final = "■"
_EMPTY_STYLE: Final = "bright_black"

HELD: Final = "cyan"
WHOLE: Final = "green"
GRANTED: Final = "bright_blue"
IN_FLIGHT: Final = "yellow"


def span(cell: int, cells: int, count: int) -> tuple[int, int]:
    """The blocks `start <= block < stop` that `cell` of `cells` stands for; never none (`count` > 0).

    With fewer blocks than cells, neighbouring cells stand for the same block.
    """
    start = cell * count // cells
    return start, max(start + 1, (cell + 1) * count // cells)


def share(blocks: int, cell: int, cells: int, count: int) -> float:
    """Which part of the cell's range is in `blocks`, 0–1."""
    start, stop = span(cell, cells, count)
    return (blocks >> start & (1 << stop - start) - 1).bit_count() / (stop - start)


def shade(part: float) -> str:
    """The glyph for a cell of which `part` is held: `·` is exactly 0, `█` exactly 1."""
    if part in (0, 1):
        return SHADES[4 * int(part)]
    return SHADES[1 + int(3 * part)]


def bar(blocks: int, count: int, cells: int, style: str | None = None) -> Text:
    """One line of `cells` cells; unless a `style` is given, a complete set is green and others are not."""
    if count <= 0:
        return _drawn(repeat((SHADES[0], _EMPTY_STYLE), cells))
    style = style or (WHOLE if blocks.bit_count() == count else HELD)
    parts = (share(blocks, cell, cells, count) for cell in range(cells))
    return _drawn((shade(part), style if part else _EMPTY_STYLE) for part in parts)


def split(first: int, second: int, cells: int, styles: tuple[str, str]) -> Text:
    """Two amounts side by side, filling `cells` cells in their proportion; dots when both are 0."""
    total = first + second
    if total <= 0:
        return _drawn(repeat((SHADES[0], _EMPTY_STYLE), cells))
    left = round(cells * first / total)
    return Text("▒" * left, styles[0]).append("█" * (cells - left), styles[1])


def block_map(blocks: int, in_flight: int, granted: int, count: int, width: int, lines: int) -> Text:
    """A picture of one download in up to `lines` lines of `width` cells, a block a cell if they suffice.

    What is in flight outranks what was granted, which outranks what was traded for.
    """
    if count <= 0:
        return _drawn(repeat((SHADES[0], _EMPTY_STYLE), width))
    cells = max(width, min(count, width * lines))
    used = -(-cells // width)
    per_line = -(-cells // used)

    def cell(number: int) -> tuple[str, str]:
        held = share(blocks, number, cells, count)
        if share(in_flight, number, cells, count):
            return shade(held) if held else ARRIVING, IN_FLIGHT
        # A cell of many blocks nearly always has a granted one: it takes their colour when most are.
        if share(granted, number, cells, count) > 0.5:
            return GIVEN if held == 1 else shade(held), GRANTED
        return shade(held), HELD if held else _EMPTY_STYLE

    rows = (range(start, min(start + per_line, cells)) for start in range(0, cells, per_line))
    return Text("\n").join(_drawn(map(cell, row)) for row in rows)


def legend() -> list[Text]:
    """What the glyphs and colours of `block_map` mean."""
    entries = (
        (SHADES[-1], HELD, "have"),
        (GIVEN, GRANTED, "have, granted"),
        (ARRIVING, IN_FLIGHT, "in flight"),
        (SHADES[0], _EMPTY_STYLE, "missing"),
    )
    return [Text(glyph, style).append(f" {word}", "default") for glyph, style, word in entries]


def _drawn(cells: Iterable[tuple[str, str]]) -> Text:
    """Cells of (glyph, style) as text, one run per style."""
    text = Text(no_wrap=True)
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(glyph for glyph, _ in run), style)
    return text
