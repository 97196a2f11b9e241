"""An experiment: swarms to play, figures to read off them, and what somebody published about these figures."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from minibit import __version__
from minibit.experiments.observation import Observation, Run
from minibit.lab.evidence import Estimate, estimate
from minibit.lab.report import Grid, Panel, Report
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import to_document
from minibit.torrent.layout import CHUNK_SIZE
from minibit.units import NOTHING

CLOSE: Final = 0.10  # how far from a figure is still near it
SLACK: Final = 0.01  # what a limit that saves up a moment's worth may win over a bound
PACE: Final = 1.0e-4  # core-seconds per peer, chunk and √neighbour… as measured; a hint, no promise


@dataclass(frozen=True, slots=True)
class Case:
    """One swarm of an experiment; `seconds` is how long it is watched, None until all are complete."""

    name: str
    scenario: Scenario
    seconds: float | None = None

    def run(self, seed: int) -> Run:
        """It with this seed."""
        return Run(replace(self.scenario, seed=seed), self.seconds)

    @property
    def cost(self) -> float:
        """About how many seconds of one core a run of it takes."""
        chunks = self.scenario.size / CHUNK_SIZE
        return PACE * self.scenario.peers * chunks


Seen = Mapping[str, Sequence[Observation]]
"""By the name of a case: its runs, each with a seed of its own, the same seeds in every case."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What `whose` work says of a figure, `said` as it is printed; ours agrees from `low` to `high`.

    `value` is the number that ours is divided by, None where the claim has none.
    """

    whose: str
    said: str
    low: float = -math.inf
    high: float = math.inf
    value: float | None = None


def near(whose: str, value: float, unit: str = "", digits: int = 0) -> Claim:
    """A bound that can be met: ours is not below it, and near it."""
    return Claim(
        whose, f"{value:,.{digits}f}{unit}", (1 - SLACK) * value, (1 + CLOSE) * value, value
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of ours, one value per run, beside what is published about it, if anything is.

    There are no `values` where not every run has one: somebody did not become complete.
    """

    figure: str
    values: tuple[float, ...]
    claim: Claim | None = None
    unit: str = ""
    digits: int = 2

    @property
    def ours(self) -> Estimate | None:
        return estimate(self.values) if self.values else None

    @property
    def agrees(self) -> bool | None:
        """Whether our mean is where the claim has it; None without a claim, or without a figure."""
        if self.claim is None or self.ours is None:
            return None
        return self.claim.low <= self.ours.mean <= self.claim.high

    @property
    def ratio(self) -> float | None:
        """Our mean ÷ the published value."""
        if self.claim is None or not self.claim.value or self.ours is None:
            return None
        return self.ours.mean / self.claim.value

    @property
    def verdict(self) -> str:
        """In words."""
        if self.claim is None:
            return "ours alone"
        return {True: "agrees", False: "DISAGREES", None: "no figure"}[self.agrees]


@dataclass(frozen=True, slots=True)
class Experiment:
    """`cases(full)` are its swarms, at the paper's size or at one for a minute; `read` makes figures of what
    was seen of them and `draw` pictures. `notes` say how it differs from what it is held against."""

    name: str
    about: str
    source: str
    runs: int  # by default
    cases: Callable[[bool], tuple[Case, ...]]
    read: Callable[[Sequence[Case], Seen], list[Reading]]
    draw: Callable[[Sequence[Case], Seen], tuple[Panel, ...]]
    notes: tuple[str, ...]


def values(seen: Sequence[Observation], of: Callable[[Observation], float | None]) -> tuple[float, ...]:
    """A figure of each run; nothing at all where one has none."""
    found = [value for each in seen if (value := of(each)) is not None]
    return tuple(found) if len(found) == len(seen) else ()


def report(experiment: Experiment, cases: Sequence[Case], seen: Seen, seeds: Sequence[int]) -> Report:
    """What a person reads."""
    readings = experiment.read(cases, seen)
    rows = tuple(
        (
            reading.figure,
            _spoken(reading),
            reading.claim.said if reading.claim else NOTHING,
            NOTHING if reading.ratio is None else f"{reading.ratio:.2f}",
            reading.verdict,
            reading.claim.whose if reading.claim else "",
        )
        for reading in readings
    )
    told = [reading.agrees for reading in readings]
    return Report(
        f"{experiment.name}: {experiment.about}; {_runs(seeds)}",
        (Grid(("figure", "ours", "published", "ours ÷ it", "verdict", "whose"), rows),),
        (
            f"{told.count(True)} figures agree, {told.count(False)} disagree",
            *experiment.notes,
            *(("±: 95 % interval of the mean over the runs (Student's t)",) if len(seeds) > 1 else ()),
        ),
        experiment.draw(cases, seen),
        experiment.source,
    )


def document(
    experiment: Experiment, cases: Sequence[Case], seen: Seen, seeds: Sequence[int], *, full: bool
) -> dict[str, Any]:
    """All of it, and all that it takes to have it again."""
    return {
        "minibit": __version__,
        "python": platform.python_version(),
        "experiment": experiment.name,
        "about": experiment.about,
        "source": experiment.source,
        "full": full,
        "seeds": list(seeds),
        "notes": list(experiment.notes),
        "figures": [
            {
                "figure": reading.figure,
                "unit": reading.unit.strip(),
                "values": list(reading.values),
                "ours": reading.ours and asdict(reading.ours),
                "published": reading.claim
                and {"whose": reading.claim.whose, "said": reading.claim.said, "value": reading.claim.value},
                "ratio": reading.ratio,
                "agrees": reading.agrees,
            }
            for reading in experiment.read(cases, seen)
        ],
        "cases": [
            {
                "name": case.name,
                "seconds": case.seconds,
                "scenario": to_document(case.scenario),
                "runs": [each.to_json() for each in seen[case.name]],
            }
            for case in cases
        ],
    }


def _runs(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one run each, seed {seeds[0]}"
    return f"{len(seeds)} runs each, seeds {seeds[0]}–{seeds[-1]}"


def _spoken(reading: Reading) -> str:
    ours, digits = reading.ours, reading.digits
    if ours is None:
        return NOTHING
    spread = "" if ours.low is None else f" ± {ours.mean - ours.low:,.{digits}f}"
    return f"{ours.mean:,.{digits}f}{spread}{reading.unit}"
