"""Bit-sliced counts against plain counting."""

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from minibit import bitfield
from minibit.copies import Copies

COUNT = 12
SETS = st.integers(0, bitfield.full(COUNT))


def counted(holders: list[int]) -> list[int]:
    return [sum(blocks >> block & 1 for blocks in holders) for block in range(COUNT)]


class CountingByHand(RuleBasedStateMachine):
    """Neighbours come, tell of one more block, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.copies = Copies(COUNT)
        self.holders: list[int] = []

    @rule(blocks=SETS)
    def comes(self, blocks: int) -> None:
        self.copies.add(blocks)
        self.holders.append(blocks)

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), block=st.integers(0, COUNT - 1))
    def tells(self, data: st.DataObject, block: int) -> None:
        which = data.draw(st.integers(0, len(self.holders) - 1))
        self.copies.add((1 << block) & ~self.holders[which])
        self.holders[which] |= 1 << block

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        self.copies.remove(self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1))))

    @rule(candidates=SETS.filter(bool))
    def rarest(self, candidates: int) -> None:
        counts = counted(self.holders)
        fewest = min(counts[block] for block in bitfield.indices(candidates))
        tied = [block for block in bitfield.indices(candidates) if counts[block] == fewest]
        assert self.copies.rarest(candidates) == (fewest, bitfield.from_indices(tied, COUNT))

    @rule(most=st.integers(-1, 40))
    def scarce(self, most: int) -> None:
        scarce = [block for block, count in enumerate(counted(self.holders)) if 1 <= count <= most]
        assert self.copies.between_one_and(most) == bitfield.from_indices(scarce, COUNT)

    @invariant()
    def counts_agree(self) -> None:
        counts = counted(self.holders)
        assert [self.copies.of(block) for block in range(COUNT)] == counts
        held = [block for block, count in enumerate(counts) if count]
        assert self.copies.held == bitfield.from_indices(held, COUNT)


TestCountingByHand = CountingByHand.TestCase


@pytest.mark.parametrize("seed", range(5))
def test_hundreds_of_holders(seed: int) -> None:
    rng = Random(seed)
    holders = [rng.getrandbits(COUNT) for _ in range(300)]
    copies = Copies(COUNT)
    for blocks in holders:
        copies.add(blocks)
    assert [copies.of(block) for block in range(COUNT)] == counted(holders)
    for blocks in holders[::2]:
        copies.remove(blocks)
    assert [copies.of(block) for block in range(COUNT)] == counted(holders[1::2])


@pytest.mark.parametrize("most", [0, 1, 5])
def test_nobody_holds_anything(most: int) -> None:
    copies = Copies(COUNT)
    assert copies.held == 0
    assert copies.between_one_and(most) == 0
    assert copies.rarest(0b101) == (0, 0b101)
