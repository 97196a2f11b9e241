"""The bookkeeping of blocks and chunks, flow by flow. Its invariant: `test_block_invariant`."""

from random import Random

import pytest

from minibit import bitfield
from minibit.engine import relief
from minibit.engine.blocks import MAX_OPEN, RELIEF_BATCH, Arrival, Asked, Blocks, GivenUp
from minibit.engine.flight import Chunks
from minibit.engine.recalls import PROBE_SECONDS
from minibit.engine.relief import HASTE, LONG, MAX_ASKED, MAX_MOVES, MOVE_AGE, MOVE_TRIPS, STALL_AGE
from minibit.strategies.view import Pick
from minibit.torrent.layout import CHUNK_SIZE, Layout

LAYOUT = Layout(6 * 3 * CHUNK_SIZE - CHUNK_SIZE - 100, 3 * CHUNK_SIZE)  # the last block has two chunks
FULL = bitfield.full(LAYOUT.block_count)


def first(candidates: int) -> Pick:
    """The lowest candidate."""
    lowest = candidates & -candidates
    return Pick(lowest.bit_length() - 1, candidates, lowest, "first")


def chunks(asked: list[Chunks]) -> list[tuple[int, int]]:
    return [(block, chunk) for block, which in asked for chunk in bitfield.indices(which)]


def take(
    book: Blocks, key: int, blocks: int = FULL, room: int = 3, **more: float | bool
) -> list[tuple[int, int]]:
    options = {"now": 0.0, "exclusive": False} | more
    return chunks(book.ask(key, blocks, room, first, options["now"], exclusive=bool(options["exclusive"])))


def arrive(
    book: Blocks, key: int, block: int, which: int, now: float = 0.0, exclusive: bool = False
) -> Arrival:
    return book.arrived(key, bytes([key]), block, which, now, exclusive=exclusive)


@pytest.fixture
def book() -> Blocks:
    return Blocks(LAYOUT, 0)


def test_what_we_have_is_not_asked_for() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b100)
    assert take(book, 1, room=99) == [(2, 0), (2, 1), (2, 2)]


def test_a_block_is_asked_of_one_neighbour_while_others_have_blocks_of_their_own(book: Blocks) -> None:
    assert take(book, 1, room=2) == [(0, 0), (0, 1)]
    assert take(book, 2, room=2) == [(1, 0), (1, 1)]
    assert take(book, 1, room=2) == [(0, 2), (2, 0)]


def test_neighbours_share_a_block_when_nothing_else_is_left() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    assert take(book, 1, room=1) == [(0, 0)]
    assert take(book, 2, room=9) == [(0, 1), (0, 2)]


def test_a_block_arrives_and_is_verified(book: Blocks) -> None:
    take(book, 1)
    assert arrive(book, 1, 0, 0b011, now=0.5) == Arrival(0b011, 2, 0.5)
    assert arrive(book, 1, 0, 0b100, now=2.0) == Arrival(0b100, 1, 2.0, complete=True)
    assert (book.in_flight, book.verifying) == (0, 1)
    assert book.verified(0, True) == {b"\1": 3}
    assert (book.verifying, book.have, book.exclusive) == (0, 1, 0)


def test_what_comes_twice_or_unasked_for_an_unopened_block_is_not_taken(book: Blocks) -> None:
    take(book, 1, room=1)
    assert arrive(book, 1, 0, 0b1).accepted == 0b1
    assert arrive(book, 1, 0, 0b1) == Arrival()
    assert arrive(book, 1, 4, 0b1) == Arrival()


def test_a_request_taken_back_may_be_answered_all_the_same(book: Blocks) -> None:
    take(book, 1)
    book.release(1, book.full)
    assert arrive(book, 1, 0, 0b111) == Arrival(0b111, 0, 0.0, complete=True)


def test_a_rejected_chunk_is_asked_of_another(book: Blocks) -> None:
    take(book, 1)
    assert book.rejected(1, 0, 0b010)
    assert not book.rejected(1, 0, 0b010)
    assert not book.rejected(1, 5, 0b001)
    assert book.release_blocks(1, 1) == []
    assert take(book, 2, blocks=1) == [(0, 1)]


