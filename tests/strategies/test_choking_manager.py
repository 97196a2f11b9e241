"""Slots and rounds against DESIGN's rules, one by one, with tit-for-tat as the score."""

from collections import Counter
from random import Random

from fakes.onlookers import StandIn, scoring, seen, swarms
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit.strategies.choking_manager import FIXED_SLOTS, manage
from minibit.strategies.tit_for_tat import TitForTat
from minibit.strategies.view import Choice, Slots, SwarmView


def choke(view: SwarmView, seed: int = 1) -> Choice:
    return TitForTat().choke(view, 0.0, Random(seed))


def outcomes(view: SwarmView) -> set[Slots]:
    """Everything that chance can make of this."""
    return {choke(view, seed).slots for seed in range(60)}


# --- who competes


def test_only_the_interested_and_known_get_slots() -> None:
    view = seen(
        [
            *scoring({1: 3}),
            StandIn(2, interested=False),
            StandIn(3, known=False),
            StandIn(4, known=False, interested=False),
        ]
    )
    assert choke(view).slots == Slots((), 1)


def test_nobody_there() -> None:
    nobody = Choice(Slots(), rule="rare blocks held")
    assert choke(seen([])) == choke(seen([], round_due=True)) == nobody
    assert choke(seen([], fixed=(1, 2), optimistic=3)).slots == Slots()


def test_up_to_four_fixed_and_one_optimistic() -> None:
    for count in range(8):
        slots = choke(seen(scoring(dict.fromkeys(range(count), 1)))).slots
        assert len(slots.fixed) == min(4, max(0, count - 1))
        assert (slots.optimistic is None) == (count == 0)


# --- idle lines

SIX = dict.fromkeys(range(1, 7), 1)


def test_an_idle_line_admits_one_more_and_a_busy_one_dismisses_it() -> None:
    full = seen(scoring(SIX), fixed=(1, 2, 3, 4), optimistic=5)
    choice = choke(replace(full, spare=1))
    assert choice.slots == Slots((1, 2, 3, 4), 5, (6,))
    assert choice.moves == ((6, "admitted"),)
    full = replace(full, slots=choice.slots)
    assert choke(full).slots == choice.slots, "until its line is busy"
    busy = choke(replace(full, spare=-1))
    assert busy.slots == Slots((1, 2, 3, 4), 5)
    assert busy.moves == ((6, "dismissed"),)


def test_who_is_extra_gets_the_slot_that_becomes_free() -> None:
    view = seen(scoring({key: 1 for key in SIX if key != 2}))
    choice = choke(replace(view, slots=Slots((1, 2, 3, 4), 5, (6,))))
    assert choice.slots == Slots((1, 3, 4, 6), 5)


def test_an_idle_line_with_nobody_waiting_stays_as_it_is() -> None:
    view = seen(scoring(dict.fromkeys(range(1, 6), 1)), fixed=(1, 2, 3, 4), optimistic=5)
    assert choke(replace(view, spare=1)).slots == view.slots


# --- between rounds


def test_nobody_is_ranked_while_no_slot_is_free() -> None:
    asked: list[int] = []
    view = seen(scoring(dict.fromkeys(range(1, 9), 1)), fixed=(1, 2, 3, 4), optimistic=5)
    choice = manage(view, Random(1), lambda neighbour: asked.append(neighbour.key) or 0.0)
    assert (choice, asked) == (Choice(view.slots), [])


def test_an_empty_fixed_slot_goes_to_the_best_score() -> None:
    view = seen(scoring({1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 3, 7: 2}), fixed=(1, 2, 3), optimistic=4)
    assert choke(view).slots == Slots((1, 2, 3, 6), 4)
    assert choke(view).moves == ((6, "filled"),)


def test_equal_scores_are_drawn_by_lot() -> None:
    view = seen(scoring(dict.fromkeys(range(1, 8), 1)), fixed=(1, 2, 3), optimistic=4)
    assert outcomes(view) == {Slots((1, 2, 3, key), 4) for key in (5, 6, 7)}


def test_an_empty_optimistic_slot_is_drawn_among_all_that_wait() -> None:
    view = seen(scoring({1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 3, 7: 2}), fixed=(1, 2, 3, 4))
    assert outcomes(view) == {Slots((1, 2, 3, 4), key) for key in (5, 6, 7)}


