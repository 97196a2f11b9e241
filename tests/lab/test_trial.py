"""What is remembered of a run: its figures, and looks at the copies of blocks."""

import pytest

from minibit.lab.scenario import Departure, OriginLine, PeerClass, Scenario
from minibit.lab.trial import LOOKS, MOST_LOOKS, Looks, Spread, Trial, simulated, spread, trial
from minibit.snapshot import Summary, SummaryRow

SWARM = Scenario(
    (
        PeerClass("stayer", 2, upload=65536.0, start=1.0),
        PeerClass("guest", 1, upload=65536.0, leave=Departure.AFTER, leave_seconds=2.0),
    ),
    8 * 32768,
    32768,
    OriginLine(upload=65536.0),
    grant=(0.0, 0.0),
    seed=5,
)


def made(*times: float, awaited: int | None = None, bound: float = 10.0) -> Trial:
    return Trial(1, bound, awaited or len(times), times, times, 1.0, 0.0, ())


def row(name: str, after: float | None, downloaded: int = 100, *, stays: bool = True) -> SummaryRow:
    return SummaryRow(name, after, downloaded, 0, 0, 0, stays=stays)


def test_quantiles_count_those_who_never_came_through() -> None:
    one = made(1.0, 2.0, 3.0, 4.0)
    assert (one.complete, one.median, one.late, one.last) == (True, 2.0, 4.0, 0.4)
    half = made(1.0, 2.0, awaited=4)
    assert (half.complete, half.median, half.late, half.last, half.fairness) == (False, 2.0, None, None, None)
    assert made(5.0, bound=0.0).last is None  # no line has a limit


def test_equal_speeds_are_fair() -> None:
    assert made(2.0, 2.0).fairness == pytest.approx(1.0)
    assert made(1.0, 3.0).fairness == pytest.approx((4 / 3) ** 2 / (2 * 10 / 9))


def test_a_trial_counts_those_who_stay_from_their_own_arrival() -> None:
    rows = (row("stayer1", 4.0, 110), row("stayer2", 6.0, 100), row("guest", 1.0, 500, stays=False))
    summary = Summary("s", 100, 50, 2, "00", 7.0, 120, rows, simulated=True)
    one = trial(SWARM, summary, [Spread(1.0, 0, 0.5, 1)])
    assert (one.seed, one.awaited, one.times, one.moments) == (5, 2, (4.0, 6.0), (5.0, 7.0))
    assert one.origin_carried == pytest.approx(1.2)
    assert one.waste == pytest.approx(210 / 200 - 1)
    assert one.copies == (Spread(1.0, 0, 0.5, 1),)


def test_nobody_complete_wastes_nothing() -> None:
    one = trial(SWARM, Summary("s", 100, 50, 2, "00", 0.0, 0, (row("stayer1", None),), simulated=True), [])
    assert (one.waste, one.times, one.complete) == (0.0, (), False)


def test_a_simulated_trial_is_the_same_each_time_and_ends_with_a_copy_for_each_who_is_there() -> None:
    one = simulated(SWARM)
    assert simulated(SWARM) == one
    assert one.complete
    assert len(one.times) == 2
    assert one.copies[-1].least == 2
    assert one.copies[-1].most == 2
    assert one.to_json()["seed"] == 5


def test_a_spread_has_the_fewest_the_mean_and_the_most() -> None:
    assert spread(3.0, [0b0001, 0b0011, 0b0111], 4) == Spread(3.0, 0, 6 / 4, 3)
    assert spread(0.0, [], 4) == Spread(0.0, 0, 0.0, 0)


def test_looks_thin_out_when_a_run_takes_long() -> None:
    looks = Looks(SWARM)
    step = looks.next
    assert step == pytest.approx(SWARM.bound / LOOKS)
    for _ in range(MOST_LOOKS + 1):
        looks.look(looks.next, [])
    assert len(looks.taken) == MOST_LOOKS // 2
    gaps = [later.at - earlier.at for earlier, later in zip(looks.taken, looks.taken[1:], strict=False)]
    assert gaps == pytest.approx([2 * step] * len(gaps))
    assert looks.next - looks.taken[-1].at == pytest.approx(3 * step)  # the last look was forgotten
