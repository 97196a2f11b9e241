"""The fuzzer's short run, what earlier runs found, and whether it would find anything.

The long one is by hand: `python -m tests.fuzz --long`.
"""

from itertools import count
from pathlib import Path
from random import Random

import pytest
from fuzz.campaign import MAX_FINDINGS, run
from fuzz.mutation import MAX_INPUT, mutated
from fuzz.targets import TARGETS, Target, check_bencode

INPUTS = 1500
FOUND = sorted((Path(__file__).parent / "found").glob("*.*"))


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    assert run(TARGETS[name], INPUTS, seed=1) == (INPUTS, [])


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    TARGETS[path.name.partition(".")[0]].check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_what_targets_accept_or_refuse_in_order(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


def test_the_same_seed_gives_the_same_inputs_and_they_are_small() -> None:
    target = TARGETS["connection"]
    first, second = Random(3), Random(3)
    inputs = [mutated(target.seeds, target.words, first) for _ in range(200)]
    assert inputs == [mutated(target.seeds, target.words, second) for _ in range(200)]
    assert len(set(inputs)) > 150
    assert max(map(len, inputs)) <= MAX_INPUT


def test_a_parser_that_lets_an_error_out_would_be_found() -> None:
    def careless(data: bytes) -> None:
        int(data)

    tried, found = run(Target(careless, [b"123"], [b"x"]), 1000, seed=1)
    assert tried < 1000
    assert len(found) == MAX_FINDINGS
    assert all(finding.said.startswith("ValueError: ") for finding in found)


def test_an_input_that_takes_long_would_be_found() -> None:
    ticks = count(step=2)
    target = Target(check_bencode, [b"le"], [b"i0e"])
    tried, found = run(target, 3, seed=1, clock=lambda: float(next(ticks)), slow=1.0)
    assert tried == 3
    assert [finding.said for finding in found] == ["took 2.000 s"] * 3
