"""What an origin shows to whom. What comes of it in a swarm: `test_engine_swarm`."""

from random import Random

import pytest

from minibit import bitfield
from minibit.engine.offers import (
    AHEAD_SECONDS,
    FIRST_DEPTH,
    MAX_DEPTH_BYTES,
    RELAY_MEMORY,
    Offers,
)
from minibit.torrent.layout import Layout

COUNT = 20
SIZE = 32768
LAYOUT = Layout(COUNT * SIZE - 1000, SIZE)
FULL = bitfield.full(COUNT)


def offers_to(*keys: int) -> Offers:
    offers = Offers(LAYOUT)
    for key in keys:
        offers.greet(key)
    return offers


def refill(
    offers: Offers, key: int, holds: int = 0, swarm: int = 0, *, granted: int = 0, rate: float = 0.0
) -> int:
    """What this neighbour is shown anew, as a bitfield."""
    _, shown = offers.refill(key, ~holds, granted, offers.lacking(swarm), rate, Random(1))
    return bitfield.from_indices(shown, COUNT)


def send_whole(offers: Offers, key: int, blocks: int) -> None:
    for block in bitfield.indices(blocks):
        offers.sent(key, block, LAYOUT.block_length(block), 0, 0.0)


def test_each_lacking_block_is_offered_to_one_neighbour() -> None:
    offers = offers_to(*range(5))
    shown = [refill(offers, key) for key in range(5)]
    assert [blocks.bit_count() for blocks in shown] == [FIRST_DEPTH] * 5
    assert (shown[0] | shown[1] | shown[2] | shown[3] | shown[4]).bit_count() == 5 * FIRST_DEPTH
    assert offers.lacking(0).bit_count() == COUNT - 5 * FIRST_DEPTH


def test_only_what_the_swarm_lacks_is_offered() -> None:
    offers = offers_to(1)
    shown = refill(offers, 1, swarm=FULL ^ 0b1)
    assert shown == 0b1
    assert offers.lacking(FULL ^ 0b1) == 0


def test_nothing_more_is_shown_before_half_is_on_its_way() -> None:
    offers = offers_to(1)
    first = refill(offers, 1)
    assert refill(offers, 1) == 0
    one = first & -first
    (block,) = bitfield.indices(one)
    offers.sent(1, block, SIZE - 16384, 0, 0.0)
    assert refill(offers, 1) == 0, "half a block is not sent"
    offers.sent(1, block, 16384, 0, 0.0)
    assert refill(offers, 1).bit_count() == 1


def test_offers_follow_what_a_neighbour_takes_whatever_its_rhythm() -> None:
    offers = Offers(Layout(200 * SIZE, SIZE))
    offers.greet(1)
    sizes = []
    for rate in (0, 5 * SIZE, 10 * SIZE, 1):
        _, shown = offers.refill(1, -1, 0, offers.lacking(0), rate / AHEAD_SECONDS, Random(1))
        sizes.append(len(shown))
        for block in shown:
            offers.sent(1, block, SIZE, 0, 0.0)
    assert sizes == [FIRST_DEPTH, 5, 10, FIRST_DEPTH]


