"""Rarest first against DESIGN's rule, part by part."""

from collections import Counter
from random import Random

from fakes.onlookers import BLOCKS, StandIn, seen
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.strategies.rarest_first import RarestFirst
from minibit.strategies.view import Pick, SwarmView

SETS = st.integers(0, bitfield.full(BLOCKS))


def pick(view: SwarmView, seed: int = 1) -> Pick | None:
    return RarestFirst().pick(view, 0.0, Random(seed))


def test_nothing_to_choose_from() -> None:
    assert pick(seen([StandIn(1, 0b111)], candidates=0)) is None


def test_the_block_with_the_fewest_copies() -> None:
    # Copies: block 0 three, block 1 two, block 2 one.
    view = seen([StandIn(1, 0b111), StandIn(2, 0b011), StandIn(3, 0b001)], candidates=0b111)
    assert pick(view) == Pick(2, 0b111, 0b100, "rarest", 1)


def test_only_among_candidates() -> None:
    view = seen([StandIn(1, 0b111), StandIn(2, 0b011), StandIn(3, 0b001)], candidates=0b011)
    assert pick(view) == Pick(1, 0b011, 0b010, "rarest", 2)


def test_ties_are_drawn_evenly() -> None:
    view = seen([StandIn(1, 0b1111), StandIn(2, 0b0001)], candidates=0b1111)
    rng = Random(5)
    drawn = Counter(choice.block for _ in range(3000) if (choice := RarestFirst().pick(view, 0.0, rng)))
    assert set(drawn) == {1, 2, 3}
    assert all(abs(count - 1000) < 120 for count in drawn.values())  # 4.6 standard deviations


def test_it_can_be_explained() -> None:
    view = seen([StandIn(1, 0b110), StandIn(2, 0b001), StandIn(3, 0b001)], candidates=0b111)
    choice = pick(view)
    assert choice is not None
    assert choice.explain() == (
        f"block {choice.block}: rarest of 3 candidates, 1 copy among neighbours, by lot from 2 equals"
    )


@given(st.lists(SETS, max_size=8), SETS, st.integers())
def test_against_counting(holders: list[int], candidates: int, seed: int) -> None:
    view = seen([StandIn(key, blocks) for key, blocks in enumerate(holders)], candidates=candidates)
    choice = pick(view, seed)
    if not candidates:
        assert choice is None
        return
    copies = {b: sum(blocks >> b & 1 for blocks in holders) for b in bitfield.indices(candidates)}
    assert choice is not None
    assert copies[choice.block] == choice.copies == min(copies.values())
    assert set(bitfield.indices(choice.tied)) == {b for b, n in copies.items() if n == choice.copies}
    assert pick(view, seed) == choice, "the same view and seed give the same pick"
