"""Limits both ways: exact, fair, and so slow that a chunk takes a quarter of a minute, in virtual time."""

from collections import Counter

import pytest
from fakes.fake_link import Net
from fakes.puppets import Stage

from minibit import bitfield
from minibit.engine.effects import HangUp, Upload
from minibit.engine.stalls import stall
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m

LONG = Layout(4096 * CHUNK_SIZE, 16 * CHUNK_SIZE)
FULL = bitfield.full(256)
KIB = 1024


def fetch(stage: Stage, keys: tuple[int, ...], seconds: float) -> Counter[int]:
    """Let the puppets answer at once whatever they are asked for; the bytes that came from each."""
    came: Counter[int] = Counter()
    end = stage.now + seconds
    while stage.now < end:
        for key in keys:
            for request in [each for each in stage.heard(key) if isinstance(each, m.Request)]:
                stage.says(key, m.Piece(request.index, request.begin, bytes(request.length)))
                came[key] += request.length
        while stage.verifying:
            stage.verified(stage.verifying[0])
        stage.wait(0.01)
    return came


@pytest.mark.parametrize("limit", [256 * KIB, 1024 * KIB, 4096 * KIB])
def test_a_download_limit_is_exact_from_the_start_and_shared_evenly(limit: int) -> None:
    stage = Stage(layout=LONG, download_limit=float(limit))
    for key in (1, 2, 3, 4):
        stage.puppet(key, have=FULL, unchokes=True)
    came = fetch(stage, (1, 2, 3, 4), 5.0)
    assert came.total() == pytest.approx(5 * limit, rel=0.02)
    assert max(came.values()) - min(came.values()) <= 2 * CHUNK_SIZE


def test_what_is_refused_or_dropped_is_no_part_of_the_limit() -> None:
    stage = Stage(layout=LONG, download_limit=256.0 * KIB)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.wait(3.0)
    stage.leaves(1)
    stage.puppet(2, have=FULL, unchokes=True)
    assert fetch(stage, (2,), 5.0)[2] == pytest.approx(5 * 256 * KIB, rel=0.03)


def give(stage: Stage, keys: tuple[int, ...], seconds: float) -> Counter[int]:
    """Let hungry puppets ask for more and more; the bytes that go to each."""
    before, end = len(stage.effects), stage.now + seconds
    while stage.now < end:
        for key in keys:
            if len(stage.neighbour(key).demand.queue) < 100:
                wanted = range(256)
                stage.says(key, *(m.Request(b, c * CHUNK_SIZE, CHUNK_SIZE) for b in wanted for c in range(2)))
            stage.flushed(key, stage.neighbour(key).demand.unsent)
        stage.wait(0.01)
    sent: Counter[int] = Counter()
    for effect in stage.effects[before:]:
        if isinstance(effect, Upload):
            sent[effect.key] += sum(chunk.length for chunk in effect.chunks)
    return sent


@pytest.mark.parametrize("pause", [0.0, 20.0])
@pytest.mark.parametrize("limit", [256 * KIB, 1024 * KIB, 4096 * KIB])
def test_an_upload_limit_is_exact_from_the_start_and_after_a_pause(limit: int, pause: float) -> None:
    stage = Stage(have=FULL, layout=LONG, upload_limit=float(limit))
    keys = (1, 2, 3, 4)
    for key in keys:
        stage.puppet(key, interested=True)
    stage.wait(pause)
    sent = give(stage, keys, 5.0)
    assert sent.total() == pytest.approx(5 * limit, rel=0.02)
    assert max(sent.values()) <= 1.1 * min(sent.values())


@pytest.mark.parametrize("limits", [(1024.0, 0.0), (0.0, 1024.0), (0.0, 200.0)])
def test_a_trickle_completes_without_anybody_giving_up(limits: tuple[float, float]) -> None:
    upload, download = limits
    net = Net(Layout(4 * CHUNK_SIZE, CHUNK_SIZE), seed=1)
    net.origin(uplink=1e6, upload_limit=upload)
    peer = net.join("ana", uplink=1e6, download_limit=download)
    net.introduce()
    began = net.now
    while peer.finished is None:
        assert net.now - began < 1000
        net.run(1.0)
        assert stall(peer.engine, net.now) is None
    assert not [effect for _, _, effect in net.trace if isinstance(effect, HangUp)]
    assert net.now - began >= 3 * CHUNK_SIZE / (upload or download)
    assert not any(n.supply.snubbed for n in peer.engine.neighbours.values())
