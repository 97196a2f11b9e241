"""One engine's comings and goings: dials, silence, timers, batches. Greeting, fetching and serving have
tests of their own (`test_greeting`, `test_downloads`, `test_uploads`)."""

from itertools import pairwise

from fakes.puppets import FULL, Stage, both, request, told

from minibit.engine.effects import Announce, Dial, Finished, HangUp, Send
from minibit.engine.engine import (
    KEEP_ALIVE_SECONDS,
    REANNOUNCE_SECONDS,
)
from minibit.engine.greeting import HANDSHAKE_SECONDS, SILENCE_SECONDS
from minibit.engine.places import MAX_NEIGHBOURS
from minibit.wire import messages as m

HIGH = b"z" * 20  # a peer id above our own


# --- dials


def test_a_dial_leads_to_a_neighbour() -> None:
    stage = Stage()
    found = told(("10.0.0.1", 6881, HIGH), ("10.0.0.2", 6881, None))
    dials = [Dial(("10.0.0.1", 6881)), Dial(("10.0.0.2", 6881))]
    assert stage.note(stage.engine.peers_found(found, stage.now)) == dials
    assert stage.engine.dial_failed(("10.0.0.2", 6881), stage.now) == []
    stage.puppet(1, outgoing=True, peer_id=HIGH)
    assert stage.neighbour(1).label == "peer6881"
    assert [e for e in stage.wait(3.0) if isinstance(e, Dial)] == [Dial(("10.0.0.2", 6881))]


def test_whoever_is_connected_already_is_not_dialled() -> None:
    stage = Stage()
    stage.puppet(1, peer_id=HIGH)
    assert stage.engine.peers_found(told(("10.0.0.7", 7000, HIGH)), stage.now) == []


def test_a_lost_neighbour_is_dialled_again() -> None:
    stage = Stage()
    stage.engine.peers_found(told(("10.0.0.1", 6881, HIGH)), stage.now)
    stage.puppet(1, outgoing=True, peer_id=HIGH)
    stage.leaves(1)
    assert [e for e in stage.wait(5.0) if isinstance(e, Dial)] == [Dial(("10.0.0.1", 6881))]


def test_who_hangs_up_at_once_is_not_dialled_for_ever() -> None:
    stage = Stage()
    stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, None)), stage.now))
    dials = 1
    for key in range(1, 200):
        stage.connect(key, outgoing=True)
        stage.greet(key, info_hash=b"?" * 20)
        dials += sum(isinstance(effect, Dial) for effect in stage.wait(60.0))
        if dials == key:
            break
    assert dials < 10


def test_neighbours_are_bounded() -> None:
    stage = Stage(seeks=MAX_NEIGHBOURS)
    for key in range(1, MAX_NEIGHBOURS + 1):
        stage.puppet(key, outgoing=True)
    stage.connect(60, outgoing=True)
    assert stage.greet(60) == [HangUp(60, "we are full")]
    stage.connect(61)
    assert stage.greet(61) == [HangUp(61, "we are full")]
    assert stage.engine.peers_found(told(("10.9.9.9", 1, None)), stage.now) == []
    stage.leaves(1)
    assert [e for e in stage.wait(1.0) if isinstance(e, Dial)] == [Dial(("10.9.9.9", 1))]


def test_alone_it_asks_the_tracker_for_company() -> None:
    stage = Stage()
    asked = [e for e in stage.wait(4 * REANNOUNCE_SECONDS) if isinstance(e, Announce)]
    assert asked == [Announce("no neighbours of use")] * 4
    complete = Stage(have=FULL)
    complete.puppet(1)
    assert not any(isinstance(e, Announce) for e in complete.wait(100.0))


# --- silence


def test_who_does_not_greet_is_not_waited_for() -> None:
    stage = Stage()
    stage.connect(1)
    stage.connect(2, outgoing=True)
    assert HangUp(1, "no handshake") not in stage.wait(HANDSHAKE_SECONDS)
    late = stage.wait(2.0)
    assert HangUp(1, "no handshake") in late
    assert HangUp(2, "no handshake") in late


def test_keep_alives_when_we_have_nothing_to_say() -> None:
    stage = Stage()
    stage.puppet(1)
    said = [stage.now]
    for _ in range(60):
        stage.says(1, m.KeepAlive())
        said += [stage.now for effect in stage.wait(10.0) if effect == Send(1, (m.KeepAlive(),))]
    gaps = [later - earlier for earlier, later in pairwise(said)]
    assert len(gaps) == 5
    assert all(abs(gap - KEEP_ALIVE_SECONDS) <= 10 for gap in gaps)  # told apart in steps of 10 s


def test_what_is_flushed_keeps_alive_too() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, interested=True)
    stage.says(1, request(0))
    for _ in range(10):
        stage.flushed(1, 100)
        stage.says(1, m.KeepAlive())
        assert stage.wait(KEEP_ALIVE_SECONDS / 2) == []


def test_who_says_nothing_for_three_minutes_is_gone() -> None:
    stage = Stage()
    stage.puppet(1)
    stage.puppet(2)
    stage.wait(SILENCE_SECONDS - 1)
    stage.says(2, m.KeepAlive())
    stage.wait(3.0)
    assert list(stage.engine.neighbours) == [2]
    assert stage.hung_up == {1: "silent for 181 s"}


def test_who_sends_a_chunk_byte_by_byte_is_not_silent() -> None:
    stage = Stage()
    stage.puppet(1)
    for _ in range(3):
        stage.wait(SILENCE_SECONDS - 1)
        stage.engine.stirred(1, stage.now)
    assert stage.hung_up == {}
    stage.connect(2)
    stage.wait(1.0)
    stage.engine.stirred(2, stage.now)
    stage.wait(HANDSHAKE_SECONDS + 1)
    assert stage.hung_up == {2: "no handshake"}


# --- completion


def test_the_last_block_finishes_the_download_once() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=0b1, unchokes=True)
    stage.says(1, *both(0))
    stage.wait(2.0)
    effects = stage.verified(0)
    assert [e for e in effects if not isinstance(e, Send)] == [Finished(), Announce("complete")]
    assert stage.engine.completed_at == stage.now
    assert sum(isinstance(effect, Finished) for effect in stage.effects) == 1


def test_a_seed_is_complete_from_the_start() -> None:
    stage = Stage(have=FULL)
    assert stage.engine.completed_at == stage.now
    assert Finished() not in stage.wait(20.0)


# --- always


def test_the_next_deadline_moves_on() -> None:
    stage = Stage(have=FULL, upload_limit=20_000.0)
    for key in range(1, 8):
        stage.puppet(key, interested=True)
        stage.says(key, *(request(block, chunk) for block in range(8) for chunk in range(2)))
    stage.wait(30.0)  # asserts that every waking is later than the one before
    assert stage.engine.next_deadline(stage.now) > stage.now


def test_who_has_nothing_to_tell_notices_too_that_it_is_late_and_that_it_is_not_any_more() -> None:
    engine, now, late = Stage(have=FULL).engine, 0.0, []
    for seconds in (0.0, 0.3, 0.0):
        for _ in range(80):
            now = engine.next_deadline(now) + seconds
            engine.tick(now)
        late.append(engine._standing.lateness.seconds)
    assert late[0] == 0.0
    assert late[1] > 0.2
    assert late[2] < 0.01
