"""A figure beside a published one: what agrees, what does not, and that neither is hidden."""

import json

import pytest
from fakes.observations import observation, part
from msgspec.structs import replace

from minibit.experiments.experiment import (
    Case,
    Claim,
    Experiment,
    Reading,
    document,
    gathered,
    level,
    near,
    plan,
    report,
    values,
)
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.lab.scenario_file import parse

SWARM = Scenario((PeerClass(count=2, upload=1024.0),), 1 << 18, 1 << 15, OriginLine(upload=1024.0))
SMALL, LARGE = Case("small", SWARM), Case("large", replace(SWARM, size=1 << 20))
EXPERIMENT = Experiment(
    name="trial",
    about="a trial",
    source="Somebody 1999",
    runs=2,
    cases=lambda _full: (SMALL, LARGE),
    read=lambda cases, seen: [
        Reading("near", values(seen[cases[0].name], lambda one: one.last), near("Somebody 1999", 10.0)),
        Reading(
            "far", values(seen[cases[1].name], lambda one: one.last), near("Somebody 1999", 10.0, " s", 1)
        ),
        Reading("alone", (3.0, 4.0), None, " s", 1),
        Reading("sign", (-0.0001,), Claim("Other 2001", "grows", low=-1.0)),
    ],
    draw=lambda _cases, _seen: (Panel("a panel", "x", "y", (Line("l", [1.0], [2.0]),)),),
    notes=("a note",),
)
SEEN = {
    "small": [observation(part("a", 10.0), seed=1), observation(part("a", 10.5), seed=2)],
    "large": [observation(part("a", 15.0), seed=1), observation(part("a", 15.0), seed=2)],
}


@pytest.mark.parametrize(
    ("ours", "agrees", "verdict"),
    [
        (100.0, True, "agrees"),
        (99.5, True, "agrees"),  # what a limit saves up
        (109.0, True, "agrees"),
        (98.0, False, "disagrees, -2.0 %"),  # quicker than a bound
        (130.0, False, "disagrees, +30.0 %"),
    ],
)
def test_a_bound_is_not_beaten_and_nearly_met(ours: float, agrees: bool, verdict: str) -> None:
    reading = Reading("time", (ours,), near("Somebody", 100.0, " s"))
    assert (reading.agrees, reading.verdict) == (agrees, verdict)
    assert reading.ratio == pytest.approx(ours / 100)


def test_a_claim_without_a_number_has_no_ratio_and_is_held_to_all_the_same() -> None:
    claim = Claim("Somebody", "less than 1", high=1.0)
    assert [Reading("r", (value,), claim).verdict for value in (0.5, 1.5)] == ["agrees", "disagrees"]
    assert Reading("r", (0.5,), claim).ratio is None


def test_without_a_claim_or_a_figure_there_is_no_verdict() -> None:
    assert Reading("r", (1.0,)).agrees is None
    missing = Reading("r", (), near("Somebody", 1.0))
    assert (missing.ours, missing.agrees, missing.ratio, missing.verdict) == (None, None, None, "—")


def test_a_figure_that_one_run_lacks_is_no_figure() -> None:
    runs = [observation(part("a", 1.0)), observation(part("a", None))]
    assert values(runs, lambda one: one.last) == ()
    assert values(runs[:1], lambda one: one.last) == (1.0,)


def test_the_longest_runs_come_first_and_find_back_to_their_case_and_seed() -> None:
    planned = plan((SMALL, LARGE), (1, 2))
    assert [(case.name, seed) for case, seed in planned] == [
        ("large", 1),
        ("large", 2),
        ("small", 1),
        ("small", 2),
    ]
    assert planned[1][0].run(2).scenario == replace(LARGE.scenario, seed=2)
    came = [observation(part("a", 5.0), seed=seed) for _, seed in reversed(planned)]
    seen = gathered([*reversed(planned)], came)
    assert {name: [one.seed for one in runs] for name, runs in seen.items()} == {
        "small": [1, 2],
        "large": [1, 2],
    }
    assert Case("told", SWARM, cost=7.0).core_seconds == 7.0


def test_the_report_sets_ours_beside_each_work_and_what_is_ours_alone_apart() -> None:
    told = report(EXPERIMENT, (SMALL, LARGE), SEEN, (1, 2))
    assert told.title == "trial: a trial; 2 runs each, seeds 1–2"
    assert [grid.title for grid in told.grids] == [
        "beside Somebody 1999",
        "beside Other 2001",
        "of which nothing is published",
    ]
    close, far = told.grids[0].rows
    assert (close[0], close[2:]) == ("near", ("10", "1.02", "agrees"))
    assert close[1].startswith("10.25 ± ")
    assert far == ("far", "15.00 ± 0.00", "10.0 s", "1.50", "disagrees, +50.0 %")
    assert told.grids[1].rows == (("sign", "0.00", "grows", "—", "agrees"),)
    assert told.grids[2].rows[0][0] == "alone"
    assert told.notes[0] == "of 3 published figures, 2 agree and 1 disagree"
    assert "a note" in told.notes
    assert (told.source, told.panels[0].title) == ("Somebody 1999", "a panel")
    single = report(EXPERIMENT, (SMALL, LARGE), {name: runs[:1] for name, runs in SEEN.items()}, (1,))
    assert single.title.endswith("one run each, seed 1")
    assert not any(note.startswith("±") for note in single.notes)


def test_the_document_holds_the_verdicts_and_all_that_repeats_it() -> None:
    told = json.loads(json.dumps(document(EXPERIMENT, (SMALL, LARGE), SEEN, (1, 2), full=False)))
    assert [figure["agrees"] for figure in told["figures"]] == [True, False, None, True]
    assert told["figures"][1]["published"] == {"whose": "Somebody 1999", "said": "10.0 s", "value": 10.0}
    assert told["figures"][2]["published"] is None
    assert (told["seeds"], told["full"]) == ([1, 2], False)
    case = told["cases"][0]
    assert parse(case["scenario"], "again") == replace(SWARM, name="swarm")
    assert [run["seed"] for run in case["runs"]] == [1, 2]


def test_a_published_value_is_drawn_across_all_lines() -> None:
    lines = [Line("a", [3.0, 4.0], [1.0, 1.0]), Line("b", [1.0], [2.0])]
    assert level("D", lines) == Line("D", [1.0, 4.0], [1.0, 1.0], 2, faint=True, steps=True)
    assert level("D", []).xs == [0.0, 0.0]
