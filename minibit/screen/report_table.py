"""A report of many runs: tables on a terminal, or lines in a pipe whose columns stand below each other."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from minibit.lab.report import Grid, Report


def report_table(report: Report) -> RenderableType:
    """For a terminal: it fits its cells into whatever width there is."""
    parts: list[RenderableType] = [Text(report.title, "bold")]
    for grid in report.grids:
        table = Table(box=SIMPLE_HEAD, title=grid.title or None, title_justify="left", pad_edge=False)
        for at, head in enumerate(grid.heads):
            table.add_column(Text(head), justify="right" if at else "left")
        for row in grid.rows:
            table.add_row(*map(Text, row))
        parts.append(table)
    parts += [Text(note, "bright_black") for note in _notes(report)]
    return Group(*parts)


def report_lines(report: Report) -> list[str]:
    """For a pipe: no control codes, as wide as it must be."""
    lines = [report.title]
    for grid in report.grids:
        lines += ["", *_lines(grid)]
    return [*lines, "", *_notes(report)]


def _notes(report: Report) -> Iterator[str]:
    yield from report.notes
    if report.source:
        yield f"source: {report.source}"


def _lines(grid: Grid) -> Iterator[str]:
    if grid.title:
        yield grid.title
    widths = [max(map(len, column)) for column in zip(grid.heads, *grid.rows, strict=True)]
    for row in (grid.heads, *grid.rows):
        cells = [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
