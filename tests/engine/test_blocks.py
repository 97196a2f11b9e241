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
    requests: Blocks, key: int, blocks: int = FULL, room: int = 3, **more: float | bool
) -> list[tuple[int, int]]:
    options = {"now": 0.0, "alone": False} | more
    return chunks(requests.ask(key, blocks, room, first, options["now"], alone=bool(options["alone"])))


def arrive(
    requests: Blocks, key: int, block: int, which: int, now: float = 0.0, alone: bool = False
) -> Arrival:
    return requests.arrived(key, bytes([key]), block, which, now, alone=alone)


@pytest.fixture
def requests() -> Blocks:
    return Blocks(LAYOUT, 0)


def test_the_last_request_is_as_long_as_what_is_left(requests: Blocks) -> None:
    assert requests.ask(1, 1 << 5, 9, first, 0.0, alone=False) == [
        Request(5, 0, CHUNK_SIZE),
        Request(5, CHUNK_SIZE, CHUNK_SIZE - 100),
    ]


def test_what_we_have_is_not_asked_for() -> None:
    requests = Blocks(LAYOUT, FULL ^ 0b100)
    assert take(requests, 1, room=99) == [(2, 0), (2, 1), (2, 2)]


def test_a_block_is_asked_of_one_neighbour_while_others_have_blocks_of_their_own(requests: Blocks) -> None:
    assert take(requests, 1, room=2) == [(0, 0), (0, 1)]
    assert take(requests, 2, room=2) == [(1, 0), (1, 1)]
    assert take(requests, 1, room=2) == [(0, 2), (2, 0)]


def test_neighbours_share_a_block_when_nothing_else_is_left() -> None:
    requests = Blocks(LAYOUT, FULL ^ 0b1)
    assert take(requests, 1, room=1) == [(0, 0)]
    assert take(requests, 2, room=9) == [(0, 1), (0, 2)]


def test_a_block_arrives_and_is_verified(requests: Blocks) -> None:
    take(requests, 1)
    assert arrive(requests, 1, 0, 0b011, now=0.5) == Arrival(0b011, 2, 0.5)
    assert arrive(requests, 1, 0, 0b100, now=2.0) == Arrival(0b100, 1, 2.0, complete=True)
    assert (requests.in_flight, requests.verifying) == (0, 1)
    assert requests.verified(0, True) == {b"\1"}
    assert (requests.verifying, requests.have, requests.suspect) == (0, 1, 0)


def test_what_comes_twice_or_unasked_for_an_unopened_block_is_not_taken(requests: Blocks) -> None:
    take(requests, 1, room=1)
    assert arrive(requests, 1, 0, 0b1).accepted == 0b1
    assert arrive(requests, 1, 0, 0b1) == Arrival()
    assert arrive(requests, 1, 4, 0b1) == Arrival()


def test_a_request_taken_back_may_be_answered_all_the_same(requests: Blocks) -> None:
    take(requests, 1)
    requests.release(1)
    assert arrive(requests, 1, 0, 0b111) == Arrival(0b111, 0, 0.0, complete=True)


def test_a_rejected_chunk_is_asked_of_another(requests: Blocks) -> None:
    take(requests, 1)
    assert requests.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not requests.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not requests.rejected(1, Request(5, 0, CHUNK_SIZE))
    assert requests.disown(1, 1) == []
    assert take(requests, 2, blocks=1) == [(0, 1)]


def test_an_owner_is_not_asked_again_for_what_it_refuses(requests: Blocks) -> None:
    take(requests, 1, room=1)
    requests.rejected(1, Request(0, 0, CHUNK_SIZE))
    assert take(requests, 1, blocks=FULL ^ 1) == [(1, 0), (1, 1), (1, 2)]


def test_who_leaves_gives_everything_back(requests: Blocks) -> None:
    asked = requests.ask(1, FULL, 4, first, 0.0, alone=False)
    assert requests.release(1) == (asked, [])
    assert requests.outstanding(1) == 0
    assert set(chunks(asked)) <= set(take(requests, 2, room=6))


# --- endgame


def test_endgame_asks_a_second_neighbour_and_cancels_at_the_loser() -> None:
    requests = Blocks(LAYOUT, FULL ^ 0b1)
    take(requests, 1)
    assert take(requests, 2, now=ENDGAME_AGE / 2) == []
    assert take(requests, 2, now=ENDGAME_AGE) == [(0, 0), (0, 1), (0, 2)]
    assert arrive(requests, 2, 0, 0b011, now=2.0) == Arrival(0b011, 2, 1.0, False, ((1, 0b011),))
    assert arrive(requests, 1, 0, 0b100, now=3.0) == Arrival(0b100, 1, 3.0, True, ((2, 0b100),))
    assert [requests.outstanding(key) for key in (1, 2)] == [0, 0]


def test_endgame_asks_a_few_neighbours_and_for_a_few_chunks() -> None:
    layout = Layout(64 * CHUNK_SIZE, 64 * CHUNK_SIZE)
    requests = Blocks(layout, 0)
    assert len(take(requests, 1, room=99)) == 64
    for key in range(2, MAX_ASKED + 1):
        assert len(take(requests, key, room=99, now=10.0 * key)) == ENDGAME_BATCH
    assert take(requests, 9, room=99, now=999.0) == []


def test_in_endgame_a_chunk_that_one_rejects_is_still_owed_by_the_other() -> None:
    requests = Blocks(LAYOUT, FULL ^ 0b1)
    take(requests, 1)
    take(requests, 2, now=ENDGAME_AGE)
    assert requests.rejected(1, Request(0, 0, CHUNK_SIZE))
    assert take(requests, 3, now=ENDGAME_AGE) == [], "nothing to do, and not late enough to ask again"
    assert requests.rejected(2, Request(0, 0, CHUNK_SIZE))
    assert take(requests, 3, now=ENDGAME_AGE) == [(0, 0)]


