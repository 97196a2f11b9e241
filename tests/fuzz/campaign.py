"""A run of many inputs through one target; the same for the same seed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fuzz.mutation import mutated
from fuzz.targets import Target

MAX_FINDINGS = 20  # of one run: a fault that anything finds is found often


@dataclass(frozen=True)
class Finding:
    """An input, and what it did."""

    data: bytes
    said: str


def run(
    target: Target,
    inputs: int,
    seed: int,
    *,
    clock: Callable[[], float] = time.process_time,  # which stands still while other processes run
    slow: float = math.inf,
) -> tuple[int, list[Finding]]:
    """How many of `inputs` mutated inputs were tried, and what they found: promises broken, or more than
    `slow` seconds for one of them. It ends early where nearly everything is a finding."""
    rng = Random(seed)
    found: list[Finding] = []
    before, tried = clock(), 0
    while tried < inputs and len(found) < MAX_FINDINGS:
        data = mutated(target.seeds, target.words, rng)
        tried += 1
        try:
            target.check(data)
        except Exception as error:
            found.append(Finding(data, f"{type(error).__name__}: {error}"[:300]))
        now = clock()
        if now - before > slow:
            found.append(Finding(data, f"took {now - before:.3f} s"))
        before = now
    return tried, found
