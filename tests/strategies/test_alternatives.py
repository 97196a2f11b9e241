"""The strategies to compare with: any block, the first block, those who give most, everybody."""

from collections import Counter
from random import Random

import pytest
from fakes.onlookers import BLOCKS, StandIn, seen, swarms
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.strategies.alternatives import RandomPicking, Reciprocity, Sequential, UnchokeAll, UnchokeNone
from minibit.strategies.view import ChokingStrategy, PickingStrategy, Slots, SwarmView

EVERYTHING = bitfield.full(BLOCKS)


def slots(view: SwarmView, seed: int = 1, now: float = 100.0) -> Slots:
    return Reciprocity().choke(view, now, Random(seed)).slots


def givers(rates: dict[int, float]) -> list[StandIn]:
    return [StandIn(key, received=rate) for key, rate in rates.items()]


@pytest.mark.parametrize("strategy", [RandomPicking(), Sequential()])
def test_nothing_to_choose_from(strategy: PickingStrategy) -> None:
    assert strategy.pick(seen([StandIn(1, 0b1)], candidates=0), 0.0, Random(1)) is None


def test_random_picks_each_candidate_equally_often() -> None:
    view = seen([StandIn(1, 0b11101)], candidates=0b11101)
    rng = Random(9)
    drawn = Counter(choice.block for _ in range(4000) if (choice := RandomPicking().pick(view, 0.0, rng)))
    assert set(drawn) == {0, 2, 3, 4}
    assert all(abs(count - 1000) < 130 for count in drawn.values())  # 4.7 standard deviations


@given(st.integers(1, EVERYTHING))
def test_sequential_picks_the_first(candidates: int) -> None:
    pick = Sequential().pick(seen([], candidates=candidates), 0.0, Random(1))
    assert pick is not None
    assert pick.block == min(bitfield.indices(candidates))
    assert pick.explain().startswith(f"block {pick.block}: first of {candidates.bit_count()} candidates")


# --- reciprocity


def test_the_four_that_give_most_are_fixed() -> None:
    view = seen(givers({1: 5, 2: 50, 3: 20, 4: 10, 5: 40, 6: 30}), round_due=True)
    assert slots(view).fixed == (2, 5, 6, 3)


def test_equal_givers_keep_their_place() -> None:
    view = seen(givers(dict.fromkeys(range(1, 7), 7)), fixed=(3, 4, 5, 6), optimistic=1, round_due=True)
    assert set(slots(view).fixed) == {3, 4, 5, 6}


def test_the_snubbed_have_no_claim() -> None:
    snubbed = StandIn(9, received=99, snubbed=True)
    view = seen([*givers({1: 1, 2: 2, 3: 3, 4: 4, 5: 0.5}), snubbed], round_due=True)
    assert set(slots(view).fixed) == {1, 2, 3, 4}


def test_an_optimistic_that_earns_a_place_leaves_its_slot_to_another() -> None:
    view = seen(
        givers({1: 9, 2: 9, 3: 9, 4: 1, 5: 5, 6: 0}), fixed=(1, 2, 3, 4), optimistic=5, round_due=True
    )
    after = slots(view)
    assert set(after.fixed) == {1, 2, 3, 5}
    assert after.optimistic in {4, 6}


@pytest.mark.parametrize(("since", "stays"), [(71.0, True), (70.0, False)])
def test_the_optimistic_rotates_after_30_seconds(since: float, stays: bool) -> None:
    view = seen(
        [*givers({1: 9, 2: 9, 3: 9, 4: 9, 6: 0}), StandIn(5, unchoked_since=since)],
        fixed=(1, 2, 3, 4),
        optimistic=5,
        round_due=True,
    )
    assert slots(view, now=100.0).optimistic == (5 if stays else 6)


def test_a_lone_optimistic_is_not_choked_for_nobody() -> None:
    view = seen(
        [*givers({1: 9, 2: 9, 3: 9, 4: 9}), StandIn(5, unchoked_since=0.0)],
        fixed=(1, 2, 3, 4),
        optimistic=5,
        round_due=True,
    )
    assert slots(view) == Slots((1, 2, 3, 4), 5)


