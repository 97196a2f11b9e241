"""The bookkeeping of blocks and chunks, flow by flow. Its invariant: `test_block_invariant`."""

from random import Random

import pytest

from minibit import bitfield
from minibit.engine.blocks import (
    ENDGAME_AGE,
    ENDGAME_BATCH,
    MAX_ASKED,
    MAX_OPEN,
    STALL_AGE,
    Arrival,
    Blocks,
)
from minibit.strategies.view import Pick
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire.messages import Request

LAYOUT = Layout(6 * 3 * CHUNK_SIZE - CHUNK_SIZE - 100, 3 * CHUNK_SIZE)  # the last block has two chunks
FULL = bitfield.full(LAYOUT.block_count)


def first(candidates: int) -> Pick:
    """The lowest candidate."""
    lowest = candidates & -candidates
    return Pick(lowest.bit_length() - 1, candidates, lowest, "first")


def chunk_of(request: Request) -> tuple[int, int]:
    return request.index, request.begin // CHUNK_SIZE


def chunks(asked: list[Request]) -> list[tuple[int, int]]:
    return [chunk_of(request) for request in asked]


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


def test_the_last_request_is_as_long_as_what_is_left(book: Blocks) -> None:
    assert book.ask(1, 1 << 5, 9, first, 0.0, exclusive=False) == [
        Request(5, 0, CHUNK_SIZE),
        Request(5, CHUNK_SIZE, CHUNK_SIZE - 100),
    ]


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
    book.release(1)
    assert arrive(book, 1, 0, 0b111) == Arrival(0b111, 0, 0.0, complete=True)


def test_a_rejected_chunk_is_asked_of_another(book: Blocks) -> None:
    take(book, 1)
    assert book.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not book.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not book.rejected(1, Request(5, 0, CHUNK_SIZE))
    assert book.release_blocks(1, 1) == []
    assert take(book, 2, blocks=1) == [(0, 1)]


def test_an_owner_is_not_asked_again_for_what_it_refuses(book: Blocks) -> None:
    take(book, 1, room=1)
    book.rejected(1, Request(0, 0, CHUNK_SIZE))
    assert take(book, 1, blocks=FULL ^ 1) == [(1, 0), (1, 1), (1, 2)]


def test_who_leaves_gives_everything_back(book: Blocks) -> None:
    asked = book.ask(1, FULL, 4, first, 0.0, exclusive=False)
    assert book.release(1) == (asked, [])
    assert book.outstanding(1) == 0
    assert set(chunks(asked)) <= set(take(book, 2, room=6))


# --- endgame


def test_endgame_asks_a_second_neighbour_and_cancels_at_the_loser() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1)
    assert take(book, 2, now=ENDGAME_AGE / 2) == []
    assert take(book, 2, now=ENDGAME_AGE) == [(0, 0), (0, 1), (0, 2)]
    assert arrive(book, 2, 0, 0b011, now=2.0) == Arrival(0b011, 2, 1.0, False, ((1, 0b011),))
    assert arrive(book, 1, 0, 0b100, now=3.0) == Arrival(0b100, 1, 3.0, True, ((2, 0b100),))
    assert [book.outstanding(key) for key in (1, 2)] == [0, 0]


def test_endgame_asks_a_few_neighbours_and_for_a_few_chunks() -> None:
    layout = Layout(64 * CHUNK_SIZE, 64 * CHUNK_SIZE)
    book = Blocks(layout, 0)
    assert len(take(book, 1, room=99)) == 64
    for key in range(2, MAX_ASKED + 1):
        assert len(take(book, key, room=99, now=10.0 * key)) == ENDGAME_BATCH
    assert take(book, 9, room=99, now=999.0) == []


