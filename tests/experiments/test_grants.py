"""Grants: rights that cost the origin nothing are told from orders that would."""

import pytest
from fakes.observations import observation, part

from minibit.experiments.experiment import Case
from minibit.experiments.grants import RATE, cases, crowd, draw, read
from minibit.experiments.observation import Run, observed

WITHOUT, WITH = (
    Case("N = 3, no grants", crowd(3, 64, (0.0, 0.0))),
    Case("N = 3, 30–50 %", crowd(3, 64, (0.3, 0.5))),
)


def test_tiny_swarms_with_and_without_grants() -> None:
    played = [WITHOUT, WITH]
    seen = {case.name: [observed(Run(case.scenario))] for case in played}
    assert seen[WITHOUT.name][0].granted == 0 < seen[WITH.name][0].granted
    readings = read(played, seen)
    assert [reading.figure.partition(": ")[2] for reading in readings] == [
        "last ÷ D",
        "last ÷ D",
        "last ÷ D",
        "the origin carried, shares",
        "the origin carried, shares",
        "last ÷ max{D, granted ÷ uplink}",
    ]
    assert [reading.verdict for reading in readings[:2]] == ["agrees", "agrees"]
    assert readings[2].values == (readings[1].values[0] - readings[0].values[0],)
    assert readings[2].claim is None
    (panel,) = draw(played, seen)
    assert [line.label for line in panel.lines] == ["no grants", "30–50 %", "D (Kumar & Ross 2006)"]


def test_grants_fetched_from_the_origin_would_show() -> None:
    ordered = observation(part("a", 15.0), bound=10.0, granted=round(15 * RATE))
    readings = read([WITH], {WITH.name: [ordered]})
    assert readings[0].verdict == "disagrees, +50.0 %"
    assert readings[-1].values == pytest.approx((1.0,), rel=1e-5)


def test_each_size_has_both() -> None:
    for full in (False, True):
        sizes = [case.scenario.peers for case in cases(full)]
        assert sizes[::2] == sizes[1::2]
        assert len({case.scenario.grant for case in cases(full)}) == 2
