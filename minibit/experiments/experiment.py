"""An experiment: swarms to play, figures to read off them, and what somebody published about these."""

import itertools
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from minibit import __version__
from minibit.experiments.observation import Observation, Run
from minibit.lab.evidence import Estimate, estimate
from minibit.lab.report import Grid, Line, Panel, Report
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import to_document
from minibit.torrent.layout import CHUNK_SIZE
from minibit.units import NOTHING, count

CLOSE: Final = 0.10  # how far from a figure is still near it
SLACK: Final = 0.01  # what a limit that saves up a moment's worth may win over a bound
PACE: Final = (
    4e-4  # seconds of a core for a chunk to one peer: from 1e-4 in small swarms to 8e-4 in large ones
)


class Case(Struct, frozen=True):
    """One swarm of an experiment; `seconds` is how long it is watched, None until all are complete.

    `cost` is about how many seconds of one core a run takes, where that does not follow from its size.
    """

    name: str
    scenario: Scenario
    seconds: float | None = None
    cost: float = 0.0

    def run(self, seed: int) -> Run:
        """It with this seed."""
        return Run(replace(self.scenario, seed=seed), self.seconds)

    @property
    def core_seconds(self) -> float:
        """About how many seconds of one core a run takes: an order of magnitude."""
        return self.cost or PACE * self.scenario.peers * self.scenario.size / CHUNK_SIZE


Seen = Mapping[str, Sequence[Observation]]
"""By the name of a case: its runs, each with a seed of its own, the same seeds in every case."""


def plan(cases: Sequence[Case], seeds: Sequence[int]) -> list[tuple[Case, int]]:
    """Every case with every seed, the longest first, so that no core is left with one at the end."""
    return sorted(itertools.product(cases, seeds), key=lambda task: -task[0].core_seconds)


def gathered(planned: Sequence[tuple[Case, int]], came: Sequence[Observation]) -> Seen:
    """What came of `planned`, by case, its seeds in order."""
    seen: dict[str, list[Observation]] = {}
    for (case, _), one in zip(planned, came, strict=True):
        seen.setdefault(case.name, []).append(one)
    return {name: sorted(runs, key=lambda one: one.seed) for name, runs in seen.items()}


class Claim(Struct, frozen=True):
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
    return Claim(whose, f"{value:,.{digits}f}{unit}", (1 - SLACK) * value, (1 + CLOSE) * value, value)


class Reading(Struct, frozen=True):
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
        """In words; a published figure may be missed by so many percent."""
        if self.agrees is None:
            return NOTHING
        if self.agrees:
            return "agrees"
        return "disagrees" if self.ratio is None else f"disagrees, {100 * (self.ratio - 1):+.1f} %"


class Experiment(Struct, frozen=True):
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


def level(label: str, lines: Sequence[Line], at: float = 1.0) -> Line:
    """A published value across all that `lines` span, drawn thin."""
    xs = [x for line in lines for x in line.xs] or [0.0]
    return Line(label, [min(xs), max(xs)], [at, at], len(lines), faint=True, steps=True)


def values(seen: Sequence[Observation], of: Callable[[Observation], float | None]) -> tuple[float, ...]:
    """A figure of each run; nothing at all where one has none."""
    found = [value for each in seen if (value := of(each)) is not None]
    return tuple(found) if len(found) == len(seen) else ()


def report(experiment: Experiment, cases: Sequence[Case], seen: Seen, seeds: Sequence[int]) -> Report:
    """What a person reads: a table for each work that ours is held against, and one of what is ours alone."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    alone = []
    readings = experiment.read(cases, seen)
    for reading in readings:
        if reading.claim is None:
            alone.append((reading.figure, _spoken(reading)))
        else:
            ratio = NOTHING if reading.ratio is None else f"{reading.ratio:.2f}"
            rows.setdefault(reading.claim.whose, []).append(
                (reading.figure, _spoken(reading), reading.claim.said, ratio, reading.verdict)
            )
    heads = ("figure", "ours", "published", "ours ÷ it", "verdict")
    grids = [Grid(heads, tuple(found), f"beside {whose}") for whose, found in rows.items()]
    if alone:
        grids.append(Grid(("figure", "ours"), tuple(alone), "of which nothing is published"))
    return Report(
        f"{experiment.name}: {experiment.about}; {_runs(seeds)}",
        tuple(grids),
        (
            _tally(readings),
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


def _tally(readings: Sequence[Reading]) -> str:
    told = [reading.agrees for reading in readings if reading.claim is not None]
    yes, no = told.count(True), told.count(False)
    return f"of {count(len(told), 'published figure')}, {yes} agree and {no} disagree"


def _runs(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one run each, seed {seeds[0]}"
    return f"{len(seeds)} runs each, seeds {seeds[0]}–{seeds[-1]}"


def _spoken(reading: Reading) -> str:
    ours, digits = reading.ours, reading.digits
    if ours is None:
        return NOTHING
    spread = "" if ours.low is None else f" ± {ours.mean - ours.low:,.{digits}f}"
    mean = round(ours.mean, digits) + 0.0  # no -0.00
    return f"{mean:,.{digits}f}{spread}{reading.unit}"
