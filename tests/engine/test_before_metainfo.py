"""An engine that does not know yet how its share is cut (BEP 9), and then learns it."""

import pytest
from fakes.puppets import BLOCKS, FULL, INFO_HASH, LAYOUT, OWN_ID, Stage, both, piece, request

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.engine.effects import Announce, Dial, Finished, Send, Tell
from minibit.engine.places import IDLE_SECONDS, MAX_NEIGHBOURS
from minibit.engine.portrait import portrait
from minibit.errors import RemoteProtocolError
from minibit.torrent.layout import MAX_BLOCKS, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection


def ignorant(**options: object) -> Stage:
    return Stage(layout=None, **options)  # type: ignore[arg-type]


def test_it_is_not_complete_and_meets_neighbours() -> None:
    stage = ignorant()
    assert not stage.engine.blocks.complete
    told = [PeerAddress("ana", "10.0.0.1", 6881)]
    assert stage.note(stage.engine.peers_found(told, stage.now)) == [Dial(("10.0.0.1", 6881))]
    stage.connect(1, outgoing=True)
    stage.greet(1)
    assert stage.heard(1)[:2] == [m.Handshake(INFO_HASH, OWN_ID), m.HaveNone()]
    stage.wait(30.0)
    assert stage.hung_up == {}
    assert not stage.engine._standing.view().complete
    assert portrait(stage.engine, "?", 0, stage.now).block_count == 0


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ([m.HaveAll()], FULL),
        ([m.HaveNone()], 0),
        ([m.HaveNone(), m.Haves.of(3), m.Haves.of(0)], 0b1001),
        ([m.Bitfield(bitfield.to_wire(0b110, BLOCKS))], 0b110),
        ([m.Bitfield(bitfield.to_wire(0b110, BLOCKS)), m.Haves.of(7)], 0b10000110),
    ],
)
def test_what_neighbours_told_before_counts_afterwards(said: list[m.Message], holds: int) -> None:
    stage = ignorant()
    stage.connect(1)
    stage.greet(1)
    stage.says(1, *said)
    assert stage.neighbour(1).blocks == 0
    effects = stage.learns(LAYOUT)
    assert stage.neighbour(1).blocks == holds
    assert (Send(1, (m.Interested(),)) in effects) == bool(holds)
    assert stage.engine.copies.held == holds


def test_then_it_downloads_like_any_other() -> None:
    stage = ignorant()
    stage.connect(1)
    stage.greet(1)
    stage.says(1, m.HaveAll(), m.Unchoke())
    stage.learns(LAYOUT, have=FULL ^ 0b1)
    assert [message for message in stage.heard(1) if isinstance(message, m.Request)] == [
        request(0, 0),
        request(0, 1),
    ]
    stage.says(1, *both(0))
    effects = stage.verified(0)
    assert Finished() in effects
    assert Announce("complete") in effects


def test_what_was_on_its_disk_is_told() -> None:
    stage = ignorant()
    stage.connect(1)
    stage.greet(1)
    stage.says(1, m.HaveNone())
    assert Tell((1,), m.Haves.of(1, 4)) in stage.learns(LAYOUT, have=0b10010)
    assert stage.engine.resumed == 2


def test_a_neighbour_that_told_of_other_blocks_is_hung_up_on() -> None:
    stage = ignorant()
    for key, said in ((1, m.Haves.of(BLOCKS)), (2, m.Bitfield(bytes(BLOCKS))), (3, m.Haves.of(BLOCKS - 1))):
        stage.connect(key)
        stage.greet(key, fast=False)
        stage.says(key, said)
    stage.learns(LAYOUT)
    assert set(stage.hung_up) == {1, 2}


def test_what_is_told_before_is_bounded() -> None:
    stage = ignorant()
    stage.connect(1)
    stage.greet(1, fast=False)
    stage.says(1, *(m.Haves.of(index) for index in range(0, MAX_BLOCKS, MAX_BLOCKS // 64)))
    stage.says(1, m.Haves.of(MAX_BLOCKS - 1))
    assert stage.neighbour(1).early.haves.bit_length() == MAX_BLOCKS
    with pytest.raises(RemoteProtocolError, match="does not exist"):
        stage.says(1, m.Haves.of(MAX_BLOCKS))


@pytest.mark.parametrize("message", [request(0), piece(0), m.Cancel(0, 0, 100), m.RejectRequest(0, 0, 100)])
def test_nothing_can_be_requested_before(message: m.Message) -> None:
    ours, theirs = Connection(None), Connection(Layout(1 << 20, 1 << 14))
    greeting = theirs.send(m.Handshake(INFO_HASH, b"t" * 20))
    ours.receive(memoryview(greeting))
    with pytest.raises(RemoteProtocolError, match=r"makes no sense|does not exist"):
        ours.receive(memoryview(m.HaveNone().encode() + message.encode()))


@pytest.mark.parametrize("options", [{"offering": True}, {"have": 0b1}])
def test_who_holds_blocks_knows_its_share(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="knows it"):
        ignorant(**options)


def test_a_share_is_learned_once() -> None:
    stage = ignorant()
    stage.learns(LAYOUT)
    for known in (stage, Stage()):
        with pytest.raises(ValueError, match="once"):
            known.learns(LAYOUT)


def test_when_it_is_full_who_holds_something_stays() -> None:
    stage = ignorant()
    for key in range(1, MAX_NEIGHBOURS + 1):
        stage.connect(key)
        stage.greet(key)
        stage.says(key, m.HaveAll() if key % 2 else m.HaveNone())
    stage.wait(IDLE_SECONDS + 1)
    for key in range(100, 130):
        stage.connect(key)
    assert set(range(1, MAX_NEIGHBOURS + 1, 2)) <= set(stage.engine.neighbours)


def test_what_is_allowed_before_is_forgotten() -> None:
    stage = ignorant()
    stage.connect(1)
    stage.greet(1)
    stage.says(1, m.HaveNone(), m.AllowedFast(MAX_BLOCKS - 1))
    assert stage.neighbour(1).supply.allowed == 0


def test_a_second_neighbour_after_it_learned_is_told_everything_at_once() -> None:
    stage = ignorant()
    stage.learns(LAYOUT, have=0b1)
    stage.connect(1)
    stage.greet(1)
    assert m.Bitfield(b"\x80") in stage.heard(1)
