"""The missing piece: a slow seed makes a club that grows, a fast one does not; either can be told apart."""

import pytest
from fakes.observations import observation

from minibit.experiments.experiment import Case
from minibit.experiments.missing_piece import ARRIVALS, BLOCK, cases, crowd, draw, growth, read
from minibit.experiments.observation import Moment, Run, observed

SECONDS = 60.0


def tiny(ratio: float) -> Case:
    return Case(f"{ratio:g}", crowd("rarest-first", ratio, SECONDS, blocks=2), SECONDS)


def test_a_slow_seed_is_overrun_and_a_fast_one_is_not() -> None:
    played = [tiny(0.2), tiny(4.0)]
    seen = {case.name: [observed(case.run(1))] for case in played}
    slow, fast, slow_club, fast_club = read(played, seen)
    assert (slow.claim and slow.claim.said, slow.verdict) == ("unstable", "agrees")
    assert (fast.claim and fast.claim.said, fast.verdict) == ("stable", "agrees")
    assert slow_club.values[0] > 10 > fast_club.values[0]
    (panel,) = draw(played, seen)
    assert [line.label for line in panel.lines] == ["seed ÷ arrivals 0.2", "", "seed ÷ arrivals 4", ""]
    # Held to the other's claim, each would disagree.
    swapped = read(played, {"0.2": seen["4"], "4": seen["0.2"]})
    assert [reading.verdict for reading in swapped[:2]] == ["disagrees", "disagrees"]


def test_who_is_complete_is_gone_at_once() -> None:
    case = tiny(0.2)
    one = observed(Run(case.scenario, SECONDS))
    assert all(each.present == each.took for each in one.parts if each.took is not None)


def test_growth_is_the_slope_of_the_second_half_in_arrivals() -> None:
    moments = tuple(Moment(float(at), 100 if at < 10 else 2 * at, 0) for at in range(20))
    assert growth(observation(moments=moments)) == pytest.approx(2 / ARRIVALS)
    still = tuple(Moment(float(at), 7, 0) for at in range(20))
    assert growth(observation(moments=still)) == pytest.approx(0.0)


def test_peers_do_not_run_out_before_the_end() -> None:
    for case in cases(False):
        assert case.seconds is not None
        assert case.scenario.newcomers()[-1].arrives > case.seconds
    scenario = crowd("random", 0.5, SECONDS)
    assert scenario.origin.upload == 0.5 * ARRIVALS * BLOCK
