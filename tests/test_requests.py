"""The bookkeeping of blocks and chunks: its invariant under whatever neighbours do, then flow by flow."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minibit import bitfield
from minibit.messages import Request
from minibit.metainfo import CHUNK_SIZE, Layout
from minibit.requests import ENDGAME_AGE, ENDGAME_BATCH, MAX_ASKED, MAX_OPEN, Arrival, Requests
from minibit.strategies.view import Pick

LAYOUT = Layout(6 * 3 * CHUNK_SIZE - CHUNK_SIZE - 100, 3 * CHUNK_SIZE)  # the last block has two chunks
FULL = bitfield.full(LAYOUT.block_count)
KEYS = st.integers(1, 4)
BLOCKS = st.integers(0, FULL)
BLOCK = st.integers(0, LAYOUT.block_count - 1)


def first(candidates: int) -> Pick:
    """The lowest candidate."""
    lowest = candidates & -candidates
    return Pick(lowest.bit_length() - 1, candidates, lowest, "first")


def last(candidates: int) -> Pick:
    """The highest candidate."""
    return Pick(candidates.bit_length() - 1, candidates, candidates, "last")


def never(candidates: int) -> None:
    """No candidate."""


def chunk_of(request: Request) -> tuple[int, int]:
    return request.index, request.begin // CHUNK_SIZE


class Ledger(RuleBasedStateMachine):
    """Neighbours are asked, deliver, reject, stray and leave; beside it, a plain ledger of who owes what."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests(LAYOUT, 0)
        self.owed: dict[int, set[tuple[int, int]]] = {key: set() for key in range(1, 5)}
        self.now = 0.0

    @initialize(have=st.sampled_from([0, 0b111100, FULL ^ 1]), max_open=st.integers(2, 6))
    def begin(self, have: int, max_open: int) -> None:
        """With much to do, or hardly anything, so that endgame comes soon."""
        self.requests = Requests(LAYOUT, have)
        self.requests.max_open = max_open

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=KEYS, blocks=BLOCKS, room=st.integers(1, 9), pick=st.sampled_from([first, last, never]))
    def ask(self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None]) -> None:
        self.asks(key, blocks, room, pick, alone=False)

    @rule(key=KEYS, blocks=BLOCKS, room=st.integers(1, 9), pick=st.sampled_from([first, last, never]))
    def ask_alone(self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None]) -> None:
        self.asks(key, blocks, room, pick, alone=True)

    def asks(
        self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None], *, alone: bool
    ) -> None:
        asked = self.requests.ask(key, blocks, room, pick, self.now, alone=alone)
        chunks = {chunk_of(request) for request in asked}
        assert len(chunks) == len(asked) <= room
        assert all(blocks >> block & 1 for block, _ in chunks), "asked for what it cannot give"
        assert not chunks & self.owed[key], "asked twice"
        self.owed[key] |= chunks

    @rule(key=KEYS, block=BLOCK, chunks=st.integers(1, 7), alone=st.booleans())
    def arrive(self, key: int, block: int, chunks: int, alone: bool) -> None:
        """Any chunks of a block come, asked for or not."""
        chunks &= bitfield.full(LAYOUT.chunk_count(block))
        come = {(block, chunk) for chunk in bitfield.indices(chunks)}
        arrival = self.requests.arrived(key, bytes([key]), block, chunks, self.now, alone=alone)
        accepted = {(block, chunk) for chunk in bitfield.indices(arrival.accepted)}
        assert accepted <= come
        assert come & self.owed[key] <= accepted, "what we asked for and still wanted is taken"
        assert arrival.owed == len(come & self.owed[key])
        if alone:
            assert accepted <= self.owed[key], "on parole, nothing is taken unasked"
        self.owed[key] -= come
        cancelled = {
            (other, (block, chunk)) for other, which in arrival.cancel for chunk in bitfield.indices(which)
        }
        assert cancelled == {
            (other, chunk) for other, theirs in self.owed.items() for chunk in theirs & accepted
        }
        for other, chunk in cancelled:
            self.owed[other].remove(chunk)
        assert arrival.complete == bool(arrival.accepted and self.requests.verifying >> block & 1)

    @precondition(lambda self: any(self.owed.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Somebody delivers what it owes: the usual case, which chance alone would rarely try."""
        key = data.draw(st.sampled_from([key for key, theirs in self.owed.items() if theirs]))
        block = data.draw(st.sampled_from(sorted({block for block, _ in self.owed[key]})))
        self.arrive(key, block, sum(1 << chunk for b, chunk in self.owed[key] if b == block), False)

    @rule(key=KEYS, block=BLOCK, chunk=st.integers(0, 2), odd=st.sampled_from([0, 0, 0, 1]))
    def reject(self, key: int, block: int, chunk: int, odd: int) -> None:
        request = Request(block, chunk * CHUNK_SIZE + odd, CHUNK_SIZE)
        owed = not odd and (block, chunk) in self.owed[key]
        assert self.requests.rejected(key, request) == owed
        if owed:
            self.owed[key].remove((block, chunk))
            self.disowns(key, 1 << block)

    @rule(key=KEYS, blocks=BLOCKS)
    def disowns(self, key: int, blocks: int) -> None:
        for block in self.requests.disown(key, blocks):
            assert blocks >> block & 1
            self.owed[key] = {owed for owed in self.owed[key] if owed[0] != block}

    @rule(key=KEYS)
    def release(self, key: int) -> None:
        requests, abandoned = self.requests.release(key)
        assert {chunk_of(request) for request in requests} == self.owed[key]
        assert not any(self.requests.in_flight >> block & 1 for block in abandoned)
        self.owed[key] = set()

    @rule(blocks=BLOCKS)
    def make_room(self, blocks: int) -> None:
        before = self.requests.in_flight
        block = self.requests.make_room(blocks)
        assert before ^ self.requests.in_flight == (0 if block is None else 1 << block)
        assert block is None or not blocks >> block & 1

    @precondition(lambda self: self.requests.verifying)
    @rule(data=st.data(), ok=st.booleans())
    def verified(self, data: st.DataObject, ok: bool) -> None:
        block = data.draw(st.sampled_from(list(bitfield.indices(self.requests.verifying))))
        senders = self.requests.verified(block, ok)
        assert senders
        assert senders <= {bytes([key]) for key in range(5)}
        assert self.requests.have >> block & 1 == ok
        if not ok and len(senders) > 1:
            assert self.requests.suspect >> block & 1

    @invariant()
    def a_block_is_exactly_one_of_four(self) -> None:
        r = self.requests
        sets = (r.wanted, r.in_flight, r.verifying, r.have)
        assert sum(blocks.bit_count() for blocks in sets) == LAYOUT.block_count
        assert sets[0] | sets[1] | sets[2] | sets[3] == FULL
        assert (r.in_flight | r.verifying).bit_count() <= r.max_open
        assert set(bitfield.indices(r.in_flight)) == set(r._open)
        assert set(bitfield.indices(r.verifying)) == set(r._senders)

    @invariant()
    def a_chunk_is_exactly_one_of_three(self) -> None:
        for block, opened in self.requests._open.items():
            asked = 0
            for theirs in opened.asked.values():
                assert theirs, "an empty debt"
                asked |= theirs
            assert opened.todo | asked | opened.here == bitfield.full(LAYOUT.chunk_count(block))
            assert not opened.todo & asked
            assert not opened.here & (opened.todo | asked)
            assert opened.todo or asked, "a block with all its chunks is no longer open"
            assert len(opened.asked) <= MAX_ASKED + 1
        spare = {block for block, opened in self.requests._open.items() if opened.todo}
        assert spare == set(self.requests._spare)

    @invariant()
    def what_is_asked_is_what_is_owed(self) -> None:
        for key, theirs in self.owed.items():
            asked = {
                (block, chunk)
                for block, opened in self.requests._open.items()
                for chunk in bitfield.indices(opened.asked.get(key, 0))
            }
            assert asked == theirs
            assert self.requests.outstanding(key) == len(theirs)

    @invariant()
    def what_is_exclusive_is_its_owners(self) -> None:
        for opened in self.requests._open.values():
            if opened.exclusive:
                assert opened.owner is not None, "nobody could ever go on with it"
                assert set(opened.asked) <= {opened.owner}
                assert opened.senders <= {bytes([opened.owner])}

    def teardown(self) -> None:
        """Whatever happened: when the others let go, one neighbour that holds all can finish it alone."""
        for key in self.owed:
            self.release(key)
        for block in bitfield.indices(self.requests.verifying):
            self.requests.verified(block, False)
        for _ in range(3 * LAYOUT.block_count):
            for block, chunk in sorted(self.owed[1]):
                self.arrive(1, block, 1 << chunk, True)
            for block in bitfield.indices(self.requests.verifying):
                assert len(self.requests.verified(block, True)) >= 1
            self.asks(1, FULL, 5, first, alone=True)
        assert self.requests.complete


TestLedger = Ledger.TestCase


# --- flow by flow


def chunks(asked: list[Request]) -> list[tuple[int, int]]:
    return [chunk_of(request) for request in asked]


def take(
    requests: Requests, key: int, blocks: int = FULL, room: int = 3, **more: float | bool
) -> list[tuple[int, int]]:
    options = {"now": 0.0, "alone": False} | more
    return chunks(requests.ask(key, blocks, room, first, options["now"], alone=bool(options["alone"])))


def arrive(
    requests: Requests, key: int, block: int, which: int, now: float = 0.0, alone: bool = False
) -> Arrival:
    return requests.arrived(key, bytes([key]), block, which, now, alone=alone)


@pytest.fixture
def requests() -> Requests:
    return Requests(LAYOUT, 0)


def test_the_last_request_is_as_long_as_what_is_left(requests: Requests) -> None:
    assert requests.ask(1, 1 << 5, 9, first, 0.0, alone=False) == [
        Request(5, 0, CHUNK_SIZE),
        Request(5, CHUNK_SIZE, CHUNK_SIZE - 100),
    ]


def test_what_we_have_is_not_asked_for() -> None:
    requests = Requests(LAYOUT, FULL ^ 0b100)
    assert take(requests, 1, room=99) == [(2, 0), (2, 1), (2, 2)]


def test_a_block_is_asked_of_one_neighbour_while_others_have_blocks_of_their_own(requests: Requests) -> None:
    assert take(requests, 1, room=2) == [(0, 0), (0, 1)]
    assert take(requests, 2, room=2) == [(1, 0), (1, 1)]
    assert take(requests, 1, room=2) == [(0, 2), (2, 0)]


def test_neighbours_share_a_block_when_nothing_else_is_left() -> None:
    requests = Requests(LAYOUT, FULL ^ 0b1)
    assert take(requests, 1, room=1) == [(0, 0)]
    assert take(requests, 2, room=9) == [(0, 1), (0, 2)]


def test_a_block_arrives_and_is_verified(requests: Requests) -> None:
    take(requests, 1)
    assert arrive(requests, 1, 0, 0b011, now=0.5) == Arrival(0b011, 2, 0.5)
    assert arrive(requests, 1, 0, 0b100, now=2.0) == Arrival(0b100, 1, 2.0, complete=True)
    assert (requests.in_flight, requests.verifying) == (0, 1)
    assert requests.verified(0, True) == {b"\1"}
    assert (requests.verifying, requests.have, requests.suspect) == (0, 1, 0)


def test_what_comes_twice_or_unasked_for_an_unopened_block_is_not_taken(requests: Requests) -> None:
    take(requests, 1, room=1)
    assert arrive(requests, 1, 0, 0b1).accepted == 0b1
    assert arrive(requests, 1, 0, 0b1) == Arrival()
    assert arrive(requests, 1, 4, 0b1) == Arrival()


def test_a_request_taken_back_may_be_answered_all_the_same(requests: Requests) -> None:
    take(requests, 1)
    requests.release(1)
    assert arrive(requests, 1, 0, 0b111) == Arrival(0b111, 0, 0.0, complete=True)


def test_a_rejected_chunk_is_asked_of_another(requests: Requests) -> None:
    take(requests, 1)
    assert requests.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not requests.rejected(1, Request(0, CHUNK_SIZE, CHUNK_SIZE))
    assert not requests.rejected(1, Request(5, 0, CHUNK_SIZE))
    assert requests.disown(1, 1) == []
    assert take(requests, 2, blocks=1) == [(0, 1)]


def test_an_owner_is_not_asked_again_for_what_it_refuses(requests: Requests) -> None:
    take(requests, 1, room=1)
    requests.rejected(1, Request(0, 0, CHUNK_SIZE))
    assert take(requests, 1, blocks=FULL ^ 1) == [(1, 0), (1, 1), (1, 2)]


def test_who_leaves_gives_everything_back(requests: Requests) -> None:
    asked = requests.ask(1, FULL, 4, first, 0.0, alone=False)
    assert requests.release(1) == (asked, [])
    assert requests.outstanding(1) == 0
    assert set(chunks(asked)) <= set(take(requests, 2, room=6))


# --- endgame


def test_endgame_asks_a_second_neighbour_and_cancels_at_the_loser() -> None:
    requests = Requests(LAYOUT, FULL ^ 0b1)
    take(requests, 1)
    assert take(requests, 2, now=ENDGAME_AGE / 2) == []
    assert take(requests, 2, now=ENDGAME_AGE) == [(0, 0), (0, 1), (0, 2)]
    assert arrive(requests, 2, 0, 0b011, now=2.0) == Arrival(0b011, 2, 1.0, False, ((1, 0b011),))
    assert arrive(requests, 1, 0, 0b100, now=3.0) == Arrival(0b100, 1, 3.0, True, ((2, 0b100),))
    assert [requests.outstanding(key) for key in (1, 2)] == [0, 0]


def test_endgame_asks_a_few_neighbours_and_for_a_few_chunks() -> None:
    layout = Layout(64 * CHUNK_SIZE, 64 * CHUNK_SIZE)
    requests = Requests(layout, 0)
    assert len(take(requests, 1, room=99)) == 64
    for key in range(2, MAX_ASKED + 1):
        assert len(take(requests, key, room=99, now=10.0 * key)) == ENDGAME_BATCH
    assert take(requests, 9, room=99, now=999.0) == []


def test_endgame_waits_until_nothing_else_is_wanted(requests: Requests) -> None:
    take(requests, 1)
    assert chunks(requests.ask(2, 1, 3, first, 50.0, alone=False)) == []


# --- trust


def corrupt(requests: Requests, block: int, *keys: int) -> None:
    """These neighbours supply one chunk each of a block that turns out wrong."""
    for chunk, key in enumerate(keys):
        requests.ask(key, 1 << block, 1, first, 0.0, alone=False)
        arrive(requests, key, block, 1 << chunk)
    assert requests.verified(block, False) == {bytes([key]) for key in keys}


def test_a_block_that_one_neighbour_spoiled_is_simply_fetched_again(requests: Requests) -> None:
    corrupt(requests, 5, 1, 1)
    assert (requests.suspect, requests.wanted) == (0, FULL)


def test_a_block_that_several_may_have_spoiled_is_fetched_from_one_alone(requests: Requests) -> None:
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
def test_an_exclusive_block_whose_owner_stops_is_free_again(requests: Requests, how: str) -> None:
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


def test_on_parole_a_neighbour_shares_no_block(requests: Requests) -> None:
    take(requests, 1, room=1)
    requests.release(1)
    assert take(requests, 2, alone=True, room=3) == [(1, 0), (1, 1), (1, 2)]
    assert arrive(requests, 2, 0, 0b111, alone=True) == Arrival(), "not even unasked"


def test_on_parole_a_neighbour_begins_anew_what_others_left_half_done() -> None:
    requests = Requests(LAYOUT, FULL ^ 0b1)
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
    requests = Requests(layout, 0)
    asked = requests.ask(1, requests.full, 10**6, first, 0.0, alone=False)
    assert {request.index for request in asked} == set(range(most))
    assert requests.ask(2, requests.full, 9, first, 0.0, alone=False) == []


def test_blocks_that_nobody_supplies_make_room(requests: Requests) -> None:
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
        requests = Requests(LAYOUT, 0)
        said = []
        for turn in range(200):
            key = rng.randrange(4)
            said.append(requests.ask(key, rng.getrandbits(6), rng.randrange(1, 5), first, turn, alone=False))
            if said[-1] and rng.random() < 0.3:
                said.append(requests.release(key)[0])
        return said

    assert play(1) == play(1) != play(2)
