"""An engine's picture of itself, figure by figure."""

import pytest
from fakes.puppets import FULL, Stage, both, piece, request

from minibit.address import PeerAddress
from minibit.engine.portrait import ETA_HORIZON, figures, portrait
from minibit.snapshot import NeighbourRow, PeerStatus, Role, State
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m


def picture(stage: Stage, granted: int = 0) -> PeerStatus:
    return portrait(stage.engine, "film.bin", granted, stage.now)


def test_a_peer_that_is_alone() -> None:
    view = picture(Stage(have=0b11), granted=0b101)
    assert (view.name, view.port, view.share) == ("me", 5000, "film.bin")
    assert (view.total_size, view.block_size, view.block_count) == (16 * CHUNK_SIZE, 2 * CHUNK_SIZE, 8)
    assert (view.blocks, view.in_flight, view.granted) == (0b11, 0, 0b101)
    assert (view.rarest_copies, view.eta, view.neighbours) == (0, None, ())
    assert (view.figures.state, view.figures.resumed, view.figures.completed_after) == (
        State.DOWNLOADING,
        2,
        None,
    )


def test_a_download_under_way() -> None:
    stage = Stage(have=0b11)
    stage.puppet(1, have=FULL, unchokes=True, interested=True, outgoing=True)
    stage.puppet(2, have=0b1)
    stage.engine.peers_found([PeerAddress("origin", "10.0.0.1", 6881, b"\1" * 20, True)], stage.now)
    stage.says(1, *both(2), piece(3, 0))
    stage.now += 1.0
    view = picture(stage)
    assert view.in_flight == FULL ^ 0b11, "asked for, here in part, or being verified"
    own = view.figures
    assert own.downloaded == own.from_origin == 3 * CHUNK_SIZE
    assert own.down_rate > 0
    assert view.eta == pytest.approx(12 * CHUNK_SIZE / own.down_rate)
    assert view.rarest_copies == 1
    stage.verified(2)
    stage.now += 9.0
    view = picture(stage)
    assert view.blocks == 0b111
    assert view.figures.verified == 1
    assert (view.figures.down_rate, view.eta) == (0.0, None), "nothing came for a while"


def test_a_complete_peer() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.now += 30.0
    stage.says(1, *both(0))
    stage.verified(0)
    own = figures(stage.engine, stage.now)
    assert (own.state, own.completed_after) == (State.COMPLETE, 30.0)
    assert picture(stage).eta is None


def test_an_estimate_of_weeks_is_none() -> None:
    huge = Layout(1 << 45, 1 << 24)
    stage = Stage(layout=huge)
    stage.puppet(1, have=1, unchokes=True)
    stage.says(1, piece(0, 0))
    stage.now += 4.0
    view = picture(stage)
    assert view.figures.down_rate > 0
    assert huge.total_size / view.figures.down_rate > ETA_HORIZON
    assert view.eta is None


def test_who_is_served_by_name() -> None:
    stage = Stage(have=FULL)
    for key in range(1, 8):
        stage.puppet(key, interested=True, minibit=key != 7)
    slots = stage.engine.slots
    labels = {key: f"puppet{key}" for key in range(1, 7)} | {7: "10.0.0.7:6881"}
    own = figures(stage.engine, stage.now)
    assert own.fixed == tuple(labels[key] for key in slots.fixed)
    assert slots.optimistic is not None
    assert own.optimistic == labels[slots.optimistic]
    roles = {view.address: view.role for view in picture(stage).neighbours}
    for key in range(1, 8):
        expected = (
            Role.OPTIMISTIC if key == slots.optimistic else Role.FIXED if key in slots.fixed else Role.CHOKED
        )
        assert roles[f"10.0.0.{key}:6881"] == expected


def test_a_neighbours_row() -> None:
    stage = Stage(have=0b1)
    stage.puppet(1, have=0b110, interested=True, minibit=True)
    stage.puppet(2, have=0b010)
    stage.says(1, request(0))
    stage.flushed(1, CHUNK_SIZE)
    first, second = picture(stage).neighbours
    assert first == NeighbourRow(
        name="puppet1",
        address="10.0.0.1:6881",
        client="",
        blocks=0b110,
        role=Role.OPTIMISTIC,
        interested=True,
        choking=True,
        snubbed=False,
        origin=False,
        rare=1,  # block 2; block 1 has two copies
        down_rate=0.0,
        up_rate=first.up_rate,
        downloaded=0,
        uploaded=CHUNK_SIZE,
    )
    assert first.up_rate == figures(stage.engine, stage.now).up_rate > 0
    assert (second.role, second.rare, second.interested) == (Role.CHOKED, 0, False)
    stage.says(2, m.Unchoke())
    assert not picture(stage).neighbours[1].choking


def test_who_has_not_greeted_is_not_in_the_picture() -> None:
    stage = Stage()
    stage.connect(1)
    assert picture(stage).neighbours == ()


def test_the_guilty_are_counted() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    for block in (0, 1):
        stage.says(1, *both(block))
        stage.verified(block, False)
    own = figures(stage.engine, stage.now)
    assert (own.corrupt, own.banned, own.verified) == (2, 1, 0)
