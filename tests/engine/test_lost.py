"""Blocks spoilt on the disk by something else: fetched again, served no more, and not called complete."""

from fakes.puppets import FULL, Stage, both, piece, reject, request

from minibit.engine.effects import Announce, Finished
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m


def completed() -> Stage:
    """Everything is here; the last block came from puppet 1."""
    stage = Stage(have=FULL ^ 1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.says(1, *both(0))
    stage.verified(0)
    assert stage.engine.completed_at == stage.now
    assert stage.heard(1)[-1] == m.NotInterested()
    return stage


def test_a_lost_block_is_asked_for_again_of_who_holds_it() -> None:
    stage = completed()
    stage.note(stage.engine.lost(0b101, stage.now))
    assert stage.engine.blocks.have == FULL ^ 0b101
    assert stage.engine.completed_at is None
    told = stage.heard(1)
    assert told[0] == m.Interested()
    assert set(told[1:]) == {request(block, chunk) for block in (0, 2) for chunk in (0, 1)}


def test_a_download_is_finished_again_once_lost_blocks_are_back() -> None:
    stage = completed()
    stage.note(stage.engine.lost(0b1, stage.now))
    stage.says(1, *both(0))
    did = stage.verified(0)
    assert Finished() in did
    assert Announce("complete") in did
    assert stage.engine.blocks.complete


def test_who_asked_for_a_lost_block_is_refused() -> None:
    stage = Stage(have=FULL, upload_limit=1)
    stage.puppet(2, interested=True)
    stage.says(2, request(3), request(4), request(3, 1))
    queue = stage.neighbour(2).demand.queue
    assert set(queue) <= {request(3), request(4), request(3, 1)}
    assert len(queue) >= 2
    stage.served(2)
    stage.heard(2)
    stage.note(stage.engine.lost(0b11000, stage.now))
    assert not queue
    assert set(stage.heard(2)) >= {reject(4), reject(3, 1)}
    stage.says(2, request(3))
    assert stage.heard(2) == [reject(3)]


def test_nobody_is_told_of_a_block_that_was_lost_before_it_was_told() -> None:
    stage = Stage(have=0)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2)
    for block in (0, 1):
        stage.says(1, piece(block, 0, CHUNK_SIZE), piece(block, 1, CHUNK_SIZE))
        stage.verified(block)
    stage.note(stage.engine.lost(0b10, stage.now))
    stage.wait(1.0)
    assert [message for message in stage.heard(2) if isinstance(message, m.Haves)] == [m.Haves.of(0)]
