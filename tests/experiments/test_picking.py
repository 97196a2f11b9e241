"""Uplinks busy beside their ceiling: rarest first keeps them so, peers that give nothing do not."""

import pytest
from fakes.observations import observation, part
from msgspec.structs import replace

from minibit.experiments.experiment import Case
from minibit.experiments.observation import Run, observed
from minibit.experiments.picking import CLAIM, KIB, busy_part, cases, ceiling, crowd, draw, read
from minibit.lab.scenario import Scenario


def tiny(policy: str, seed: int = 1000) -> Scenario:
    return crowd(policy, seed, 5, 96 * 16 * KIB, 16 * KIB, 5)


@pytest.mark.parametrize(("seed", "most"), [(200, 0.4995), (400, 0.999), (600, 1.0), (1000, 1.0)])
def test_the_ceiling_at_a_thousand_peers(seed: int, most: float) -> None:
    assert ceiling(crowd("rarest-first", seed, 1000, 400 * 256 * KIB, 256 * KIB, 40)) == pytest.approx(most)


def test_only_rarest_first_is_held_to_the_paper() -> None:
    played = [Case("a", tiny("rarest-first")), Case("b", tiny("random"))]
    seen = {case.name: [observed(Run(case.scenario))] for case in played}
    readings = read(played, seen)
    assert [reading.claim for reading in readings] == [CLAIM, None, None, None]
    assert [reading.unit for reading in readings] == ["", "", " s", " s"]
    assert readings[0].verdict == "agrees"
    (panel,) = draw(played, seen)
    assert [line.label for line in panel.lines] == ["rarest-first", "random", "sequential", "ceiling"]
    assert panel.lines[0].ys == list(readings[0].values)


def test_idle_uplinks_disagree() -> None:
    case = Case("a", tiny("rarest-first"))
    half = observation(part("p", 10.0, uploaded=50), part("q", 10.0, uploaded=50))
    assert read([case], {"a": [half]})[0].verdict == "disagrees"
    assert busy_part(0.5, half) == pytest.approx(1.0)
    assert busy_part(1.0, observation(part("p", None))) is None


def test_a_choking_that_gives_nothing_makes_it_disagree() -> None:
    scenario = tiny("rarest-first")
    (kind,) = scenario.classes
    case = Case("a", replace(scenario, classes=(replace(kind, choking="unchoke-none"),)))
    assert read([case], {"a": [observed(Run(case.scenario))]})[0].verdict == "disagrees"


def test_full_is_the_papers_size() -> None:
    case = cases(True)[0]
    assert (case.scenario.peers, case.scenario.layout.block_count, case.scenario.neighbours) == (
        1000,
        400,
        40,
    )
    assert case.scenario.newcomers()[-1].arrives == pytest.approx(10.0, abs=0.02)
    assert len(cases(False)) == 9