def test_the_newly_interested_is_served_at_once() -> None:
    view = seen(scoring({1: 0, 2: 0, 9: 0}), fixed=(1,), optimistic=2)
    assert choke(view).slots == Slots((1, 9), 2)


def test_who_left_or_lost_interest_makes_room_at_once() -> None:
    uninterested = StandIn(3, interested=False)  # and neighbour 2 has left
    view = seen([*scoring({1: 1, 4: 1, 5: 1, 6: 1}), uninterested], fixed=(1, 2, 3, 4), optimistic=5)
    assert choke(view).slots == Slots((1, 4, 6), 5)
    assert choke(view).moves == ((2, "left"), (3, "lost interest"), (6, "filled"))


def test_between_rounds_nobody_is_moved() -> None:
    view = seen(scoring({1: 0, 2: 0, 3: 0, 4: 0, 5: 5, 6: 5}), fixed=(1, 2, 3, 4), optimistic=5)
    assert outcomes(view) == {Slots((1, 2, 3, 4), 5)}
    assert choke(view).explain() == "everyone keeps their place"


# --- the round


def test_a_round_draws_a_new_optimistic_that_was_neither() -> None:
    view = seen(
        scoring({1: 2, 2: 2, 3: 2, 4: 2, 5: 0, 6: 0, 7: 0}),
        fixed=(1, 2, 3, 4),
        optimistic=5,
        round_due=True,
    )
    assert outcomes(view) == {Slots((1, 2, 3, 4), 6), Slots((1, 2, 3, 4), 7)}


def test_the_draw_is_even() -> None:
    view = seen(
        scoring({1: 1, 2: 1, 3: 1, 4: 1} | dict.fromkeys(range(5, 10), 0)),
        fixed=(1, 2, 3, 4),
        optimistic=5,
        round_due=True,
    )
    rng = Random(3)
    drawn = Counter(TitForTat().choke(view, 0.0, rng).slots.optimistic for _ in range(4000))
    assert set(drawn) == {6, 7, 8, 9}
    assert all(abs(count - 1000) < 130 for count in drawn.values())  # 4.7 standard deviations


def test_without_a_candidate_the_current_optimistic_stays() -> None:
    view = seen(scoring({1: 1, 2: 1, 3: 1, 4: 1, 5: 0}), fixed=(1, 2, 3, 4), optimistic=5, round_due=True)
    assert choke(view).slots == Slots((1, 2, 3, 4), 5)


def test_a_better_candidate_is_promoted_and_the_worst_is_choked() -> None:
    view = seen(
        scoring({1: 2, 2: 0, 3: 2, 4: 1, 5: 0, 6: 3}), fixed=(1, 2, 3, 4), optimistic=5, round_due=True
    )
    choice = choke(view)
    # Its slot is drawn again at once: from who waits, not from who just fell.
    assert choice.slots == Slots((6, 1, 3, 4), 5)
    assert choice.moves == ((6, "drawn"), (6, "promoted"), (2, "demoted"), (5, "drawn"))
    assert choice.explain() == (
        "6 drawn with score 3; 6 promoted with score 3; 2 demoted with score 0; 5 drawn with score 0"
    )


def test_the_fallen_is_drawn_only_if_nobody_else_waits() -> None:
    view = seen(scoring({1: 2, 2: 1, 3: 2, 4: 2, 6: 3}), fixed=(1, 2, 3, 4), optimistic=6, round_due=True)
    assert choke(view).slots == Slots((6, 1, 3, 4), 2)


def test_ties_keep_the_incumbents() -> None:
    view = seen(
        scoring({1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}), fixed=(4, 3, 2, 1), optimistic=5, round_due=True
    )
    assert choke(view).slots == Slots((4, 3, 2, 1), 6)


def test_one_that_is_not_promoted_stays_optimistic() -> None:
    view = seen(
        scoring({1: 2, 2: 2, 3: 2, 4: 2, 5: 0, 6: 1}), fixed=(1, 2, 3, 4), optimistic=5, round_due=True
    )
    choice = choke(view)
    assert choice.slots == Slots((1, 2, 3, 4), 6)
    assert choice.moves == ((6, "drawn"), (5, "replaced"))


