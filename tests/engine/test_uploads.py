"""Serving, through the engine: slots, queues, limits, fairness, and what an origin shows."""

from collections import Counter
from random import Random

import pytest
from fakes.puppets import BLOCKS, FULL, Stage, cancel, reject, request

from minibit import bitfield
from minibit.engine.allowance import BURST_SECONDS, overdrawn
from minibit.engine.effects import HangUp, Send, Upload
from minibit.engine.journal import Chosen, Entry
from minibit.engine.offers import Offers
from minibit.engine.uploads import BATCH, MAX_QUEUED, MAX_REFUSALS, MAX_UNSENT, MIN_UNSENT
from minibit.strategies.choking_manager import FIXED_SLOTS, ROUND_SECONDS
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m

LONG = Layout(2000 * CHUNK_SIZE, 50 * CHUNK_SIZE)
LONG_FULL = (1 << LONG.block_count) - 1
EVERYTHING = [request(block, chunk) for block in range(8) for chunk in range(2)]


def long_requests(count: int) -> list[m.Request]:
    return [request(place // 50 % 40, place % 50) for place in range(count)]


def seed(**options: float) -> Stage:
    return Stage(have=FULL, **options)


# --- slots


def test_the_interested_are_unchoked_at_once() -> None:
    stage = seed()
    stage.puppet(1)
    assert stage.says(1, m.Interested()) == [Send(1, (m.Unchoke(),))]
    assert stage.neighbour(1).unchoked_since == stage.now
    assert stage.says(1, m.Interested()) == [], "saying so again changes nothing"
    assert stage.says(1, m.NotInterested()) == [Send(1, (m.Choke(),))]
    assert stage.says(1, m.NotInterested()) == []


def test_slots_are_few_and_never_empty_while_somebody_waits() -> None:
    stage = seed()
    for key in range(1, 9):
        stage.puppet(key, interested=True)
    holders = [key for key, neighbour in stage.engine.neighbours.items() if neighbour.demand.unchoked]
    assert len(holders) == FIXED_SLOTS + 1
    stage.leaves(holders[0])
    now_held = [key for key, neighbour in stage.engine.neighbours.items() if neighbour.demand.unchoked]
    assert len(now_held) == FIXED_SLOTS + 1
    assert set(holders[1:]) < set(now_held)


def test_who_holds_no_slot_and_wants_none_any_more_costs_no_choice() -> None:
    chosen: list[Entry] = []
    stage = Stage(have=FULL, upload_limit=1, journal=chosen.append)
    for key in range(1, 10):
        stage.puppet(key, interested=True)
    held = stage.engine.slots.held
    chosen.clear()
    waiting = [key for key in range(1, 10) if key not in held]
    stage.says(waiting[0], m.NotInterested())
    stage.leaves(waiting[1])
    assert not [each for each in chosen if isinstance(each, Chosen)]
    stage.says(held[0], m.NotInterested())
    stage.leaves(held[1])
    stage.says(waiting[0], m.Interested())
    assert len([each for each in chosen if isinstance(each, Chosen)]) == 3


def test_a_round_every_ten_seconds_passes_the_optimistic_slot_on() -> None:
    stage = Stage(have=FULL, upload_limit=1)  # its line is never idle
    for key in range(1, 10):
        stage.puppet(key, interested=True)
    held = stage.engine.slots
    seen = {held.optimistic}
    for key in range(1, 10):
        stage.says(key, request(0))
    for _ in range(30):
        stage.wait(ROUND_SECONDS)
        for key in range(1, 10):
            stage.says(key, request(0))
        slots = stage.engine.slots
        assert slots.optimistic != held.optimistic
        held = slots
        seen.add(slots.optimistic)
        assert {k for k, n in stage.engine.neighbours.items() if n.demand.unchoked} == set(slots.held)
    assert len(seen) > 3


def test_a_neighbour_that_never_told_its_blocks_is_known_once_it_wants_ours() -> None:
    stage = seed()
    stage.puppet(1, fast=False)
    assert not stage.neighbour(1).known
    assert stage.says(1, m.Interested()) == [Send(1, (m.Unchoke(),))]


# --- queues


def test_what_is_asked_is_sent_in_order() -> None:
    stage = seed()
    stage.puppet(1, interested=True)
    asked = [request(3, 1), request(3, 0), request(0, 0)]
    assert stage.says(1, *asked) == [Upload(1, tuple(asked[:2]))]
    assert stage.flushed(1, MIN_UNSENT) == [Upload(1, tuple(asked[2:]))]


@pytest.mark.parametrize("fast", [True, False])
def test_the_choked_are_refused(fast: bool) -> None:
    stage = seed()
    stage.puppet(1, fast=fast)
    answer = [Send(1, (reject(0), reject(1)))] if fast else []
    assert stage.says(1, request(0), request(1)) == answer


def test_what_we_do_not_have_is_refused() -> None:
    stage = Stage(have=0b1)
    stage.puppet(1, interested=True)
    assert stage.says(1, request(0), request(1)) == [Send(1, (reject(1),)), Upload(1, (request(0),))]


def test_a_choke_drops_what_waits_and_says_so() -> None:
    stage = seed(upload_limit=CHUNK_SIZE)
    stage.puppet(1, interested=True)
    stage.says(1, *EVERYTHING[:4])
    dropped = (reject(0, 1), reject(1), reject(1, 1))
    assert stage.says(1, m.NotInterested()) == [Send(1, (m.Choke(),)), Send(1, dropped)]
    stage.wait(10.0)
    assert stage.served(1) == EVERYTHING[:1], "nothing leaves but what had left before"


def test_a_choke_of_a_plain_neighbour_drops_in_silence() -> None:
    stage = seed(upload_limit=1.0)
    stage.puppet(1, interested=True, fast=False)
    stage.says(1, *EVERYTHING[:4])
    assert stage.says(1, m.NotInterested()) == [Send(1, (m.Choke(),))]


def test_a_cancelled_request_is_rejected_and_not_sent() -> None:
    stage = seed(upload_limit=CHUNK_SIZE)
    stage.puppet(1, interested=True)
    stage.says(1, *EVERYTHING[:3])
    assert stage.says(1, cancel(0, 1)) == [Send(1, (reject(0, 1),))]
    assert stage.says(1, cancel(0, 0)) == [], "on its way already"
    assert stage.says(1, cancel(5, 0)) == [], "never asked for"
    stage.wait(10.0)
    assert stage.served(1) == [request(0), request(1)]


@pytest.mark.parametrize("fast", [True, False])
def test_a_flood_of_requests_is_bounded(fast: bool) -> None:
    stage = Stage(have=LONG_FULL, layout=LONG, upload_limit=1.0)
    stage.puppet(1, interested=True, fast=fast)
    stage.says(1, *long_requests(MAX_QUEUED))
    waiting = len(stage.neighbour(1).demand.queue)
    effects = stage.says(1, *long_requests(MAX_QUEUED + 100)[MAX_QUEUED:])
    if fast:
        assert len(stage.neighbour(1).demand.queue) == MAX_QUEUED
        assert sum(len(e.messages) for e in effects if isinstance(e, Send)) == waiting + 100 - MAX_QUEUED
    else:
        assert effects == [HangUp(1, f"asks for more than {MAX_QUEUED} chunks at once")]


def test_who_asks_on_for_what_it_is_refused_is_hung_up_on() -> None:
    stage = seed()
    stage.puppet(1)
    answers = 0
    while 1 in stage.engine.neighbours:
        effects = stage.says(1, *EVERYTHING)
        answers += sum(len(effect.messages) for effect in effects if isinstance(effect, Send))
        assert answers <= MAX_REFUSALS + len(EVERYTHING), "answers pile up if it does not read them"
    assert stage.hung_up == {1: "goes on asking for what it is refused"}


def test_a_cancel_costs_the_same_however_long_the_queue_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(have=LONG_FULL, layout=LONG, upload_limit=1.0)
    stage.puppet(1, interested=True)
    requests = long_requests(MAX_QUEUED)
    stage.says(1, *requests)
    compared = 0
    equal = m.Request.__eq__

    def counted(self: m.Request, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(self, other)

    monkeypatch.setattr(m.Request, "__eq__", counted)
    stage.says(1, *(m.Cancel(r.index, r.begin, r.length) for r in reversed(requests)))
    assert not stage.neighbour(1).demand.queue
    assert compared < 10 * MAX_QUEUED


def test_what_is_asked_twice_is_sent_once() -> None:
    stage = seed(upload_limit=1.0)
    stage.puppet(1, interested=True)
    stage.says(1, request(0), request(1), request(1), request(1))
    assert list(stage.neighbour(1).demand.queue) == [request(1)]


def test_refusals_count_only_in_a_row() -> None:
    stage = seed()
    stage.puppet(1)
    for _ in range(MAX_REFUSALS // 50):
        stage.says(1, m.NotInterested())
        stage.says(1, *EVERYTHING * 6)
        stage.says(1, m.Interested())
        stage.says(1, request(0))
        stage.flushed(1, CHUNK_SIZE)
    assert stage.hung_up == {}


# --- grants


def test_a_grant_is_served_while_choking() -> None:
    stage = seed()
    stage.puppet(1)
    effects = stage.note(stage.engine.granted(b"\1" * 20, 0b101, stage.now))
    assert effects == [Send(1, (m.AllowedFast(0), m.AllowedFast(2)))]
    assert stage.says(1, request(0), request(1), request(2)) == [
        Send(1, (reject(1),)),
        Upload(1, (request(0),)),
        Upload(1, (request(2),)),
    ]


def test_a_grant_may_come_before_its_peer() -> None:
    stage = seed()
    stage.engine.granted(b"\1" * 20, 0b10, stage.now)
    stage.connect(1)
    stage.greet(1)
    assert stage.heard(1)[-1] == m.AllowedFast(1)
    stage.engine.revoked(b"\1" * 20)
    stage.connect(2)
    stage.leaves(1)
    stage.greet(2, peer_id=b"\1" * 20)
    assert not any(isinstance(message, m.AllowedFast) for message in stage.heard(2))


def test_a_grant_survives_a_choke() -> None:
    stage = seed(upload_limit=1.0)
    stage.puppet(1, interested=True)
    stage.note(stage.engine.granted(b"\1" * 20, 0b1, stage.now))
    stage.says(1, request(7), request(0), request(1), request(0, 1))
    effects = stage.says(1, m.NotInterested())
    assert effects == [Send(1, (m.Choke(),)), Send(1, (reject(1),))]
    assert list(stage.neighbour(1).demand.queue) == [request(0), request(0, 1)]


def test_a_plain_neighbour_is_not_told_of_its_grant() -> None:
    stage = seed()
    stage.puppet(1, fast=False)
    assert stage.engine.granted(b"\1" * 20, 0b1, stage.now) == []


# --- the shell's share


def test_the_shell_never_holds_much() -> None:
    stage = Stage(have=LONG_FULL, layout=LONG)
    stage.puppet(1, interested=True)
    requests = long_requests(500)
    stage.says(1, *requests)
    while stage.engine.uploads.total < 50 * MAX_UNSENT:  # on a link that takes all at once
        stage.flushed(1, min(BATCH, stage.neighbour(1).demand.unsent))
        if len(stage.neighbour(1).demand.queue) < 256:
            stage.says(1, *requests[:256])
    sizes = [sum(c.length for c in e.chunks) for e in stage.effects if isinstance(e, Upload)]
    assert max(sizes) == sizes[-1] == BATCH, "a fast link has its large batches"
    assert stage.neighbour(1).demand.unsent == MAX_UNSENT


@pytest.mark.parametrize("rate", [10_000, 50_000, 400_000])
def test_behind_a_slow_link_waits_a_second_of_data_and_no_more(rate: int) -> None:
    stage = Stage(have=LONG_FULL, layout=LONG)
    stage.puppet(1, interested=True)
    stage.says(1, *long_requests(MAX_QUEUED))
    most = 0
    for _ in range(600):
        stage.wait(0.1)
        most = max(most, stage.neighbour(1).demand.unsent)
        stage.flushed(1, min(rate // 10, stage.neighbour(1).demand.unsent))
        if len(stage.neighbour(1).demand.queue) < 100:
            stage.says(1, *long_requests(MAX_QUEUED))
    assert most <= max(1.1 * rate, MIN_UNSENT) + CHUNK_SIZE
    assert stage.engine.uploads.total >= 0.95 * rate * 60, "and the link is never idle"


def test_neighbours_take_turns() -> None:
    stage = Stage(have=LONG_FULL, layout=LONG, upload_limit=10 * CHUNK_SIZE)
    for key in (1, 2, 3):
        stage.puppet(key, interested=True)
        stage.says(key, *long_requests(200))
    stage.wait(30.0)
    served = Counter(effect.key for effect in stage.effects if isinstance(effect, Upload))
    assert max(served.values()) - min(served.values()) <= 2


def test_turns_are_kept_without_a_limit_too() -> None:
    stage = Stage(have=LONG_FULL, layout=LONG)
    for key in (1, 2, 3):
        stage.puppet(key, interested=True)
    for key in (1, 2, 3):
        stage.says(key, *long_requests(300))
    rng = Random(1)
    for _ in range(60):
        stage.flushed(rng.choice([1, 2, 3]), BATCH)
    assert [len(stage.served(key)) for key in (1, 2, 3)] == [300, 300, 300]


def test_what_leaves_by_another_way_counts_against_the_limit() -> None:
    stage = seed(upload_limit=CHUNK_SIZE)
    stage.engine.uploads.spent(5 * CHUNK_SIZE)
    stage.puppet(1, interested=True)
    stage.says(1, *EVERYTHING[:3])
    stage.wait(4.9)
    assert stage.served(1) == []
    stage.wait(0.2)
    assert stage.served(1) == EVERYTHING[:1]
    assert stage.engine.uploads.total == 5 * CHUNK_SIZE, "payload counts when it has left"


@pytest.mark.parametrize("limit", [10_000.0, 100_000.0, 3_000_000.0])
def test_the_limit_is_honest_at_every_moment(limit: float) -> None:
    stage = Stage(have=LONG_FULL, layout=LONG, upload_limit=limit)
    began = stage.now
    for key in (1, 2):
        stage.puppet(key, interested=True)
    burst = max(CHUNK_SIZE, limit * BURST_SECONDS) + overdrawn(limit)
    sent = 0
    for _ in range(150):
        for key in (1, 2):
            if len(stage.neighbour(key).demand.queue) < 200:
                stage.says(key, *long_requests(300))
        stage.wait(0.1)
        for key in (1, 2):
            count = sum(chunk.length for chunk in stage.served(key))
            sent += count
            stage.flushed(key, count)
        assert sent <= limit * (stage.now - began) + burst
    assert sent >= 0.95 * limit * (stage.now - began) - burst, "nor is it wasted"


# --- turns


def order(stage: Stage, seconds: float) -> list[tuple[int, int]]:
    """The (neighbour, block) of each chunk that leaves in this time, on lines that take all at once."""
    left: list[tuple[int, int]] = []
    for _ in range(round(20 * seconds)):
        for effect in stage.wait(0.05):
            if isinstance(effect, Upload):
                left += [(effect.key, chunk.index) for chunk in effect.chunks]
                stage.flushed(effect.key, sum(chunk.length for chunk in effect.chunks))
    return left


def busy(stage: Stage) -> None:
    """Its uplink has something to send before whatever comes next."""
    stage.puppet(99, interested=True)
    stage.says(99, request(7), request(7, 1))


def chunks_of(*blocks: int) -> list[m.Request]:
    """Both chunks of each of these, mixed."""
    return [request(block, chunk) for chunk in (0, 1) for block in blocks]


def test_a_turn_is_a_block() -> None:
    stage = seed(upload_limit=4 * CHUNK_SIZE)
    busy(stage)
    for key, blocks in ((1, (1, 2)), (2, (3, 4))):
        stage.puppet(key, interested=True)
        stage.says(key, *chunks_of(*blocks))
    turns = [(1, 1), (2, 3), (1, 2), (2, 4)]
    assert order(stage, 4.0)[1:] == [turn for turn in turns for _ in range(2)]


def test_the_rarest_block_leaves_first() -> None:
    stage = seed(upload_limit=4 * CHUNK_SIZE)
    busy(stage)
    stage.puppet(1, interested=True)
    for key, holds in ((2, 0b00111), (3, 0b00011)):
        stage.puppet(key, have=holds)
    stage.says(1, *chunks_of(0, 1, 2, 3))
    assert [block for key, block in order(stage, 4.0) if key == 1] == [3, 3, 2, 2, 0, 0, 1, 1]


def first_copy_out() -> Stage:
    """An origin with a limit, and neighbours of which 1 got a first copy that nobody else has."""
    stage = origin(upload_limit=4 * CHUNK_SIZE)
    for key in (1, 2, 3):
        stage.puppet(key, interested=True)
    stage.says(1, *chunks_of(0))
    assert order(stage, 1.0) == [(1, 0)]
    busy(stage)
    return stage


def test_first_copies_go_first() -> None:
    stage = first_copy_out()
    stage.says(2, *chunks_of(0))
    stage.says(3, *chunks_of(5))
    left = order(stage, 3.0)
    assert left[-4:] == [(3, 5), (3, 5), (2, 0), (2, 0)], "but nobody waits while the line is free"


def test_first_copies_go_to_who_holds_fewest_that_nobody_else_has() -> None:
    stage = first_copy_out()
    stage.says(1, *chunks_of(4))
    stage.says(2, *chunks_of(5))
    left = order(stage, 3.0)
    assert left[-4:] == [(2, 5), (2, 5), (1, 4), (1, 4)], "but who keeps all, or tells nothing, is served too"


def test_a_quick_limited_line_sends_several_chunks_at_once() -> None:
    """Each time that something leaves costs both ends a turn of Python."""
    limit = 64 * 8 * CHUNK_SIZE
    stage = Stage(have=LONG_FULL, layout=LONG, upload_limit=float(limit))
    stage.puppet(1, interested=True)
    stage.says(1, *long_requests(400))
    for _ in range(40):
        stage.flushed(1, stage.neighbour(1).demand.unsent)
        stage.wait(0.01)
    assert max(len(effect.chunks) for effect in stage.effects if isinstance(effect, Upload)) >= 8


def test_an_idle_line_serves_one_more() -> None:
    stage = seed(upload_limit=100 * CHUNK_SIZE)
    for key in range(1, 9):
        stage.puppet(key, interested=True)
    assert len(stage.engine.slots.held) == FIXED_SLOTS + 1
    stage.wait(0.35)
    extra = stage.engine.slots.extra
    assert len(extra) == 3
    assert all(stage.neighbour(key).demand.unchoked for key in extra)


def test_who_is_late_does_not_take_its_line_for_idle_so_soon() -> None:
    stage = seed(upload_limit=100 * CHUNK_SIZE)
    for _ in range(40):
        stage.now = stage.engine.next_deadline(stage.now) + 0.05
        stage.note(stage.engine.tick(stage.now))
    for key in range(1, 9):
        stage.puppet(key, interested=True)
    stage.wait(0.35)
    assert not stage.engine.slots.extra
    stage.wait(4.0)
    assert len(stage.engine.slots.extra) == 3


def test_a_line_that_is_always_busy_serves_one_less() -> None:
    stage = seed(upload_limit=100 * CHUNK_SIZE)
    for key in range(1, 9):
        stage.puppet(key, interested=True)
    stage.wait(0.35)
    assert len(stage.engine.slots.extra) == 3
    for _ in range(80):
        for key in range(1, 9):
            stage.says(key, *EVERYTHING)
        stage.wait(0.1)
        for key in range(1, 9):
            stage.flushed(key, stage.neighbour(key).demand.unsent)
    assert len(stage.engine.slots.extra) < 3


@pytest.mark.parametrize("cadence", [0.5, 1.0])
def test_a_neighbours_rhythm_does_not_hold_an_origin_back(cadence: float) -> None:
    layout, limit = Layout(1200 * 2 * CHUNK_SIZE, 2 * CHUNK_SIZE), 1024 * 1024.0
    stage = Stage(have=bitfield.full(1200), layout=layout, upload_limit=limit, offering=True)
    wanted: dict[int, int] = {1: 0, 2: 0}
    for key in wanted:
        stage.puppet(key, interested=True)

    def run(seconds: float) -> float:
        """What is sent in this time, to neighbours that ask for what is new every `cadence` seconds."""
        before = stage.engine.uploads.total
        for _ in range(round(seconds / cadence)):
            for key in wanted:
                fresh = offers_of(stage)._offers[key].pending & ~wanted[key]
                wanted[key] |= fresh
                stage.says(key, *(request(b, chunk) for b in bitfield.indices(fresh) for chunk in (0, 1)))
            for _ in range(10):
                stage.wait(cadence / 10)
                for key in wanted:
                    stage.flushed(key, sum(chunk.length for chunk in stage.served(key)))
        return stage.engine.uploads.total - before

    run(8.0)
    assert run(16.0) > 0.9 * limit * 16.0


# --- what an origin shows


def origin(**options: float) -> Stage:
    return seed(offering=True, **options)


def offers_of(stage: Stage) -> Offers:
    offers = stage.engine.uploads.offers
    assert offers is not None
    return offers


def shown(stage: Stage, key: int) -> list[int]:
    """The blocks that the puppet was told of since."""
    told = [message for message in stage.heard(key) if isinstance(message, m.Haves)]
    return [block for message in told for block in bitfield.indices(message.blocks)]


def test_an_origin_shows_a_newcomer_one_block_to_want() -> None:
    stage = origin()
    stage.connect(1)
    stage.greet(1)
    told = stage.heard(1)
    assert m.HaveNone() in told
    assert sum(isinstance(message, m.Haves) for message in told) == 1


def test_an_origin_offers_each_block_to_one_neighbour() -> None:
    stage = origin()
    for key in (1, 2, 3):
        stage.puppet(key)
    offered = []
    for key in (1, 2, 3):
        stage.says(key, m.Interested())
        offered += bitfield.indices(offers_of(stage)._offers[key].pending)
    assert len(offered) == len(set(offered)) == 6


def test_when_nothing_is_lacking_everybody_sees_everything() -> None:
    stage = origin()
    stage.connect(1)
    stage.greet(1)
    stage.connect(2)
    stage.greet(2)
    before = {key: shown(stage, key) for key in (1, 2)}
    stage.says(1, m.Bitfield(bitfield.to_wire(0b0000_1111, BLOCKS)))
    stage.says(2, m.Bitfield(bitfield.to_wire(0b1111_0000, BLOCKS)))
    for key, holds in ((1, range(4)), (2, range(4, 8))):
        assert set(before[key]) | set(shown(stage, key)) | set(holds) == set(range(8))
    stage.connect(3)
    stage.greet(3)
    assert m.HaveAll() in stage.heard(3)


def test_a_granted_block_is_allowed_and_offered_even_to_who_is_choked() -> None:
    stage = origin()
    stage.puppet(1)
    stage.note(stage.engine.granted(b"\1" * 20, 0b11, stage.now))
    told = stage.heard(1)
    assert {m.AllowedFast(0), m.AllowedFast(1)} <= set(told)
    assert offers_of(stage)._offers[1].pending == 0b11


def test_a_choked_neighbours_offers_go_to_others() -> None:
    stage = origin()
    for key in (1, 2):
        stage.puppet(key, interested=True)
    offers = offers_of(stage)
    before = offers._offers[1].pending
    assert before
    stage.says(1, m.NotInterested())
    assert offers._offers[1].pending == 0
    assert before & offers.lacking(0) == before


def test_what_was_offered_to_who_leaves_is_lacking_again() -> None:
    stage = origin()
    stage.puppet(1, interested=True)
    assert offers_of(stage).lacking(0) != FULL
    stage.leaves(1)
    assert offers_of(stage).lacking(0) == FULL


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("fast", [True, False])
def test_an_origin_feeds_a_lone_neighbour_everything(tells: bool, fast: bool) -> None:
    # Many clients do not tell those who have a block that they have it too.
    stage = origin()
    stage.connect(1)
    stage.greet(1, fast=fast)
    if fast:
        stage.says(1, m.HaveNone())
    seen: set[int] = set()
    got: set[int] = set()
    for _ in range(60):
        stage.wait(1.0)
        seen.update(shown(stage, 1))
        wanted = sorted(seen - got)
        stage.says(1, m.Interested() if wanted else m.NotInterested())
        if wanted and stage.neighbour(1).demand.unchoked:
            stage.says(1, request(wanted[0], 0), request(wanted[0], 1))
            stage.flushed(1, sum(chunk.length for chunk in stage.served(1)))
            got.add(wanted[0])
            if tells:
                stage.says(1, m.Haves.of(wanted[0]))
    assert got == set(range(8))