def test_a_complete_peer_passes_its_longest_held_slot_on() -> None:
    served = [
        StandIn(key, unchoked_since=since) for key, since in {1: 40.0, 2: 20.0, 3: 60.0, 4: 80.0}.items()
    ]
    waiting = [StandIn(6), StandIn(7)]
    view = seen(
        [*served, StandIn(5, unchoked_since=99.0), *waiting],
        fixed=(1, 2, 3, 4),
        optimistic=5,
        round_due=True,
        have=EVERYTHING,
    )
    assert {slots(view, seed) for seed in range(30)} == {Slots((1, 3, 4, key), 5) for key in (6, 7)}


def test_a_seed_serves_everybody_in_turn() -> None:
    unchoked: dict[int, float] = {}
    held = Slots()
    served: set[int] = set()
    rng = Random(4)
    for turn in range(30):
        now = 10.0 * turn
        onlookers = [StandIn(key, unchoked_since=unchoked.get(key)) for key in range(12)]
        view = seen(onlookers, fixed=held.fixed, optimistic=held.optimistic, round_due=True, have=EVERYTHING)
        held = Reciprocity().choke(view, now, rng).slots
        unchoked = {key: unchoked.get(key, now) for key in range(12) if key in held}
        served |= set(unchoked)
    assert served == set(range(12))


def test_its_moves_are_told() -> None:
    view = seen(
        givers({1: 9, 2: 8, 3: 7, 4: 1, 5: 5, 6: 0}), fixed=(1, 2, 3, 4), optimistic=6, round_due=True
    )
    choice = Reciprocity().choke(view, 100.0, Random(1))
    assert choice.moves == ((5, "fixed"), (4, "choked"))
    assert choice.explain() == "5 fixed with score 5; 4 choked with score 1"
    promoted = Reciprocity().choke(
        seen(givers({1: 9, 2: 8, 3: 7, 4: 1, 5: 5}), fixed=(1, 2, 3, 4), optimistic=5, round_due=True),
        100.0,
        Random(1),
    )
    assert promoted.moves == ((5, "fixed"), (4, "optimistic"))


def test_who_left_or_lost_interest_is_told_apart_from_who_is_choked() -> None:
    view = seen([*givers({1: 9, 2: 8}), StandIn(3, interested=False)], fixed=(1, 3), optimistic=4)
    for strategy in (Reciprocity(), UnchokeAll()):
        moves = strategy.choke(view, 100.0, Random(1)).moves
        assert moves[:2] == ((3, "lost interest"), (4, "left"))


# --- unchoke-all


def test_everybody_interested_is_served() -> None:
    view = seen([StandIn(1), StandIn(2, interested=False), StandIn(3, known=False)])
    choice = UnchokeAll().choke(view, 0.0, Random(1))
    assert choice.slots == Slots((1, 3))
    assert choice.moves == ((1, "fixed"), (3, "fixed"))


# --- unchoke-none


def test_a_free_rider_serves_nobody_and_takes_back_what_it_gave() -> None:
    choice = UnchokeNone().choke(seen([StandIn(1), StandIn(2)], fixed=(1,), optimistic=2), 0.0, Random(1))
    assert choice.slots == Slots()
    assert choice.moves == ((1, "choked"), (2, "choked"))


@pytest.mark.parametrize("strategy", [Reciprocity(), UnchokeAll()])
@given(view=swarms(), seed=st.integers())
def test_slots_are_always_well_used(strategy: ChokingStrategy, view: SwarmView, seed: int) -> None:
    after = strategy.choke(view, 100.0, Random(seed)).slots
    holders = [*after.fixed, *([] if after.optimistic is None else [after.optimistic])]
    competing = {key for key, n in view.neighbours.items() if n.interested and n.known}
    assert len(set(holders)) == len(holders)
    assert all(view.neighbours[key].interested for key in holders)
    if isinstance(strategy, UnchokeAll):
        assert set(holders) >= competing
    else:
        assert len(after.fixed) <= 4
        assert len(holders) >= min(5, len(competing))
    assert strategy.choke(view, 100.0, Random(seed)).slots == after