def test_an_optimistic_that_left_or_lost_interest_is_named() -> None:
    for gone, why in (([], "left"), ([StandIn(5, interested=False)], "lost interest")):
        view = seen([*scoring({1: 1, 6: 0}), *gone], fixed=(1,), optimistic=5)
        assert choke(view).moves == ((5, why), (6, "drawn"))


def test_an_optimistic_that_is_replaced_and_filled_again_has_lost_nothing() -> None:
    view = seen(scoring({1: 1, 2: 0, 3: 0}), fixed=(1,), optimistic=2, round_due=True)
    assert choke(view).moves == ((3, "drawn"), (3, "promoted"), (2, "drawn"))


def test_a_round_with_room_promotes_whoever_is_there() -> None:
    view = seen(scoring({1: 0, 2: 0}), fixed=(1,), optimistic=2, round_due=True)
    assert choke(view).slots == Slots((1, 2), None)


# --- whatever the swarm


@given(swarms(), st.integers())
def test_no_slot_stands_empty_while_somebody_waits(view: SwarmView, seed: int) -> None:
    choice = choke(view, seed)
    fixed, optimistic = choice.slots.fixed, choice.slots.optimistic
    competing = {key for key, n in view.neighbours.items() if n.interested and n.known}
    holders = [*fixed, *([] if optimistic is None else [optimistic])]
    assert len(fixed) <= 4
    assert len(set(holders)) == len(holders)
    assert set(holders) <= competing
    if len(holders) < 5:
        assert set(holders) == competing
    assert set(choice.scores) == competing


@given(swarms(), st.integers())
def test_choking_is_a_pure_function(view: SwarmView, seed: int) -> None:
    before = (dict(view.neighbours), view.slots, [view.copies.of(b) for b in range(view.block_count)])
    assert choke(view, seed) == choke(view, seed)
    assert before == (
        dict(view.neighbours),
        view.slots,
        [view.copies.of(b) for b in range(view.block_count)],
    )


@given(swarms(), st.integers())
def test_between_rounds_nobody_who_competes_loses_a_slot(view: SwarmView, seed: int) -> None:
    slots = choke(view, seed).slots
    if not view.round_due:
        kept = [
            key for key in view.slots.fixed if (n := view.neighbours.get(key)) and n.interested and n.known
        ]
        assert list(slots.fixed[: len(kept)]) == kept


@given(swarms(), st.integers())
def test_everybody_who_loses_or_gets_a_place_is_named(view: SwarmView, seed: int) -> None:
    def holders(slots: Slots) -> set[int | None]:
        return {*slots.fixed, slots.optimistic} - {None}

    choice = choke(view, seed)
    named = {key for key, _ in choice.moves}
    assert holders(view.slots) ^ holders(choice.slots) <= named
    lost = {"left", "lost interest", "replaced"}
    assert not {key for key, what in choice.moves if what in lost} & holders(choice.slots)


@given(swarms(), st.integers())
def test_after_a_round_the_best_are_fixed(view: SwarmView, seed: int) -> None:
    choice = choke(view, seed)
    if not view.round_due:
        return
    incumbents = [key for key in view.slots.fixed if key in choice.scores]
    drawn = [key for key, move in choice.moves if move == "drawn"]
    stays = view.slots.optimistic
    others = [key for key in choice.scores if key not in incumbents and key != stays]
    candidate = drawn[0] if others else stays if stays in choice.scores else None
    contenders = incumbents + [candidate] * (candidate is not None)
    best = sorted(contenders, key=lambda key: -choice.scores[key])[:FIXED_SLOTS]  # stable: incumbents first
    assert list(choice.slots.fixed[: len(best)]) == best
    assert (candidate in choice.slots.fixed) == (candidate in best)


def test_rounds_as_they_are_drawn_promote_and_do_not() -> None:
    """What the property above says of promotions would be empty if hardly any round made one."""
    seen_moves: Counter[bool] = Counter()

    @given(swarms(), st.integers())
    def rounds(view: SwarmView, seed: int) -> None:
        moves = [move for _, move in choke(replace(view, round_due=True), seed).moves]
        seen_moves["promoted" in moves] += 1

    rounds()
    assert min(seen_moves[True], seen_moves[False]) >= 5
