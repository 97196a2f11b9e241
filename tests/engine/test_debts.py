"""Who owes what since when, and when it is to be expected by its own pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.engine.debts import MEMORY, UNTRIED, Debt, Debts

ALL = (1 << 64) - 1


def owed(debt: Debt) -> list[tuple[int, int]]:
    return [(block, chunk) for block, chunk, _ in debt.late(0.0, float("-inf"), ALL)]


def test_a_debt_is_paid_in_any_order_and_knows_when_each_part_was_asked_for() -> None:
    debt = Debt()
    debt.add(0, 0b0111, 1.0)
    debt.add(5, 0b0011, 2.0)
    debt.add(0, 0b1000, 3.0)
    assert owed(debt) == [(0, 0), (0, 1), (0, 2), (5, 0), (5, 1), (0, 3)]
    assert debt.pay(0, 0b0010, 4.0) == 1.0
    assert debt.pay(5, 0b0010, 4.0) == 2.0, "not the first in the queue"
    assert debt.pay(0, 0b1001, 4.0) == 1.0, "of two batches, the older"
    assert owed(debt) == [(0, 2), (5, 0)]
    assert debt.chunks == 2


def test_pace_is_of_the_time_in_which_something_was_owed() -> None:
    debt = Debt()
    for start in (0.0, 100.0):
        debt.add(0, 0b1111, start)
        for chunk in range(4):
            debt.pay(0, 1 << chunk, start + 0.5 * (chunk + 1))
    assert debt.pace(1000.0) == pytest.approx(0.5)
    assert debt.expected(1000.0, 6) == pytest.approx(3.0)


def test_a_neighbour_that_turns_slow_is_slow_soon() -> None:
    debt = Debt()
    now = 0.0
    for pace in (0.01, 1.0):
        for _ in range(3 * MEMORY):
            debt.add(0, 1, now)
            now += pace
            debt.pay(0, 1, now)
    assert 0.9 < debt.pace(now) < 1.0


def test_silence_is_expected_to_last_as_long_again() -> None:
    debt = Debt()
    for chunk in range(50):
        debt.add(0, 1 << chunk, 0.0)
        debt.pay(0, 1 << chunk, 0.0)
    debt.add(1, 0b1, 0.0)
    assert debt.expected(0.0, 1) == 0.0
    assert debt.expected(7.0, 1) == 7.0


def test_who_never_paid_is_as_slow_as_it_let_us_wait() -> None:
    debts = Debts()
    assert debts.promise(1, 4, 0.0) == 4 * UNTRIED
    debts[1].add(0, 0b1111, 0.0)
    assert debts[1].expected(3.0, 2) == 6.0
    debts[1].give_up(0, 0b0011, 3.0)
    assert debts[1].expected(5.0, 1) == 5.0, "it still owes, and has been silent all the time"
    debts[1].give_up(0, 0b1100, 6.0)
    assert debts.outstanding(1) == 0
    assert debts.promise(1, 1, 99.0) == 6.0, "which is remembered"


def test_what_it_takes_back_itself_does_not_count_against_it() -> None:
    debts = Debts()
    debts[1].add(0, 0b1, 0.0)
    debts[1].drop(0, 0b1)
    assert debts.promise(1, 1, 99.0) == UNTRIED


@given(
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 255)), max_size=6),
    paid=st.floats(0, 3),
    busy=st.floats(0, 10),
    silence=st.floats(0, 5),
    bar=st.floats(0, 20),
    blocks=st.integers(0, 15),
)
def test_who_is_late_is_who_is_expected_later(
    asked: list[tuple[int, int]], paid: float, busy: float, silence: float, bar: float, blocks: int
) -> None:
    debt = Debt(paid=paid, busy=busy)
    for block, chunks in asked:
        debt.add(block, chunks, 1.0)
    now = 1.0 + silence
    everything = [(block, chunk) for block, chunks in asked for chunk in bitfield.indices(chunks)]
    expected = [(*each, debt.expected(now, at)) for at, each in enumerate(everything, 1)]
    late = [(block, chunk, when) for block, chunk, when in expected if when > bar and blocks >> block & 1]
    assert list(debt.late(now, bar, blocks)) == late
