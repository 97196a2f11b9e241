"""Medians, spreads, ratios and turns."""

from math import nan

import pytest
from rig.comparison import Comparison, Figure, Spread, turns
from rig.table import table, written

SPEED = Figure("speed", "MiB/s", ".0f", lower_wins=False)
SECONDS = Figure("seconds", "s", ".2f", lower_wins=True)
WASTED = Figure("wasted", "wasted %")


@pytest.fixture
def comparison() -> Comparison:
    """Three rounds of ours and two others; the machine was twice as slow in the second."""
    made = Comparison(["ours", "b", "c"], [SPEED, SECONDS, WASTED])
    for ours, b, c in ((300, 200, 100), (150, 100, 75), (330, 300, 110)):
        for name, speed in (("ours", ours), ("b", b), ("c", c)):
            made.add(name, {"speed": speed, "seconds": 600 / speed, "wasted": nan if name == "c" else 1.0})
    return made


def test_a_spread_is_the_middle_and_both_ends() -> None:
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3)
    assert Spread.of([4, 1, 2, 3]) == Spread(2.5, 1, 4)


def test_everybody_plays_once_a_round_and_the_order_turns() -> None:
    assert list(turns(["a", "b", "c"], 3)) == [
        *((0, name) for name in "abc"),
        *((1, name) for name in "cba"),
        *((2, name) for name in "abc"),
    ]


def test_ratios_are_of_runs_of_one_round(comparison: Comparison) -> None:
    # Of the medians it would be 300 / 200 too, but the range says that no round was unlike the others.
    assert comparison.ratio("b", SPEED) == Spread(1.5, 1.1, 1.5)
    assert comparison.ratio("c", SPEED) == Spread(3, 2, 3)


def test_the_best_other_is_the_quickest_or_the_shortest(comparison: Comparison) -> None:
    assert comparison.best_other(SPEED) == "b"
    assert comparison.best_other(SECONDS) == "b"
    assert comparison.best_other(WASTED) is None


def test_what_nobody_told_is_left_out(comparison: Comparison) -> None:
    assert comparison.spread("c", WASTED) is None
    assert comparison.ratio("c", WASTED) is None
    document = comparison.document()
    assert set(document["medians"]["c"]) == {"speed", "seconds"}
    assert document["ratios"]["b"]["speed"] == {"median": 1.5, "low": 1.1, "high": 1.5}
    assert "wasted" not in document["ratios"]["b"]  # nobody wins there


def test_alone_there_is_nothing_to_compare_with() -> None:
    alone = Comparison(["ours"], [SPEED])
    alone.add("ours", {"speed": 1.0})

    assert alone.best_other(SPEED) is None
    assert alone.document()["ratios"] == {}


def test_a_table_has_a_row_for_each_and_for_each_ratio(comparison: Comparison) -> None:
    shown = table(comparison, "1 → 1")

    assert list(shown.columns[0].cells) == ["ours", "b", "c", "ours ÷ b", "ours ÷ c"]
    assert list(shown.columns[1].cells) == [
        "300 (150–330)",
        "200 (100–300)",
        "100 (75–110)",
        "[bold]1.50 (1.10–1.50)[/bold] *",
        "3.00 (2.00–3.00)",
    ]
    assert list(shown.columns[3].cells) == ["1.00", "1.00", "—", "", ""]


def test_a_range_that_nobody_can_see_is_not_written() -> None:
    assert written(Spread(1.001, 1.0, 1.004), ".2f") == "1.00"
    assert written(None, ".2f") == "—"