def test_in_endgame_a_chunk_that_one_rejects_is_still_owed_by_the_other() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1)
    take(book, 2, now=ENDGAME_AGE)
    assert book.rejected(1, Request(0, 0, CHUNK_SIZE))
    assert take(book, 3, now=ENDGAME_AGE) == [], "nothing to do, and not late enough to ask again"
    assert book.rejected(2, Request(0, 0, CHUNK_SIZE))
    assert take(book, 3, now=ENDGAME_AGE) == [(0, 0)]


def test_before_the_endgame_only_a_long_wait_is_doubled(book: Blocks) -> None:
    take(book, 1)
    assert chunks(book.ask(2, 1, 3, first, STALL_AGE - 0.1, exclusive=False)) == []
    assert chunks(book.ask(2, 1, 3, first, STALL_AGE, exclusive=False)) == [(0, 0), (0, 1), (0, 2)]


def test_a_neighbour_with_something_else_to_give_doubles_nothing(book: Blocks) -> None:
    take(book, 1)
    assert chunks(book.ask(2, 0b11, 3, first, 50.0, exclusive=False)) == [(1, 0), (1, 1), (1, 2)]


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
        assert book.release(1)[1] == [0]
    elif how == "rejects":
        assert book.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
        assert book.release_blocks(1, 1) == [0]
    else:
        assert book.release_blocks(1, FULL) == [0]
    assert book.outstanding(1) == 0
    assert book.wanted == FULL
    assert take(book, 2, blocks=1) == [(0, 0), (0, 1), (0, 2)]


def test_a_suspect_neighbour_shares_no_block(book: Blocks) -> None:
    take(book, 1, room=1)
    book.release(1)
    assert take(book, 2, exclusive=True, room=3) == [(1, 0), (1, 1), (1, 2)]
    assert arrive(book, 2, 0, 0b111, exclusive=True) == Arrival(), "not even unasked"


def test_a_suspect_neighbour_begins_anew_what_others_left_half_done() -> None:
    book = Blocks(LAYOUT, FULL ^ 0b1)
    take(book, 1, room=1)
    arrive(book, 1, 0, 0b001)
    assert take(book, 2, exclusive=True) == [], "while its owner may go on with it"
    book.release(1)
    assert take(book, 2, exclusive=True) == [(0, 0), (0, 1), (0, 2)]
    arrive(book, 2, 0, 0b111, exclusive=True)
    assert book.verified(0, True).keys() == {b"\2"}


# --- bounds


@pytest.mark.parametrize(
    ("block_size", "most"), [(16 << 10, MAX_OPEN), (1 << 20, 48), (16 << 20, 3), (32 << 20, 2)]
)
def test_how_many_blocks_may_be_open(block_size: int, most: int) -> None:
    layout = Layout(2000 * block_size, block_size)
    book = Blocks(layout, 0)
    asked = book.ask(1, book.full, 10**6, first, 0.0, exclusive=False)
    assert {request.index for request in asked} == set(range(most))
    assert book.ask(2, book.full, 9, first, 0.0, exclusive=False) == []


def test_blocks_that_nobody_supplies_make_room(book: Blocks) -> None:
    book.max_open = 2
    take(book, 1, blocks=0b11, room=6)
    arrive(book, 1, 0, 0b001)
    assert book.make_room(0b100) is None, "they are being supplied"
    book.release(1)
    assert book.make_room(0b110) is None, "this neighbour can go on with one of them"
    assert book.make_room(0b100) == 1, "the one with less to lose"
    assert take(book, 2, blocks=0b100) == [(2, 0), (2, 1), (2, 2)]


def test_same_calls_same_requests() -> None:
    def play(seed: int) -> list[list[Request]]:
        rng = Random(seed)
        book = Blocks(LAYOUT, 0)
        said = []
        for turn in range(200):
            key = rng.randrange(4)
            said.append(book.ask(key, rng.getrandbits(6), rng.randrange(1, 5), first, turn, exclusive=False))
            if said[-1] and rng.random() < 0.3:
                said.append(book.release(key)[0])
        return said

    assert play(1) == play(1) != play(2)
