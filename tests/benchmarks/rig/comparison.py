"""Contenders beside each other: in which order they play, medians, spreads and ratios. Arithmetic only."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """The middle of several values, and how far they reach."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Figure:
    """Something that is measured: its `key` in results, its title with the unit, and how it is written.

    `lower_wins` is None where there is nothing to win: no ratio is told.
    """

    key: str
    title: str
    form: str = ".2f"
    lower_wins: bool | None = None


def turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Who plays when: everybody once a round, and every other round the other way round, so that nobody
    always comes first, or always after the same one."""
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            yield number, name


class Comparison:
    """What was measured in one benchmark; `names` has ours first."""

    def __init__(self, names: Sequence[str], figures: Sequence[Figure]) -> None:
        self.names = list(names)
        self.figures = list(figures)
        self._runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}

    def add(self, name: str, measured: dict[str, float]) -> None:
        """One run of this contender; what it cannot tell is left out, or not a number."""
        self._runs[name].append(measured)

    def values(self, name: str, figure: Figure) -> list[float]:
        """Of each run that told it."""
        found = (run.get(figure.key, math.nan) for run in self._runs[name])
        return [value for value in found if not math.isnan(value)]

    def spread(self, name: str, figure: Figure) -> Spread | None:
        """None: it was never told."""
        values = self.values(name, figure)
        return Spread.of(values) if values else None

    def ratio(self, other: str, figure: Figure) -> Spread | None:
        """Ours ÷ the other's, round by round: what both met with in a round falls out of it."""
        ours, theirs = self.values(self.names[0], figure), self.values(other, figure)
        ratios = [a / b for a, b in zip(ours, theirs, strict=False) if b]
        return Spread.of(ratios) if ratios else None

    def best_other(self, figure: Figure) -> str | None:
        """Whose median is best among the others."""
        told = [(spread.median, name) for name in self.names[1:] if (spread := self.spread(name, figure))]
        if not told or figure.lower_wins is None:
            return None
        return (min if figure.lower_wins else max)(told)[1]

    def document(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "runs": self._runs,
            "medians": {
                name: {
                    figure.key: vars(spread)
                    for figure in self.figures
                    if (spread := self.spread(name, figure)) is not None
                }
                for name in self.names
            },
            "ratios": {
                other: {
                    figure.key: vars(ratio)
                    for figure in self.figures
                    if figure.lower_wins is not None and (ratio := self.ratio(other, figure)) is not None
                }
                for other in self.names[1:]
            },
        }