def test_before_the_endgame_only_a_long_wait_is_doubled(requests: Blocks) -> None:
    take(requests, 1)
    assert chunks(requests.ask(2, 1, 3, first, STALL_AGE - 0.1, alone=False)) == []
    assert chunks(requests.ask(2, 1, 3, first, STALL_AGE, alone=False)) == [(0, 0), (0, 1), (0, 2)]


def test_a_neighbour_with_something_else_to_give_doubles_nothing(requests: Blocks) -> None:
    take(requests, 1)
    assert chunks(requests.ask(2, 0b11, 3, first, 50.0, alone=False)) == [(1, 0), (1, 1), (1, 2)]


# --- trust


def corrupt(requests: Blocks, block: int, *keys: int) -> None:
    """These neighbours supply one chunk each of a block that turns out wrong."""
    for chunk, key in enumerate(keys):
        requests.ask(key, 1 << block, 1, first, 0.0, alone=False)
        arrive(requests, key, block, 1 << chunk)
    assert requests.verified(block, False) == {bytes([key]) for key in keys}


def test_a_block_that_one_neighbour_spoiled_is_simply_fetched_again(requests: Blocks) -> None:
    corrupt(requests, 5, 1, 1)
    assert (requests.suspect, requests.wanted) == (0, FULL)


def test_a_block_that_several_may_have_spoiled_is_fetched_from_one_alone(requests: Blocks) -> None:
    corrupt(requests, 5, 1, 2)
    assert requests.suspect == 1 << 5
    assert take(requests, 3, blocks=1 << 5, room=1) == [(5, 0)]
    assert take(requests, 4, blocks=1 << 5) == []
    assert take(requests, 4, blocks=1 << 5, now=99.0) == [], "not in endgame either"
    assert arrive(requests, 4, 5, 0b10) == Arrival(), "nor unasked"
    assert take(requests, 3, blocks=1 << 5) == [(5, 1)]
    arrive(requests, 3, 5, 0b11)
    assert requests.verified(5, True) == {b"\3"}
    assert requests.suspect == 0


@pytest.mark.parametrize("how", ["leaves", "rejects", "chokes"])
def test_an_exclusive_block_whose_owner_stops_is_free_again(requests: Blocks, how: str) -> None:
    assert take(requests, 1, blocks=1, alone=True) == [(0, 0), (0, 1), (0, 2)]
    arrive(requests, 1, 0, 0b001)
    if how == "leaves":
        assert requests.release(1)[1] == [0]
    elif how == "rejects":
        assert requests.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
        assert requests.disown(1, 1) == [0]
    else:
        assert requests.disown(1, FULL) == [0]
    assert requests.outstanding(1) == 0
    assert requests.wanted == FULL
    assert take(requests, 2, blocks=1) == [(0, 0), (0, 1), (0, 2)]


def test_on_parole_a_neighbour_shares_no_block(requests: Blocks) -> None:
    take(requests, 1, room=1)
    requests.release(1)
    assert take(requests, 2, alone=True, room=3) == [(1, 0), (1, 1), (1, 2)]
    assert arrive(requests, 2, 0, 0b111, alone=True) == Arrival(), "not even unasked"


def test_on_parole_a_neighbour_begins_anew_what_others_left_half_done() -> None:
    requests = Blocks(LAYOUT, FULL ^ 0b1)
    take(requests, 1, room=1)
    arrive(requests, 1, 0, 0b001)
    assert take(requests, 2, alone=True) == [], "while its owner may go on with it"
    requests.release(1)
    assert take(requests, 2, alone=True) == [(0, 0), (0, 1), (0, 2)]
    arrive(requests, 2, 0, 0b111, alone=True)
    assert requests.verified(0, True) == {b"\2"}


# --- bounds


@pytest.mark.parametrize(
    ("block_size", "most"), [(16 << 10, MAX_OPEN), (1 << 20, 48), (16 << 20, 3), (32 << 20, 2)]
)
def test_how_many_blocks_may_be_open(block_size: int, most: int) -> None:
    layout = Layout(2000 * block_size, block_size)
    requests = Blocks(layout, 0)
    asked = requests.ask(1, requests.full, 10**6, first, 0.0, alone=False)
    assert {request.index for request in asked} == set(range(most))
    assert requests.ask(2, requests.full, 9, first, 0.0, alone=False) == []


def test_blocks_that_nobody_supplies_make_room(requests: Blocks) -> None:
    requests.max_open = 2
    take(requests, 1, blocks=0b11, room=6)
    arrive(requests, 1, 0, 0b001)
    assert requests.make_room(0b100) is None, "they are being supplied"
    requests.release(1)
    assert requests.make_room(0b110) is None, "this neighbour can go on with one of them"
    assert requests.make_room(0b100) == 1, "the one with less to lose"
    assert take(requests, 2, blocks=0b100) == [(2, 0), (2, 1), (2, 2)]


def test_same_calls_same_requests() -> None:
    def play(seed: int) -> list[list[Request]]:
        rng = Random(seed)
        requests = Blocks(LAYOUT, 0)
        said = []
        for turn in range(200):
            key = rng.randrange(4)
            said.append(requests.ask(key, rng.getrandbits(6), rng.randrange(1, 5), first, turn, alone=False))
            if said[-1] and rng.random() < 0.3:
                said.append(requests.release(key)[0])
        return said

    assert play(1) == play(1) != play(2)
