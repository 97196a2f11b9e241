"""A report on a terminal and in a pipe: every word of it, in columns."""

from io import StringIO

import pytest
from rich.console import Console

from minibit.lab.report import Grid, Report
from minibit.screen.report_table import report_lines, report_table

REPORT = Report(
    "a title",
    (
        Grid(
            ("name", "median s", "real?"), (("rarest-first", "9.5", "—"), ("[red]x", "10.25", "may be luck"))
        ),
        Grid(("figure", "ours"), (("a", "1"),), "beside Somebody"),
    ),
    ("a note",),
    source="Somebody 1999",
)


def test_lines_have_their_columns_below_each_other() -> None:
    assert report_lines(REPORT) == [
        "a title",
        "",
        "name          median s        real?",
        "rarest-first       9.5            —",
        "[red]x           10.25  may be luck",
        "",
        "beside Somebody",
        "figure  ours",
        "a          1",
        "",
        "a note",
        "source: Somebody 1999",
    ]


def test_without_a_source_none_is_named() -> None:
    assert report_lines(Report("t", (), ("n",))) == ["t", "", "n"]


@pytest.mark.parametrize("width", [40, 100])
def test_a_terminal_shows_every_word_as_it_is(width: int) -> None:
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(report_table(REPORT))
    shown = captured.get()
    for word in (
        "a title",
        "rarest-first",
        "[red]x",
        "10.25",
        "beside Somebody",
        "a note",
        "source: Somebody 1999",
    ):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= width
    if width == 100:  # names to the left, figures to the right
        (name, figure) = (line for line in shown.splitlines() if "9.5" in line or "10.25" in line)
        assert name.index("9.5") + 3 == figure.index("10.25") + 5
