"""Simplified tit-for-tat: which blocks are rare, and what a neighbour is worth. Slots: the manager's test."""

from random import Random

import pytest
from fakes.onlookers import BLOCKS, StandIn, seen
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.copies import Copies
from minibit.strategies.tit_for_tat import TitForTat, rare_blocks
from minibit.strategies.view import SwarmView


def scores(view: SwarmView) -> dict[int, float]:
    return dict(TitForTat().choke(view, 0.0, Random(1)).scores)


@pytest.mark.parametrize(
    ("known", "most"), [(1, 1), (3, 1), (4, 1), (6, 1), (7, 2), (9, 2), (10, 3), (13, 3), (14, 4), (50, 15)]
)
def test_rare_is_from_one_copy_to_three_tenths_of_the_neighbours(known: int, most: int) -> None:
    # Block n has n copies.
    copies = Copies(known + 1)
    for holder in range(known):
        copies.add(bitfield.full(known + 1) & ~bitfield.full(holder + 1))
    assert [copies.of(n) for n in range(known + 1)] == list(range(known + 1))
    assert list(bitfield.indices(rare_blocks(copies, known))) == list(range(1, most + 1))


def test_a_score_is_the_number_of_rare_blocks_held() -> None:
    # Four known: rare is exactly one copy. Blocks 1, 2 and 4 have one; block 0 four; block 3 two.
    view = seen([StandIn(1, 0b00111), StandIn(2, 0b01001), StandIn(3, 0b11001), StandIn(4, 0b00001)])
    assert scores(view) == {1: 2, 2: 0, 3: 1, 4: 0}


def test_our_own_blocks_do_not_count() -> None:
    onlookers = [StandIn(1, 0b01), StandIn(2, 0b10)]
    assert scores(seen(onlookers, have=0)) == scores(seen(onlookers, have=0b11)) == {1: 1, 2: 1}


def test_only_neighbours_that_told_their_blocks_count() -> None:
    told = [StandIn(key, 0b1) for key in range(2)] + [StandIn(key) for key in range(2, 6)]
    silent = [StandIn(key, known=False) for key in range(6, 20)]
    # Six known: two copies are not rare. Were the silent ones counted, 0.3 * 20 = 6 copies would be.
    assert scores(seen(told + silent)) == dict.fromkeys(range(6), 0)
    # A seventh that tells, if only that it has nothing, makes two copies rare.
    assert scores(seen([*told, StandIn(6)]))[0] == 1


def test_the_uninterested_count_for_rarity_but_do_not_compete() -> None:
    view = seen([StandIn(1, 0b11), StandIn(2, 0b01, interested=False), StandIn(3)])
    assert scores(view) == {1: 1, 3: 0}  # block 0 has two copies, so only block 1 is rare


@given(st.lists(st.tuples(st.integers(0, bitfield.full(BLOCKS)), st.booleans()), max_size=15))
def test_against_counting(told: list[tuple[int, bool]]) -> None:
    onlookers = [StandIn(key, blocks * known, known=known) for key, (blocks, known) in enumerate(told)]
    known = [onlooker for onlooker in onlookers if onlooker.known]
    most = max(1, int(len(known) * 3 / 10))
    rare = [b for b in range(BLOCKS) if 1 <= sum(n.blocks >> b & 1 for n in known) <= most]
    expected = {n.key: sum(n.blocks >> b & 1 for b in rare) for n in known}
    assert scores(seen(onlookers)) == expected
