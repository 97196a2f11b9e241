"""Strategies held against each other: each plays the same scenario with the same seeds, run by run.

The first contender is what the others are compared to.
"""

import itertools
import platform
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import asdict, replace

from minibit import __version__, registry
from minibit.errors import UsageError
from minibit.lab.casting import refined
from minibit.lab.evidence import EXACT, Difference, Estimate, against, estimate, least_runs
from minibit.lab.report import Grid, Line, Panel, Report
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import to_document
from minibit.lab.trial import Trial
from minibit.units import NOTHING

MAX_TRIALS: Final = 100_000


class Metric(Struct, frozen=True):
    """A figure of a run; `of` is None where a run has none. `key` is its name in documents."""

    key: str
    head: str
    unit: str
    digits: int
    of: Callable[[Trial], float | None]


METRICS: Final = (
    Metric("median", "median", " s", 1, lambda trial: trial.median),
    Metric("late", "90 %", " s", 1, lambda trial: trial.late),
    Metric("last", "last ÷ D", "", 3, lambda trial: trial.last),
    Metric("origin", "origin ×", "", 3, lambda trial: trial.origin_carried),
    Metric("waste", "waste %", "", 2, lambda trial: 100 * trial.waste),
    Metric("fairness", "fairness", "", 4, lambda trial: trial.fairness),
)


class Contender(Struct, frozen=True):
    """Strategies that take the place of the scenario's own; None leaves them."""

    picking: str | None = None
    choking: str | None = None

    @property
    def name(self) -> str:
        parts = (part.rpartition("/")[2] for part in (self.picking, self.choking) if part)
        return " + ".join(parts) or "as it stands"


class Contest(Struct, frozen=True):
    """Who plays what, and with which seeds."""

    scenario: Scenario
    contenders: tuple[Contender, ...]
    seeds: tuple[int, ...]

    def scenarios(self) -> list[Scenario]:
        """Every run, those of the first contender first.

        Raises:
            UsageError: no such strategy, or too many runs.
        """
        if len(self.contenders) * len(self.seeds) > MAX_TRIALS:
            raise UsageError(
                f"--runs: {len(self.seeds):,} for each is too many: at most {MAX_TRIALS:,} in all"
            )
        played = []
        for contender in self.contenders:
            cast = refined(self.scenario, picking=contender.picking, choking=contender.choking)
            for kind in cast.classes:
                registry.picking(kind.picking)
                registry.choking(kind.choking)
            registry.choking(cast.origin.choking)
            played += [replace(cast, seed=seed) for seed in self.seeds]
        return played


def contenders(picking: str | None, choking: str | None) -> tuple[Contender, ...]:
    """Each of some names with commas between them with each of others.

    Raises:
        UsageError: a name is empty, or there twice.
    """
    named = []
    for where, text in (("--picking", picking), ("--choking", choking)):
        names = [None] if text is None else [name.strip() for name in text.split(",")]
        if "" in names or len(set(names)) < len(names):
            raise UsageError(f"{where}: {text!r}: write each name once, like {_EXAMPLE[where]}")
        named.append(names)
    return tuple(Contender(*pair) for pair in itertools.product(*named))


_EXAMPLE: Final = {"--picking": "rarest-first,random", "--choking": "tit-for-tat,unchoke-all"}


class Standing(Struct, frozen=True):
    """How a contender came out. A figure is None if a run has none: somebody did not become complete, or no
    line has a limit. `differences` are to the first contender, which has none."""

    contender: Contender
    trials: tuple[Trial, ...]
    figures: dict[str, Estimate | None]
    differences: dict[str, Difference | None]

    @property
    def complete(self) -> int:
        """In how many runs everybody became complete."""
        return sum(trial.complete for trial in self.trials)


def standings(contest: Contest, trials: Sequence[Trial]) -> list[Standing]:
    """What came of it; `trials` are those of `contest.scenarios()`, in order."""
    count = len(contest.seeds)
    runs = [tuple(trials[at : at + count]) for at in range(0, len(trials), count)]
    figures: list[dict[str, Estimate | None]] = [{} for _ in runs]
    differences: list[dict[str, Difference | None]] = [{} for _ in runs]
    for metric in METRICS:
        values = [[metric.of(trial) for trial in each] for each in runs]
        known = [_known(each) for each in values]
        for at, numbers in enumerate(known):
            figures[at][metric.key] = None if numbers is None else estimate(numbers)
            if at:
                differences[at][metric.key] = None
        first = known[0]
        if first is not None:
            others = [at for at, numbers in enumerate(known) if at and numbers is not None]
            told = against(first, [known[at] or [] for at in others])
            for at, difference in zip(others, told, strict=True):
                differences[at][metric.key] = difference
    return list(map(Standing, contest.contenders, runs, figures, differences))


def _known(values: Sequence[float | None]) -> list[float] | None:
    numbers = [value for value in values if value is not None]
    return numbers if len(numbers) == len(values) else None


