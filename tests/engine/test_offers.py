"""What an origin shows to whom. What comes of it in a swarm: `test_engine_swarm`."""

from random import Random

import pytest

from minibit import bitfield
from minibit.engine.offers import FAST, FIRST_DEPTH, MAX_DEPTH_BYTES, Offers
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


def refill(offers: Offers, key: int, holds: int = 0, swarm: int = 0, now: float = 0.0) -> int:
    """What this neighbour is shown anew, as a bitfield."""
    return bitfield.from_indices(offers.refill(key, holds, swarm, now, Random(1)), COUNT)


def send_whole(offers: Offers, key: int, blocks: int) -> None:
    for block in bitfield.indices(blocks):
        offers.sent(key, block, LAYOUT.block_length(block))


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
    offers.sent(1, block, SIZE - 16384)
    assert refill(offers, 1) == 0, "half a block is not sent"
    offers.sent(1, block, 16384)
    assert refill(offers, 1, now=9.0).bit_count() == 1


def test_who_is_quick_is_offered_twice_as_many() -> None:
    offers = Offers(Layout(200 * SIZE, SIZE))
    offers.greet(1)
    now, sizes = 0.0, []
    for wait in (FAST / 2, FAST / 2, FAST / 2, 2 * FAST, FAST / 2):
        shown = offers.refill(1, 0, 0, now, Random(1))
        sizes.append(len(shown))
        for block in shown:
            offers.sent(1, block, SIZE)
        now += wait
    assert sizes == [2, 4, 8, 16, 16]


@pytest.mark.parametrize("block_size", [16 << 10, 1 << 20, 16 << 20])
def test_an_offer_is_bounded(block_size: int) -> None:
    offers = Offers(Layout(10_000 * block_size, block_size))
    offers.greet(1)
    sizes = []
    for turn in range(14):
        shown = offers.refill(1, 0, 0, turn * FAST / 2, Random(1))
        sizes.append(len(shown))
        for block in shown:
            offers.sent(1, block, block_size)
    assert max(sizes) == sizes[-1] == max(FIRST_DEPTH, MAX_DEPTH_BYTES // block_size)


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
    offers.withdraw(1)
    assert refill(offers, 2, swarm=nearly) == 0b11
    offers.withdraw(2)
    assert refill(offers, 1, swarm=nearly) == 0, "it sees them already: there is nothing to tell it"
    assert offers.lacking(nearly) == 0


def test_what_a_neighbour_got_elsewhere_is_no_longer_reserved_for_it() -> None:
    offers = offers_to(1)
    shown = refill(offers, 1)
    offers.received(1, shown)
    assert refill(offers, 1, holds=shown, swarm=shown).bit_count() >= FIRST_DEPTH


def test_a_grant_is_shown_once() -> None:
    offers = offers_to(1)
    assert offers.grant(1, 0b1100) == 0b1100
    assert offers.grant(1, 0b0110) == 0b0010
    assert offers.grant(9, 0b1) == 0
    assert offers.lacking(0) == FULL, "granted is not sent"


def test_who_sees_nothing_to_want_is_tempted_with_one_block() -> None:
    offers = offers_to(1)
    block = offers.tempt(1, 0, 0, Random(1))
    assert block is not None
    assert offers.tempt(1, 0, 0, Random(1)) is None, "it sees one now"
    assert offers.lacking(0) == FULL, "it is not reserved"
    assert offers.tempt(1, 1 << block, 1 << block, Random(1)) is not None, "it has got that one"
    assert offers_to(1).tempt(1, 0, FULL, Random(1)) is None, "nothing is lacking"


def test_who_does_not_tell_what_it_has_is_tempted_all_the_same() -> None:
    offers = offers_to(1)
    send_whole(offers, 1, refill(offers, 1))
    assert offers.tempt(1, 0, 0, Random(1)) is not None


def test_revealing_shows_the_rest() -> None:
    offers = offers_to(1, 2)
    seen = refill(offers, 1) | offers.grant(1, 0b111 << 10)
    assert offers.reveal(1) == FULL & ~seen
    assert 1 not in offers.neighbours
    assert 2 in offers.neighbours
    offers.sent(1, 0, SIZE)
    offers.received(1, 1)
    offers.withdraw(1)
    offers.forget(1)
    assert offers.neighbours == [2]