@pytest.mark.parametrize("block_size", [16 << 10, 1 << 20, 16 << 20])
def test_an_offer_is_bounded(block_size: int) -> None:
    offers = Offers(Layout(10_000 * block_size, block_size))
    offers.greet(1)
    _, shown = offers.refill(1, -1, 0, offers.lacking(0), 1e12, Random(1))
    assert len(shown) == max(FIRST_DEPTH, MAX_DEPTH_BYTES // block_size)


def test_a_grant_is_offered_before_all_else() -> None:
    offers = offers_to(1)
    granted = 0b11 << 10
    assert refill(offers, 1, granted=granted) == granted


def test_a_grant_is_no_order_to_fetch_what_somebody_has() -> None:
    offers = offers_to(1)
    granted = 0b11 << 10
    assert not refill(offers, 1, swarm=granted, granted=granted) & granted


def test_first_copies_are_those_that_were_sent_whole_to_nobody() -> None:
    offers = offers_to(1)
    assert offers.unborn(0b1) == FULL ^ 0b1
    offers.sent(1, 3, SIZE - 1, 0b1, 0.0)
    assert offers.unborn(0b1) == FULL ^ 0b1
    offers.sent(1, 3, 1, 0b1, 0.0)
    assert offers.unborn(0b1) == FULL ^ 0b1001


def test_first_copies_go_to_who_owes_the_least() -> None:
    offers = offers_to(1, 2)
    send_whole(offers, 1, 0b111)
    assert offers.soonest([1, 2], 0.0) == 2
    offers.received(3, 0b111, 0.1)  # somebody has them now
    assert offers.soonest([1, 2], 0.1) == 1


def test_of_equals_each_gets_its_part_whoever_got_more_before() -> None:
    offers = offers_to(1, 2)
    for second in range(4):
        offers.sent(1, second, SIZE, 0, float(second))
        offers.received(3, 1 << second, second + 0.5)
    offers.sent(2, 4, SIZE, 0, 4.0)
    offers.received(3, 1 << 4, 4.5)
    assert [offers.soonest(waiting, 5.0) for waiting in ([1, 2], [2, 1])] == [1, 2]


def test_a_slow_line_waits_behind_a_quick_one() -> None:
    offers = offers_to(1, 2)
    for second in range(0, 12, 4):
        for key, block, took in ((1, second, 0.5), (2, second + 1, 4.0)):
            offers.sent(key, block, SIZE, 0, float(second))
            offers.received(3, 1 << block, second + took)
    assert offers.soonest([2, 1], 13.0) == 1


def test_one_that_was_slow_once_is_believed_to_be_as_quick_as_everybody() -> None:
    """What happened once says little: else who happened to get some would get more (`DOUBT_SECONDS`)."""
    offers = offers_to(1, 2)
    for key, block, took in ((1, 0, 0.05), (2, 1, 0.1)):
        offers.sent(key, block, SIZE, 0, 0.0)
        offers.received(3, 1 << block, took)
    assert offers.soonest([2, 1], 0.1) == 2


def test_a_pace_is_forgotten_in_time() -> None:
    offers = offers_to(1, 2)
    offers.sent(2, 0, SIZE, 0, 0.0)
    offers.received(3, 0b1, 8.0)
    assert offers.soonest([2, 1], 8.0) == 1
    assert offers.soonest([2, 1], 8.0 + 20 * RELAY_MEMORY) == 2


def test_who_got_the_first_copy_does_not_spread_it_by_telling() -> None:
    offers = offers_to(1, 2)
    send_whole(offers, 1, 0b111)
    offers.received(1, 0b111, 0.0)
    assert offers.soonest([1, 2], 0.0) == 2


def test_what_was_sent_is_offered_to_nobody_else_even_if_it_is_never_told_of() -> None:
    offers = offers_to(1)
    shown = refill(offers, 1)
    send_whole(offers, 1, shown)
    while more := refill(offers, 1):
        assert not more & shown
        shown |= more
        send_whole(offers, 1, more)
    assert shown == FULL
    assert offers.lacking(0) == 0


def test_what_a_neighbour_that_left_was_sent_is_lacking_again() -> None:
    offers = offers_to(1, 2)
    send_whole(offers, 1, refill(offers, 1))
    assert offers.lacking(0) != FULL
    offers.forget(1)
    assert offers.lacking(0) == FULL
    assert offers.neighbours == [2]


def test_what_a_choked_neighbour_was_offered_goes_to_others() -> None:
    offers = offers_to(1, 2)
    nearly = FULL ^ 0b11
    assert refill(offers, 1, swarm=nearly) == 0b11
    assert refill(offers, 2, swarm=nearly) == 0
    offers.withdraw(1, 0)
    assert refill(offers, 2, swarm=nearly) == 0b11
    offers.withdraw(2, 0)
    assert refill(offers, 1, swarm=nearly) == 0, "it sees them already: there is nothing to tell it"
    assert offers.lacking(nearly) == 0


def test_what_a_neighbour_got_elsewhere_is_no_longer_reserved_for_it() -> None:
    offers = offers_to(1)
    shown = refill(offers, 1)
    offers.received(1, shown, 0.0)
    assert refill(offers, 1, holds=shown, swarm=shown).bit_count() >= FIRST_DEPTH


def test_a_choke_takes_no_grant_back() -> None:
    offers = offers_to(1)
    assert refill(offers, 1, granted=0b1000).bit_count() == FIRST_DEPTH
    offers.withdraw(1, 0b1000)
    assert offers.lacking(0) == FULL ^ 0b1000


def test_who_sees_nothing_to_want_is_tempted_with_one_block() -> None:
    offers = offers_to(1)
    (block,) = offers.tempt(1, 0, FULL, Random(1))
    assert offers.tempt(1, 0, FULL, Random(1)) == [], "it sees one now"
    assert offers.lacking(0) == FULL, "it is not reserved"
    assert offers.tempt(1, 1 << block, FULL ^ 1 << block, Random(1)), "it has got that one"
    assert offers_to(1).tempt(1, 0, 0, Random(1)) == [], "nothing is lacking"


def test_who_does_not_tell_what_it_has_is_tempted_all_the_same() -> None:
    offers = offers_to(1)
    send_whole(offers, 1, refill(offers, 1))
    assert offers.tempt(1, 0, offers.lacking(0), Random(1))


def test_revealing_shows_the_rest() -> None:
    offers = offers_to(1, 2)
    seen = refill(offers, 1)
    assert offers.reveal(1) == FULL & ~seen
    assert 1 not in offers.neighbours
    assert 2 in offers.neighbours
    offers.sent(1, 0, SIZE, 0, 0.0)
    offers.received(1, 1, 0.0)
    offers.withdraw(1, 0)
    offers.forget(1)
    assert offers.neighbours == [2]
