"""How late a peer is of late."""

import pytest

from minibit.engine.lateness import ASLEEP_SECONDS, MAX_LATE, Lateness


def late(*times: float) -> float:
    lateness = Lateness()
    for seconds in times:
        lateness.add(seconds)
    return lateness.seconds


def test_it_follows_what_is_late_again_and_again_and_forgets() -> None:
    assert late() == 0
    assert late(0.2) == pytest.approx(0.2 / 8)
    assert late(*[0.2] * 80) == pytest.approx(0.2, rel=0.01)
    assert late(*[0.2] * 80, *[0.0] * 80) == pytest.approx(0.0, abs=0.001)


def test_one_time_counts_no_more_than_half_a_second() -> None:
    assert late(9.0) == MAX_LATE / 8


@pytest.mark.parametrize("asleep", [ASLEEP_SECONDS, 1e6])
def test_to_be_suspended_is_not_to_be_late(asleep: float) -> None:
    assert late(asleep) == 0