def document(contest: Contest, standing: Sequence[Standing], *, live: bool = False) -> dict[str, Any]:
    """All of it, and all that it takes to have it again."""
    return {
        "minibit": __version__,
        "python": platform.python_version(),
        "live": live,
        "scenario": to_document(contest.scenario),
        "seeds": list(contest.seeds),
        "test": test_in_words(contest),
        "contenders": [
            {
                "name": each.contender.name,
                "picking": each.contender.picking,
                "choking": each.contender.choking,
                "complete": each.complete,
                "figures": {key: value and asdict(value) for key, value in each.figures.items()},
                "against_first": {
                    key: value and to_builtins(value) | {"real": value.real}
                    for key, value in each.differences.items()
                },
                "runs": [trial.to_json() for trial in each.trials],
            }
            for each in standing
        ],
    }


def table(standing: Sequence[Standing]) -> list[list[object]]:
    """A line per run for a spreadsheet, the first one of heads; nothing where a run has no such figure."""
    lines: list[list[object]] = [["contender", "seed", "complete", *(metric.key for metric in METRICS)]]
    for each in standing:
        for trial in each.trials:
            figures = ["" if (value := metric.of(trial)) is None else value for metric in METRICS]
            lines.append([each.contender.name, trial.seed, trial.complete, *figures])
    return lines


def report(contest: Contest, standing: Sequence[Standing]) -> Report:
    """What a person reads."""
    runs = len(contest.seeds)
    whole = [
        (
            each.contender.name,
            f"{each.complete}/{runs}",
            *(_spoken(each.figures[metric.key], metric) for metric in METRICS),
        )
        for each in standing
    ]
    grids = [
        Grid(("contender", "complete", *(metric.head + metric.unit for metric in METRICS)), tuple(whole))
    ]
    compared = [
        (f"{each.contender.name}: {metric.head}", *_verdict(each.differences[metric.key], metric))
        for each in standing[1:]
        for metric in METRICS
    ]
    if compared:
        heads = ("figure", "difference", "95 % interval", "p", "real?")
        grids.append(Grid(heads, tuple(compared), f"less {standing[0].contender.name}"))
    return Report(
        f"{contest.scenario.name}: {contest.scenario.peers} peers, {runs} runs each, "
        f"seeds {contest.seeds[0]}–{contest.seeds[-1]}",
        tuple(grids),
        (*_EXPLAINED, *((test_in_words(contest),) if compared else ())),
        _panels(standing),
    )


_EXPLAINED: Final = (
    "median, 90 %: seconds from its own arrival until half, nine tenths of the peers were complete; "
    "last ÷ D: until all were, in the least time that the lines allow (Kumar & Ross 2006); "
    "origin ×: sizes of the share that the origin uploaded; waste: bytes that came and were not needed; "
    "fairness: Jain's index of download speeds, 1 if all are equal",
    "±: 95 % interval of the mean over the runs (Student's t)",
)


def test_in_words(contest: Contest) -> str:
    """How it is told whether a difference is real."""
    runs, least = len(contest.seeds), least_runs(len(contest.contenders) - 1)
    if runs < least:
        return f"real?: {runs} runs are too few to tell luck from more: --runs {least} is the least"
    ways = f"all {1 << runs:,} ways" if runs <= EXACT else "20,000 ways, drawn by lot,"
    return (
        f"real?: seed by seed, both played the same draw. Were they equal, each difference could as well "
        f"have had the other sign: p is in which part of {ways} to flip the signs the mean is as far from 0 "
        f"as it was (paired sign-flip test), times the number of contenders still in question (Holm). Real "
        "means below 0.05"
    )


def _spoken(value: Estimate | None, metric: Metric) -> str:
    if value is None:
        return NOTHING
    if value.low is None:
        return f"{value.mean:.{metric.digits}f}"
    return f"{value.mean:.{metric.digits}f} ± {value.mean - value.low:.{metric.digits}f}"


def _verdict(difference: Difference | None, metric: Metric) -> tuple[str, str, str, str]:
    if difference is None:
        return NOTHING, NOTHING, NOTHING, "not every run has it"
    by = difference.by
    digits = metric.digits
    interval = NOTHING
    if by.low is not None and by.high is not None:
        interval = f"{by.low:+.{digits}f} to {by.high:+.{digits}f}"
    if difference.adjusted is None:
        return f"{by.mean:+.{digits}f}{metric.unit}", interval, NOTHING, "too few runs"
    real = "real" if difference.real else "may be luck"
    return f"{by.mean:+.{digits}f}{metric.unit}", interval, f"{difference.adjusted:.3f}", real


def _panels(standing: Sequence[Standing]) -> tuple[Panel, ...]:
    curves = [
        Line(
            each.contender.name if not at else "",
            [0.0, *sorted(trial.moments)],
            [100 * n / max(1, trial.awaited) for n in range(len(trial.moments) + 1)],
            group,
            faint=at > 0,
            steps=True,
        )
        for group, each in enumerate(standing)
        for at, trial in enumerate(each.trials)
    ]
    copies = [
        Line(
            f"{each.contender.name}: {word}",
            [look.at for look in each.trials[0].copies],
            [getattr(look, key) for look in each.trials[0].copies],
            group,
            faint=key != "mean",
        )
        for group, each in enumerate(standing)
        for key, word in (("least", "rarest block"), ("mean", "mean"), ("most", "commonest"))
    ]
    return (
        Panel("completion, a curve per run", "seconds", "complete, % of peers", tuple(curves)),
        Panel("copies of blocks, first run", "seconds", "copies among peers", tuple(copies)),
    )
