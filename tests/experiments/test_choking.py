"""Unequal lines: slow peers are given more than they give, and what free riding brings is read off."""

import pytest
from fakes.observations import observation, part

from minibit.experiments.choking import BLOCK, CLAIM, FREE, RIDER, cases, crowd, draw, read
from minibit.experiments.experiment import Case
from minibit.experiments.observation import Run, observed

ONE = observation(
    part("f", 1.0, kind="fast", uploaded=300, downloaded=100),
    part("m", 2.0, kind="middle", uploaded=100, downloaded=100),
    part("s", 4.0, kind="slow", uploaded=50, downloaded=100),
    part("s2", 6.0, kind="slow", uploaded=30, downloaded=100),
    part("r", 5.0, kind=RIDER, downloaded=100, line=0.0),
)
RECIPROCITY = Case("reciprocity", crowd("reciprocity", 10, 4, 10))


def test_what_each_class_gave_took_and_waited() -> None:
    told = {
        reading.figure.partition(", ")[2]: reading
        for reading in read([RECIPROCITY], {"reciprocity": [ONE]})[:-1]
    }
    assert told["fast: uploaded ÷ downloaded"].values == (3.0,)
    slow = told["slow: uploaded ÷ downloaded"]
    assert (slow.values, slow.claim, slow.verdict) == ((0.4,), CLAIM, "agrees")
    assert told["slow: mean download"].values == (5.0,)
    assert told["rider: mean download"].values == (5.0,)
    assert sum(reading.claim is not None for reading in told.values()) == 1
    assert read([RECIPROCITY], {"reciprocity": [ONE]})[-1].values == (2.5,)  # 5 s, and the middle third's 2 s


def test_slow_peers_that_give_more_than_they_get_would_disagree() -> None:
    generous = observation(
        *(
            part(kind, 1.0, kind=kind, uploaded=120, downloaded=100)
            for kind in ("fast", "middle", "slow", RIDER)
        )
    )
    told = [reading.verdict for reading in read([RECIPROCITY], {"reciprocity": [generous]}) if reading.claim]
    assert told == ["disagrees"]


def test_a_run_in_which_somebody_lacks_something_has_no_figures() -> None:
    lacking = observation(part("f", 1.0, kind="fast", downloaded=100), part("s", None, kind="slow"))
    assert [reading.values for reading in read([RECIPROCITY], {"reciprocity": [lacking]})] == [()] * 8


def test_a_crowd_has_equal_thirds_and_a_fifth_that_only_takes() -> None:
    scenario = crowd("unchoke-all", 30, 2, 20)
    assert [kind.count for kind in scenario.classes] == [8, 8, 8, round(FREE * 30)]
    assert [kind.free_rider for kind in scenario.classes] == [False, False, False, True]
    assert [kind.upload for kind in scenario.classes] == [375e3, 50e3, 16e3, 50e3]
    assert scenario.size == 2 * BLOCK
    assert 995 <= cases(True)[0].scenario.peers <= 1000


def test_a_tiny_crowd_is_played_and_drawn() -> None:
    one = observed(Run(RECIPROCITY.scenario))
    assert one.complete
    assert sum(each.uploaded for each in one.of(RIDER)) == 0
    (panel,) = draw([RECIPROCITY], {"reciprocity": [one]})
    assert [line.label for line in panel.lines] == ["fast", "middle", "slow", RIDER]
    assert [line.ys[-1] for line in panel.lines] == pytest.approx([100.0] * 4)