def test_an_owner_is_not_asked_again_for_what_it_refuses(book: Blocks) -> None:
    take(book, 1, room=1)
    book.rejected(1, 0, 0b001)
    assert take(book, 1, blocks=FULL ^ 1) == [(1, 0), (1, 1), (1, 2)]


def test_who_leaves_gives_everything_back(book: Blocks) -> None:
    asked = book.ask(1, FULL, 4, first, 0.0, exclusive=False)
    assert book.release(1, book.full) == (asked, [])
    assert book.debts.outstanding(1) == 0
    assert set(chunks(asked)) <= set(take(book, 2, room=6))


# --- endgame: a supplier is late by its own pace

LONG_BLOCK = Layout(64 * CHUNK_SIZE, 64 * CHUNK_SIZE)
SHORT_BLOCK = Layout(RELIEF_BATCH * CHUNK_SIZE, RELIEF_BATCH * CHUNK_SIZE)


def again(book: Blocks, key: int, now: float, blocks: int = FULL, room: int = 99) -> list[tuple[int, int]]:
    """What this neighbour is asked for that others owe too, none of which is relieved."""
    asked, cancel = book.ask_again(key, blocks, room, now)
    assert not cancel
    return chunks(asked)


def deliver(book: Blocks, key: int, block: int, first_chunk: int, count: int, pace: float) -> None:
    """This neighbour is asked for chunks at time 0 and delivers one every `pace` seconds."""
    assert take(book, key, 1 << block, room=count) == [(block, first_chunk + i) for i in range(count)]
    for number in range(count):
        arrive(book, key, block, 1 << (first_chunk + number), now=(number + 1) * pace)


def test_endgame_asks_a_second_neighbour_and_cancels_at_the_loser() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1)
    assert again(book, 2, MOVE_AGE / 2) == []
    assert again(book, 2, 2.0) == [(0, 0), (0, 1), (0, 2)]
    assert arrive(book, 2, 0, 0b011, now=2.5) == Arrival(0b011, 2, 0.5, False, ((1, 0b011),))
    assert arrive(book, 1, 0, 0b100, now=3.0) == Arrival(0b100, 1, 3.0, True, ((2, 0b100),))
    assert [book.debts.outstanding(key) for key in (1, 2)] == [0, 0]


def test_two_that_are_as_quick_share_what_is_left_and_double_nothing_else() -> None:
    book = Blocks(LONG_BLOCK, 0)
    for key, chunk in ((1, 0), (2, 8)):
        deliver(book, key, 0, chunk, 8, pace=0.5)
    take(book, 1, room=48, now=4.0)
    assert again(book, 2, 4.0) == [(0, chunk) for chunk in range(49, 64)], "a third, which 2 has sooner"
    assert again(book, 2, 4.0) == []
    assert again(book, 2, 4.2) == []


def test_a_quick_neighbour_takes_the_chunks_that_would_come_last() -> None:
    book = Blocks(LONG_BLOCK, 0)
    deliver(book, 1, 0, 0, 4, pace=4.0)
    deliver(book, 2, 0, 4, 4, pace=0.1)
    take(book, 1, room=40, now=16.0)
    taken = again(book, 2, 16.0)
    assert taken == [(0, chunk) for chunk in range(48 - RELIEF_BATCH, 48)]


def test_three_tricklers_that_owe_different_chunks_lock_nobody_out() -> None:
    book = Blocks(LONG_BLOCK, 0)
    for key in range(1, MAX_ASKED + 1):
        assert len(take(book, key, room=4)) == 4
    take(book, 9, room=64 - 4 * MAX_ASKED)
    for chunk in range(4 * MAX_ASKED, 64):
        arrive(book, 9, 0, 1 << chunk, now=0.01 * chunk)
    assert len(book._open[0].asked) == MAX_ASKED
    owed = {(0, chunk) for chunk in range(4 * MAX_ASKED)}
    assert set(again(book, 9, 5.0)) == owed, "by who is quick, and has nothing else to do"


