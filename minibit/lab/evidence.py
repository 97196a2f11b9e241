"""What a handful of runs show, and what they do not: quantiles, intervals, and whether a difference is real.

Pure functions of numbers. Runs are *paired*: the n-th value of one contender and the n-th of another come
from the same seed, so that their difference is of the contenders and not of the luck of the draw.
"""

import itertools
import math
from collections.abc import Sequence
from random import Random
from statistics import fmean, stdev
from typing import Final

from msgspec import Struct

CONFIDENCE: Final = 0.95
LEAST_RUNS: Final = (
    6  # with five pairs, 2 of 32 ways to flip signs are the most extreme ones: p is 0.06 at best
)
EXACT: Final = 14  # pairs of which all ways to flip signs are tried, 2^14…
DRAWS: Final = 20_000  # …and how many are drawn where there are more
NEAR: Final = 1e-12  # relative: sums of the same numbers in another order differ by less


class Estimate(Struct, frozen=True):
    """A mean, and its 95 % interval (Student's t); without one if there is one run only."""

    mean: float
    low: float | None
    high: float | None


class Difference(Struct, frozen=True):
    """A contender's mean difference to another one over paired runs.

    `p` is how often signs flipped by lot give as large a one, `adjusted` the same after Holm's correction;
    None if there are too few runs to tell.
    """

    by: Estimate
    p: float | None
    adjusted: float | None

    @property
    def real(self) -> bool | None:
        """Whether it is more than luck, at 5 %; None if that cannot be told."""
        return None if self.adjusted is None else self.adjusted < 1 - CONFIDENCE


def quantile(values: Sequence[float], part: float) -> float:
    """The least of `values` that `part` of them (0–1) do not exceed: always one that was seen."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def jain(values: Sequence[float]) -> float:
    """Jain's fairness index (Jain, Chiu & Hawe 1984): 1 if all are equal, 1/n if one has everything."""
    squares = len(values) * sum(value * value for value in values)
    return sum(values) ** 2 / squares if squares else 1.0


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of independent runs, with its 95 % interval."""
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def student(freedom: int) -> float:
    """The t that 95 % of Student's distribution with `freedom` degrees stay within, either side of 0."""
    low, high = 0.0, 13.0  # it is 12.7 with one degree, and less with more
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Which part of Student's distribution lies within ±t (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for step in range(1, freedom // 2 + 1):
        total += term
        numerator = 2 * step if odd else 2 * step - 1
        term *= cosine * cosine * numerator / (numerator + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def least_runs(others: int) -> int:
    """How many runs it takes before so many others can be told from the first at all: of the ways to flip n
    signs, two are the most extreme ones, so that no p is less than 2 / 2^n."""
    return math.floor(math.log2(2 * max(1, others) / (1 - CONFIDENCE))) + 1


def flipped(differences: Sequence[float]) -> float:
    """The paired sign-flip test: how often would the mean be as far from 0, did each sign fall by lot?

    Were two contenders equal, each difference could as well have had the other sign. All ways to flip them
    are tried; with many runs, 20,000 drawn ones, the same each time.
    """
    seen = abs(sum(differences)) * (1 - NEAR)
    if len(differences) <= EXACT:
        sums = [0.0]
        for difference in differences[1:]:  # the first keeps its sign: the other half mirrors this one
            sums = [total + sign for total in sums for sign in (difference, -difference)]
        return sum(abs(total + differences[0]) >= seen for total in sums) / len(sums)
    rng = Random(len(differences))
    as_far = 0
    for _ in range(DRAWS):
        bits = rng.getrandbits(len(differences))
        total = math.fsum(d if bits >> n & 1 else -d for n, d in enumerate(differences))
        as_far += abs(total) >= seen
    return (as_far + 1) / (DRAWS + 1)


def holm(chances: Sequence[float]) -> list[float]:
    """The p values corrected for being several (Holm 1979): the least counts so many times, the next one
    fewer…"""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    weighted = (min(1.0, chances[at] * (len(order) - place)) for place, at in enumerate(order))
    adjusted = dict(zip(order, itertools.accumulate(weighted, max), strict=True))
    return [adjusted[at] for at in range(len(chances))]


def against(first: Sequence[float], others: Sequence[Sequence[float]]) -> list[Difference]:
    """Each of `others` less `first`, run by run, and whether that is more than luck, as there are several."""
    pairs = [[value - base for base, value in zip(first, other, strict=True)] for other in others]
    if len(first) < least_runs(len(others)):
        return [Difference(estimate(differences), None, None) for differences in pairs]
    chances = [flipped(differences) for differences in pairs]
    return [
        Difference(estimate(differences), chance, adjusted)
        for differences, chance, adjusted in zip(pairs, chances, holm(chances), strict=True)
    ]
