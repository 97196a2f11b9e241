"""Several chunks in one message, between peers that say they take it (`wire.extended`, *span*)."""

from fakes.puppets import Stage, piece, request

from minibit import bitfield
from minibit.engine.allowance import TURN_SECONDS
from minibit.engine.effects import Store, Upload
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

CHUNKS = 12
LAYOUT = Layout(4 * CHUNKS * CHUNK_SIZE - 100, CHUNKS * CHUNK_SIZE)
FULL = bitfield.full(4)


def span(block: int, first: int, count: int) -> m.Request:
    return m.Request(block, first * CHUNK_SIZE, count * CHUNK_SIZE)


def requests(stage: Stage, key: int) -> list[m.Request]:
    return [message for message in stage.heard(key) if isinstance(message, m.Request)]


def served(stage: Stage, seconds: float = 1.0) -> list[m.Request]:
    """What is sent over a line that takes whatever it is handed so many seconds later."""
    parts: list[m.Request] = []
    done = 0
    for _ in range(30):
        uploads = [effect for effect in stage.effects if isinstance(effect, Upload)]
        stage.wait(seconds)
        for upload in uploads[done:]:
            size = sum(each.length for each in upload.chunks)
            stage.note(stage.engine.flushed(upload.key, size, stage.now))
            parts += upload.chunks
        done = len(uploads)
    return parts


def test_chunks_in_a_row_are_asked_for_together() -> None:
    stage = Stage(layout=LAYOUT)
    stage.puppet(1, have=FULL, span=8, unchokes=True)
    assert requests(stage, 1) == [span(0, 0, 8), span(0, 8, 4), span(1, 0, 4)]


def test_a_client_that_says_nothing_of_it_is_asked_for_one_at_a_time() -> None:
    stage = Stage(layout=LAYOUT)
    stage.puppet(1, have=FULL, minibit=True, unchokes=True)
    assert {each.length for each in requests(stage, 1)} == {CHUNK_SIZE}


def test_the_end_of_the_share_is_asked_for_as_it_is() -> None:
    stage = Stage(layout=LAYOUT, have=FULL ^ 0b1000)
    stage.puppet(1, have=FULL, span=8, unchokes=True)
    assert requests(stage, 1) == [span(3, 0, 8), m.Request(3, 8 * CHUNK_SIZE, 4 * CHUNK_SIZE - 100)]


def test_what_comes_may_be_cut_otherwise_than_it_was_asked_for() -> None:
    stage = Stage(layout=LAYOUT)
    stage.puppet(1, have=FULL, span=8, unchokes=True)
    stage.says(1, piece(0, 0, 3 * CHUNK_SIZE), piece(0, 3), piece(0, 4, 8 * CHUNK_SIZE))
    assert stage.engine.blocks.verifying == 1


def test_of_a_long_piece_only_what_was_asked_for_is_kept() -> None:
    stage = Stage(layout=LAYOUT, have=FULL ^ 1)
    stage.puppet(1, have=FULL, span=8, queue=2, unchokes=True)
    stage.neighbour(1).supply.window = 2
    assert requests(stage, 1) == [span(0, 0, 2)]
    effects = stage.says(1, piece(0, 0, 5 * CHUNK_SIZE))
    (store,) = [effect for effect in effects if isinstance(effect, Store)]
    assert [(each.begin, len(each.data)) for each in store.pieces] == [(0, 2 * CHUNK_SIZE)]


def test_one_rejection_refuses_all_its_chunks() -> None:
    stage = Stage(layout=LAYOUT, have=FULL ^ 1)
    stage.puppet(1, have=FULL, span=8, unchokes=True)
    stage.puppet(2, have=FULL, span=8, unchokes=True)
    assert requests(stage, 1) == [span(0, 0, 8), span(0, 8, 4)]
    requests(stage, 2)
    stage.says(1, m.RejectRequest(0, 0, 8 * CHUNK_SIZE))
    assert requests(stage, 2) == [span(0, 0, 8)]


def test_who_takes_back_a_part_is_still_sent_the_rest() -> None:
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=CHUNK_SIZE)
    stage.puppet(1, span=8, interested=True)
    stage.says(1, span(0, 0, 8), m.Cancel(0, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE))
    assert m.RejectRequest(0, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE) in stage.heard(1)
    assert [each.begin // CHUNK_SIZE for each in served(stage)] == [0, 1, 2, 5, 6, 7]


def test_a_client_that_says_nothing_of_it_takes_back_what_it_asked_for_and_no_part() -> None:
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=1)
    stage.puppet(1, interested=True)
    stage.says(1, request(1), span(0, 0, 8), m.Cancel(0, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE))
    assert not any(isinstance(message, m.RejectRequest) for message in stage.heard(1))


def test_who_is_choked_is_refused_what_is_left_of_a_span() -> None:
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=CHUNK_SIZE)
    stage.puppet(1, span=8, interested=True)
    stage.says(1, span(0, 0, 8))
    stage.heard(1)
    stage.engine.uploads._choke(stage.neighbour(1))
    stage.note(stage.engine.peers_found([], stage.now))
    assert stage.heard(1) == [m.Choke(), m.RejectRequest(0, CHUNK_SIZE, 7 * CHUNK_SIZE)]


def test_who_says_later_that_it_takes_less_may_still_take_back_a_part() -> None:
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=1)
    stage.puppet(1, span=8, interested=True)
    stage.says(1, m.Extended(0, ExtendedHandshake(name="later").encode()), span(0, 0, 8))
    stage.says(1, m.Cancel(0, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE))
    assert m.RejectRequest(0, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE) in stage.heard(1)


def test_a_limit_cuts_what_leaves_at_once() -> None:
    limit = 32 * CHUNK_SIZE
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=limit)
    stage.puppet(1, span=8, interested=True)
    stage.neighbour(1).demand.flow.add(64 * CHUNK_SIZE, stage.now)  # its link takes more at once
    stage.says(1, span(0, 0, 8))
    assert [each.length for each in served(stage)] == 4 * [limit * TURN_SECONDS]


def test_a_slow_neighbour_of_a_quick_uplink_is_sent_a_chunk_at_a_time() -> None:
    """Whoever waits for a long piece hears nothing meanwhile, and would take its sender for a silent one."""
    stage = Stage(layout=LAYOUT, have=FULL)
    stage.puppet(1, span=8, interested=True)
    stage.puppet(2, span=8, interested=True)
    stage.note(stage.engine.flushed(2, 1 << 26, stage.now))
    stage.says(1, span(0, 0, 8))
    assert [each.length for each in served(stage, seconds=16.0)] == 8 * [CHUNK_SIZE]


def test_what_is_no_whole_chunk_cannot_be_taken_back() -> None:
    """Else a few cancels would cut a request into a thousand."""
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=1)
    stage.puppet(1, span=8, interested=True)
    stage.says(1, span(0, 0, 8), m.Cancel(0, 3 * CHUNK_SIZE + 1, 1))
    assert not any(isinstance(message, m.RejectRequest) for message in stage.heard(1))
    assert len(stage.neighbour(1).demand.queue) == 1


def test_a_client_that_says_nothing_of_it_is_answered_in_one_piece() -> None:
    stage = Stage(layout=LAYOUT, have=FULL, upload_limit=1)
    stage.puppet(1, interested=True)
    stage.says(1, span(0, 0, 8))
    assert stage.effects[-1] == Upload(1, (span(0, 0, 8),))