def test_three_mutes_that_owe_the_same_chunk_are_relieved_one_after_the_other() -> None:
    book = Blocks(SHORT_BLOCK, 0)
    everything = bitfield.full(RELIEF_BATCH)
    take(book, 1, room=99)
    for key in range(2, MAX_ASKED + 1):
        assert len(again(book, key, 10.0**key)) == RELIEF_BATCH
    asked, cancel = book.ask_again(9, FULL, 99, 10.0**9)
    assert len(chunks(asked)) == RELIEF_BATCH
    assert cancel == ((1, 0, everything),)
    assert set(book._open[0].asked) == {*range(2, MAX_ASKED + 1), 9}
    assert arrive(book, 1, 0, everything, 10.0**9).accepted == everything, "it may come all the same"


def test_fresh_mutes_are_relieved_before_the_slow_who_deliver() -> None:
    book = Blocks(SHORT_BLOCK, 0)
    deliver(book, 1, 0, 0, 1, pace=60.0)  # slow, but it does deliver
    take(book, 1, room=99, now=60.0)
    for key, now in ((2, 61.0), (3, 900.0)):
        assert again(book, key, now)
    _, cancel = book.ask_again(4, FULL, 99, 9999.0)
    assert cancel
    assert all(other != 1 for other, _, _ in cancel)


def test_who_is_no_quicker_relieves_nobody() -> None:
    book = Blocks(LONG_BLOCK, 0)
    for key in (1, 2):
        deliver(book, key, 0, 4 * key - 4, 4, pace=5.0)
    take(book, 1, room=2, now=20.0)
    assert HASTE * 5.0 >= 2 * 5.0
    assert again(book, 2, 20.0) == []


def test_in_endgame_a_chunk_that_one_rejects_is_still_owed_by_the_other() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1)
    again(book, 2, 2.0)
    assert book.rejected(1, 0, 0b001)
    assert take(book, 3, now=2.0) == [], "nothing to do, and not late enough to ask again"
    assert book.rejected(2, 0, 0b001)
    assert take(book, 3, now=2.0) == [(0, 0)]


def test_before_the_endgame_only_what_comes_very_late_is_doubled(book: Blocks) -> None:
    take(book, 1)
    assert again(book, 2, MOVE_AGE / 2, blocks=1) == []
    assert again(book, 2, STALL_AGE + 0.1, blocks=1) == [(0, 0), (0, 1), (0, 2)]


def test_a_neighbour_with_something_else_to_give_doubles_nothing(book: Blocks) -> None:
    take(book, 1)
    assert again(book, 2, 50.0, blocks=0b11) == []


# --- moves: a free line is not left waiting


def asked_long_ago() -> Blocks:
    """Neighbour 1, a quick one, owes blocks 0 and 1; nothing else is wanted."""
    book = Blocks(LAYOUT, FULL ^ 0b100011)
    deliver(book, 1, 5, 0, 2, pace=0.001)
    take(book, 1, 0b1, room=3)
    take(book, 1, 0b10, room=3, now=0.01)
    return book


def test_an_idle_neighbour_takes_over_what_was_asked_last_and_the_late_chunk_is_welcome() -> None:
    book = asked_long_ago()
    asked, cancel = book.ask_again(2, 0b11, 99, 0.3)
    assert chunks(asked) == [(1, 0), (1, 1), (1, 2)]
    assert cancel == ((1, 1, 0b111),)
    assert [book.debts.outstanding(key) for key in (1, 2)] == [3, 3]
    assert arrive(book, 1, 1, 0b1, now=0.4) == Arrival(0b1, 0, 0.0, False, ((2, 0b1),))


@pytest.mark.parametrize(
    ("reason", "blocks", "room", "now"),
    [
        ("it was asked just now", 0b11, 99, MOVE_AGE - 0.01),
        ("a block is moved whole", 0b11, 2, 0.3),
        ("the other does not hold it", 0b100000, 99, 0.3),
    ],
)
def test_a_block_stays_where_it_is(reason: str, blocks: int, room: int, now: float) -> None:
    assert asked_long_ago().ask_again(2, blocks, room, now) == Asked([]), reason


def test_what_may_be_on_its_way_is_not_moved() -> None:
    book = asked_long_ago()
    book.debts[2].trip = 0.2  # the far one of the two counts
    assert relief.move(book._open, book.debts, 2, 0b11, 99, 0.39) is None
    assert relief.move(book._open, book.debts, 2, 0b11, 99, 0.01 + MOVE_TRIPS * 0.2) == (1, 1)


