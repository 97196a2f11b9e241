"""What a handful of runs show, against values that tables and arithmetic give."""

import itertools
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.lab.evidence import (
    DRAWS,
    Estimate,
    against,
    estimate,
    flipped,
    holm,
    jain,
    least_runs,
    quantile,
    student,
)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 11)], 0.9) == 9.0
    assert quantile([7.0], 0.9) == quantile([7.0], 0.0) == 7.0


def test_jain_is_one_for_equals_and_one_nth_for_one_who_has_it_all() -> None:
    assert jain([2.0, 2.0, 2.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain([]) == 1.0


# From a table of Student's distribution, 97.5 % one-sided.
@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_student_is_as_the_tables_have_it(freedom: int, t: float) -> None:
    assert student(freedom) == pytest.approx(t, abs=0.0006)


def test_an_estimate_has_an_interval_from_two_runs_on() -> None:
    assert estimate([4.0]) == Estimate(4.0, None, None)
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.low == pytest.approx(2.5 - 3.182446 * 1.290994 / 2, abs=1e-4)
    assert found.high == pytest.approx(5.0 - (found.low or 0.0))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8))
def test_the_flips_are_all_the_flips(differences: list[int]) -> None:
    seen = abs(sum(differences))
    ways = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    assert flipped([float(each) for each in differences]) == fmean(way >= seen for way in ways)


def test_many_runs_are_flipped_by_lot_and_the_same_each_time() -> None:
    assert flipped([1.0] * 30) == pytest.approx(1 / (DRAWS + 1))
    even = [1.0, -1.0] * 10
    assert flipped(even) == flipped(even) == 1.0


def test_holm_weighs_the_least_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("others", "runs"), [(0, 6), (1, 6), (2, 7), (4, 8)])
def test_the_least_runs_can_just_be_told_apart(others: int, runs: int) -> None:
    assert least_runs(others) == runs
    assert max(1, others) * 2 / 2**runs < 0.05 < max(1, others) * 2 / 2 ** (runs - 1)


def test_a_difference_is_real_only_if_luck_would_hardly_make_it() -> None:
    first = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]
    slower, equal = [value + 1.0 + value / 100 for value in first], [*reversed(first)]
    one, other = against(first, [slower, equal])
    assert one.real is True
    assert (one.p, one.adjusted) == (2 / 128, 4 / 128)
    assert other.real is False
    assert other.by.mean == pytest.approx(0.0)
    few, _ = against(first[:6], [slower[:6], equal[:6]])
    assert (few.real, few.p) == (None, None)  # two others cannot be told by six runs
    assert against(first[:6], [slower[:6]])[0].real is True
