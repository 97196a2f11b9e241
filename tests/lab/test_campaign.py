"""Many swarms under misfortune: the order of the runs, and what is made of what came of them."""

import json
from pathlib import Path

import pytest

from minibit.lab import campaign
from minibit.lab.campaign import Tally, Tried, runs, tried
from minibit.lab.chaos import Chaos, Outcome
from minibit.lab.faults import Mode


def outcome(**more: object) -> Outcome:
    told = {
        "seconds": 3600.0,
        "recovered_after": 5.0,
        "events": 100,
        "faults": 3,
        "completed": 2,
        "lacking": {},
        "findings": (),
    } | more
    return Outcome(**told)  # type: ignore[arg-type]


def test_both_modes_get_on_together() -> None:
    assert runs(range(1, 3), (Mode.SAFETY, Mode.LIVENESS)) == [
        (1, Mode.SAFETY),
        (1, Mode.LIVENESS),
        (2, Mode.SAFETY),
        (2, Mode.LIVENESS),
    ]


def test_what_is_found_is_counted_and_can_be_had_again() -> None:
    tally = Tally()
    tally.add(Tried(1, Mode.SAFETY, outcome(), cpu=2.0))
    tally.add(Tried(2, Mode.LIVENESS, outcome(lacking={"ana": "gone"}, recovered_after=9.0), cpu=1.0))
    tally.add(Tried(3, Mode.LIVENESS, outcome(findings=("a wrong byte",), recovered_after=99.0), cpu=1.0))
    tally.add(Tried(4, Mode.SAFETY, None, cpu=0.0, trace="Traceback …"))
    assert (tally.runs, tally.cpu, tally.complete, tally.halted, tally.hours) == (4, 4.0, 2, 1, 3.0)
    assert tally.slowest == 9.0  # what was found broken recovered from nothing
    assert tally.lines() == [
        "4 runs, 3 virtual hours, 0.75 per core-second; 9 faults, 300 events",
        "2 ended complete, 1 otherwise and as they may, 2 with findings; slowest recovery 9 virtual seconds",
    ]
    told = json.loads(json.dumps(tally.to_json()))
    assert told["findings"] == [
        {
            "seed": 3,
            "mode": "liveness",
            "findings": ["a wrong byte"],
            "again": "minibit chaos --seed 3 --mode liveness --log FILE",
        },
        {
            "seed": 4,
            "mode": "safety",
            "findings": ["Traceback …"],
            "again": "minibit chaos --seed 4 --mode safety --log FILE",
        },
    ]


def test_no_time_has_no_pace() -> None:
    assert Tally().lines()[0] == "0 runs, 0 virtual hours; 0 faults, 0 events"


def test_a_run_that_raises_is_a_finding_and_its_log_is_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_self: Chaos) -> Outcome:
        raise ZeroDivisionError("our own mistake")

    monkeypatch.setattr(campaign.Chaos, "run", broken)
    log = tmp_path / "6.jsonl"
    one = tried((6, Mode.SAFETY), log)
    assert one.outcome is None
    assert "ZeroDivisionError: our own mistake" in one.findings[0]
    assert all(json.loads(line) for line in log.read_text().splitlines())