def test_a_block_of_which_something_is_here_is_not_moved() -> None:
    book = asked_long_ago()
    arrive(book, 1, 1, 0b1, now=0.2)
    ((_, block, _),) = book.ask_again(2, 0b11, 99, 0.5).cancel
    assert block == 0


def test_a_block_is_not_passed_round_for_ever() -> None:
    book = asked_long_ago()
    book._open[0].moves = book._open[1].moves = MAX_MOVES
    assert again(book, 2, 0.3, 0b11) == []


def test_where_what_is_taken_back_comes_all_the_same_nothing_is_moved() -> None:
    book = asked_long_ago()
    for block in range(10, 20):
        book._recalls.recalled(1, block, 0.2)
        book._recalls.came(1, block)
    assert again(book, 2, 0.3, 0b11) == []
    assert again(book, 2, 0.3 + PROBE_SECONDS, 0b11) != [], "but now and then it is tried"


# --- trust


def corrupt(book: Blocks, block: int, *keys: int) -> None:
    """These neighbours supply one chunk each of a block that turns out wrong."""
    for chunk, key in enumerate(keys):
        book.ask(key, 1 << block, 1, first, 0.0, exclusive=False)
        arrive(book, key, block, 1 << chunk)
    assert book.verified(block, False).keys() == {bytes([key]) for key in keys}


def test_a_block_that_one_neighbour_spoiled_is_simply_fetched_again(book: Blocks) -> None:
    corrupt(book, 5, 1, 1)
    assert (book.exclusive, book.wanted) == (0, FULL)


def test_a_block_that_several_may_have_spoiled_is_fetched_from_one_alone(book: Blocks) -> None:
    corrupt(book, 5, 1, 2)
    assert book.exclusive == 1 << 5
    assert take(book, 3, blocks=1 << 5, room=1) == [(5, 0)]
    assert take(book, 4, blocks=1 << 5) == []
    assert take(book, 4, blocks=1 << 5, now=99.0) == [], "not in endgame either"
    assert arrive(book, 4, 5, 0b10) == Arrival(), "nor unasked"
    assert take(book, 3, blocks=1 << 5) == [(5, 1)]
    arrive(book, 3, 5, 0b11)
    assert book.verified(5, True).keys() == {b"\3"}
    assert book.exclusive == 0


@pytest.mark.parametrize("how", ["leaves", "rejects", "chokes"])
def test_an_exclusive_block_whose_owner_stops_is_free_again(book: Blocks, how: str) -> None:
    assert take(book, 1, blocks=1, exclusive=True) == [(0, 0), (0, 1), (0, 2)]
    arrive(book, 1, 0, 0b001)
    if how == "leaves":
        assert book.release(1, book.full)[1] == [0]
    elif how == "rejects":
        assert book.rejected(1, 0, 0b010)
        assert book.release_blocks(1, 1) == [0]
    else:
        assert book.release_blocks(1, FULL) == [0]
    assert book.debts.outstanding(1) == 0
    assert book.wanted == FULL
    assert take(book, 2, blocks=1) == [(0, 0), (0, 1), (0, 2)]


def test_a_suspect_neighbour_shares_no_block(book: Blocks) -> None:
    take(book, 1, room=1)
    book.release(1, book.full)
    assert take(book, 2, exclusive=True, room=3) == [(1, 0), (1, 1), (1, 2)]
    assert arrive(book, 2, 0, 0b111, exclusive=True) == Arrival(), "not even unasked"


def test_a_suspect_neighbour_begins_anew_what_others_left_half_done() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1, room=1)
    arrive(book, 1, 0, 0b001)
    assert take(book, 2, exclusive=True) == [], "while its owner may go on with it"
    book.release(1, book.full)
    assert take(book, 2, exclusive=True) == [(0, 0), (0, 1), (0, 2)]
    arrive(book, 2, 0, 0b111, exclusive=True)
    assert book.verified(0, True).keys() == {b"\2"}


# --- bounds


