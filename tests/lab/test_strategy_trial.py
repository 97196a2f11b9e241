"""A trial finds out each way in which a strategy breaks its contract, and finds nothing in ours."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from minibit import registry
from minibit.lab import strategy_trial
from minibit.lab.strategy_trial import Finding, trial
from minibit.strategies.view import Choice, Pick, Slots, SwarmView


def faults(strategy: Any, kind: str) -> dict[str, str]:
    return {finding.tried: finding.seen for finding in trial(strategy, kind) if not finding.good}


class First:
    """A good one, to be spoilt."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:  # noqa: ARG002
        first = view.candidates & -view.candidates
        return Pick(first.bit_length() - 1, view.candidates, first, "first") if first else None


@pytest.mark.parametrize("name", [*registry.PICKING, *registry.CHOKING])
def test_ours_pass(name: str) -> None:
    for kind, strategy in registry.named(name):
        assert not faults(strategy, kind)


def test_wrong_answers_are_told_with_the_view_they_were_given_to() -> None:
    class Greedy:
        def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:  # noqa: ARG002
            return Choice(Slots((0,)))

    said = faults(Greedy(), "choking")
    assert next(iter(said)) == "answers as it should"
    assert said["answers as it should"].startswith("no neighbours: the choking strategy")


def test_one_that_stands_still_is_found() -> None:
    class Idle:
        def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:  # noqa: ARG002
            return None

    assert "the download would stand still" in faults(Idle(), "picking")["answers as it should"]


def test_one_that_remembers_is_found() -> None:
    class Counting(First):
        def __init__(self) -> None:
            self.calls = 0

        def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:
            self.calls += 1
            picked = super().pick(view, now, rng)
            return picked and Pick(picked.block, picked.candidates, picked.tied, f"call {self.calls}")

    said = faults(Counting(), "picking")
    assert said["remembers nothing"].startswith("changes self.calls:")
    assert "another one for: one neighbour" in said["same view, same seed: same answer"]


def test_one_that_breaks_its_word_only_later_is_a_finding_and_no_end() -> None:
    class Later(First):
        calls = 0

        def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:
            Later.calls += 1
            if Later.calls > 200:
                raise KeyError("late")
            return super().pick(view, now, rng)

    said = faults(Later(), "picking")
    assert "raised KeyError" in said["same view, same seed: same answer"]
    assert "Later.calls" in said["remembers nothing"]


def test_one_that_changes_the_view_is_found() -> None:
    class Meddling(First):
        def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:
            view.copies.add(1)
            return super().pick(view, now, rng)

    assert faults(Meddling(), "picking")["leaves the view as it is"].startswith("changed: no neighbours;")


def test_one_that_is_slow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy_trial, "PICK_SECONDS", -1.0)
    assert "µs a call" in faults(First(), "picking")["is quick"]


WORLDLY = """
import random
import time
from random import Random, choice
from os import path

class Own:
    def pick(self, view, now, rng):
        global seen
        seen = random.random() + Random(1).random()
        open("/dev/null").close()
        return None
"""


def test_what_it_reaches_for_is_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "worldly_strategy.py"
    file.write_text(WORLDLY)
    (kind,) = registry.named(f"{file}:Own")
    said = faults(kind[1], "picking")["touches nothing of the world"]
    assert said == (
        "line 3: imports time: the time is the argument now; "
        "line 4: imports from random: chance is the argument rng; "
        "line 5: imports from os: a strategy has no disk; "
        "line 9: writes the module's seen: a strategy remembers nothing; "
        "line 10: makes a Random of its own: chance is the argument rng; and 2 more"
    )


def test_a_source_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy_trial.inspect, "getsource", lambda _: "not python (")
    assert trial(First(), "picking")[-1] == Finding(
        "touches nothing of the world", True, "its source is not there to be read"
    )
