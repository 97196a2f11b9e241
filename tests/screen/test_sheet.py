from collections.abc import Sequence
from typing import Any

import pytest
from fakes.pictures import drawn
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from minibit.screen.sheet import STRETCH, Column, Sheet, fit, name_list, shortened

WANTED = {"name": 10, "bar": STRETCH, "rate": 10, "extra": 20}
CONCESSIONS = (("extra", 12), ("extra", 0), ("rate", 0))


def sheet(rows: int, **changes: Any) -> Sheet:
    names = [Text(f"row {number}") for number in range(rows)]
    columns = [
        Column("name", 8, names),
        Column("bar", STRETCH, [lambda cells: Text("=" * cells)] * rows),
        Column("n", 3, [Text(str(number)) for number in range(rows)], right=True),
    ]

    def rest(numbers: Sequence[int]) -> str:
        return f": {list(numbers)}"

    values: dict[str, Any] = {
        "above": ([Text("above")],),
        "columns": columns,
        "concessions": (),
        "below": ([Text("below")],),
        "order": range(rows),
        "rest": rest,
    }
    return Sheet(**(values | changes))


def test_a_sheet_is_facts_head_rule_rows_facts() -> None:
    assert [line.plain for line in sheet(2).lines(24)] == [
        "above",
        "name     bar           n",
        "─" * 24,
        "row 0    ===========   0",
        "row 1    ===========   1",
        "below",
    ]


@pytest.mark.parametrize(
    ("width", "columns", "gap"),
    [
        (120, {"name": 10, "bar": 74, "rate": 10, "extra": 20}, 2),
        (90, {"name": 10, "bar": 47, "rate": 10, "extra": 20}, 1),
        (50, {"name": 10, "bar": 15, "rate": 10, "extra": 12}, 1),
        (36, {"name": 10, "bar": 14, "rate": 10}, 1),
        (25, {"name": 10, "bar": 14}, 1),
        (5, {"name": 10, "bar": 1}, 1),
    ],
)
def test_concessions_are_made_in_their_order_and_only_as_needed(
    width: int, columns: dict[str, int], gap: int
) -> None:
    assert fit(WANTED, CONCESSIONS, width) == (columns, gap)


@given(st.integers(0, 40), st.integers(1, 30), st.none() | st.integers(0, 30))
def test_a_live_sheet_never_outgrows_its_screen(rows: int, spare: int, most: int | None) -> None:
    lines = sheet(rows, max_lines=5 + spare, max_rows=most).lines(60)
    assert len(lines) <= 5 + spare
    shown = sum(line.plain.startswith("row ") for line in lines)
    hidden = [line.plain for line in lines if "more" in line.plain]
    assert bool(hidden) == (shown < rows)
    assert not hidden or hidden[0].startswith(f"… and {rows - shown} more: [")


def test_the_rows_named_first_in_order_stay_and_stay_in_place() -> None:
    lines = [line.plain for line in sheet(5, order=(4, 1, 0, 2, 3), max_rows=3).lines(60)]
    assert [line[:5] for line in lines[3:6]] == ["row 0", "row 1", "row 4"]
    assert lines[6] == "… and 2 more: [2, 3]"


def test_facts_flow_whole_and_a_long_one_breaks_at_a_space() -> None:
    facts = [Text("one 1"), Text("two 2"), Text("a fact that is longer than a line")]
    lines = [line.plain for line in sheet(0, above=(facts,)).lines(20)]
    assert lines[:4] == ["one 1  •  two 2", "a fact that is", "longer than a line", "name     bar       n"]


def test_drawing_twice_draws_the_same() -> None:
    one = sheet(3)
    assert drawn(one, 50) == drawn(one, 50)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_console_without_utf_8_gets_ascii_of_the_same_width(encoding: str) -> None:
    names = [Text("joão…"), Text("日本"), Text("★ ░▒▓█")]
    columns = [Column("name", 8, names), Column("bar", STRETCH, [Text("·" * 20)] * 3)]
    picture = drawn(sheet(3, columns=columns), 30, encoding=encoding)
    assert picture.isascii()
    assert picture.splitlines()[2:5] == [
        "-" * 30,
        "jo?o~    " + "." * 20,
        "????     " + "." * 20,
    ]


@pytest.mark.parametrize(
    ("name", "cells", "text"),
    [
        ("ana", 3, "ana"),
        ("computador-12", 13, "computador-12"),
        ("computador-12", 8, "compu…12"),
        ("computador-12", 4, "c…12"),
        ("computador-12", 3, "co…"),
        ("mariana", 5, "mari…"),
        ("日本語の名前", 6, "日本…"),
        ("1234567890", 5, "1234…"),
    ],
)
def test_a_shortened_name_keeps_the_number_that_tells_it_apart(name: str, cells: int, text: str) -> None:
    assert shortened(name, cells) == text


@given(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=32), st.integers(2, 40))
def test_a_shortened_name_fits(name: str, cells: int) -> None:
    assert cell_len(shortened(name, cells)) <= cells


def test_names_share_their_room() -> None:
    names = tuple(f"computador-{number:02}" for number in range(4))
    assert name_list((), "green")(10).plain == "—"
    assert name_list(("ana", "bia"), "green")(7).plain == "ana bia"
    assert name_list(names, "green")(35).plain == "compu…00 compu…01 compu…02 compu…03"
    assert name_list(names, "green")(19).plain == "c…00 c…01 c…02 c…03"
    assert name_list(names, "green")(12).plain == "c…00 c…01 +2"


def test_a_name_is_never_markup() -> None:
    assert "[red]x[/red]" in drawn(name_list(("[red]x[/red]",), "green")(20))