@pytest.mark.parametrize(
    ("block_size", "most"), [(16 << 10, MAX_OPEN), (1 << 20, 40), (16 << 20, 3), (32 << 20, 2)]
)
def test_how_many_blocks_may_be_open(block_size: int, most: int) -> None:
    layout = Layout(2000 * block_size, block_size)
    book = Blocks(layout, 0)
    asked = book.ask(1, book.full, 10**6, first, 0.0, exclusive=False)
    assert [block for block, _ in asked] == list(range(most))
    assert book.ask(2, book.full, 9, first, 0.0, exclusive=False) == []


def test_blocks_that_nobody_supplies_make_room(book: Blocks) -> None:
    book.max_open = 2
    take(book, 1, blocks=0b11, room=6)
    arrive(book, 1, 0, 0b001)
    assert book.make_room(2, 0b100, 0.0) is None, "they are being supplied"
    book.release(1, book.full)
    assert book.make_room(2, 0b110, 0.0) is None, "this neighbour can go on with one of them"
    assert book.make_room(2, 0b100, 0.0) == GivenUp(1), "the one with less to lose"
    assert take(book, 2, blocks=0b100) == [(2, 0), (2, 1), (2, 2)]


# --- room for the quick, where memory is short

LARGE = Layout(12 * 64 * CHUNK_SIZE, 64 * CHUNK_SIZE)


def crawling(pace: float, come: int) -> Blocks:
    """Two places, taken by neighbours 1 and 2, who have delivered `come` chunks of a block each at `pace`."""
    book = Blocks(LARGE, 0)
    book.max_open = 2
    for key in (1, 2):
        take(book, key, blocks=1 << key - 1, room=4)
        for chunk in range(come):
            arrive(book, key, key - 1, 1 << chunk, now=(chunk + 1) * pace)
            take(book, key, blocks=1 << key - 1, room=1, now=(chunk + 1) * pace)
    return book


def test_sole_holders_that_crawl_do_not_lock_out_who_has_the_rest() -> None:
    book = crawling(pace=2.0, come=6)
    assert book.make_room(3, 0b11100, 12.0) == GivenUp(1, ((2, 0b1111000000),))
    assert book.debts.outstanding(2) == 0
    assert take(book, 3, blocks=0b11100, room=1, now=12.0) == [(2, 0)]
    assert (book.in_flight | book.verifying).bit_count() == book.max_open, "the bound on memory holds"


def test_who_owes_us_something_waits_for_a_place_of_its_own(book: Blocks) -> None:
    book = crawling(pace=2.0, come=6)
    book.make_room(3, 0b11100, 12.0)
    take(book, 3, blocks=0b11100, room=1, now=12.0)
    assert book.make_room(3, 0b11000, 12.0) is None


def test_a_block_that_took_longer_than_it_will_take_keeps_its_place() -> None:
    book = crawling(pace=2.0, come=40)
    assert book.make_room(3, 0b00100, 80.0) is None
    assert book.make_room(3, book.wanted, 80.0) is not None, "unless more is waiting than is lost"


def test_a_block_that_soon_is_here_keeps_its_place() -> None:
    book = crawling(pace=LONG / 64, come=2)
    assert book.make_room(3, 0b11100, 0.4) is None


def test_who_is_as_slow_takes_nobodys_place() -> None:
    book = crawling(pace=2.0, come=6)
    deliver_slowly = book.debts[3]
    deliver_slowly.paid, deliver_slowly.busy = 6.0, 12.0
    assert book.make_room(3, 0b11100, 12.0) is None


def test_a_block_that_lost_its_place_before_is_safe_with_less() -> None:
    """Whoever comes and goes, the slow one finishes in the end."""
    book = crawling(pace=2.0, come=12)
    book._losses = {0: 4, 1: 4}
    assert book.make_room(3, 0b00100, 24.0) is None
    book._losses = {0: 4}
    assert book.make_room(3, 0b00100, 24.0) == GivenUp(1, ((2, 0b1111 << 12),))


def test_same_calls_same_chunks() -> None:
    def play(seed: int) -> list[list[Chunks]]:
        rng = Random(seed)
        book = Blocks(LAYOUT, 0)
        said = []
        for turn in range(200):
            key = rng.randrange(4)
            said.append(book.ask(key, rng.getrandbits(6), rng.randrange(1, 5), first, turn, exclusive=False))
            if said[-1] and rng.random() < 0.3:
                said.append(book.release(key, book.full)[0])
        return said

    assert play(1) == play(1) != play(2)
