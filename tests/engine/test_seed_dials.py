"""Whom a seed dials: who may need it and did not come by himself, and nobody twice in vain."""

import pytest
from fakes.fake_link import Net
from fakes.puppets import FULL, Stage, told

from minibit.address import Address, PeerAddress
from minibit.engine.addresses import COMING_SECONDS, FOREIGN_SECONDS, SEED_SECONDS
from minibit.engine.effects import Dial, Effect
from minibit.engine.greeting import GREETING_SECONDS
from minibit.engine.places import MAX_NEIGHBOURS, SEEKS
from minibit.torrent.layout import Layout
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

LEECHER: Address = ("10.0.0.7", 51413)
LAYOUT = Layout(24 * 32768 - 5000, 32768)


def dialled(effects: list[Effect]) -> list[Address]:
    return [effect.address for effect in effects if isinstance(effect, Dial)]


def seed(*known: tuple[str, int, bytes | None], seeks: int | None = None) -> Stage:
    """A seed that has just been told of these."""
    stage = Stage(have=FULL, seeks=seeks)
    assert dialled(stage.note(stage.engine.peers_found(told(*known), stage.now))) == []
    return stage


@pytest.mark.parametrize(
    ("peer_id", "seconds"),
    [
        (None, FOREIGN_SECONDS),
        (b"-TR3000-and so on...", FOREIGN_SECONDS),
        (b"-MB0400-and so on...", COMING_SECONDS),
    ],
)
def test_who_does_not_come_is_dialled_after_a_while(peer_id: bytes | None, seconds: float) -> None:
    stage = seed((*LEECHER, peer_id))
    assert dialled(stage.wait(seconds - 0.1)) == []
    assert dialled(stage.wait(0.2)) == [LEECHER]
    assert dialled(stage.wait(60.0)) == [], "it is being dialled"


def test_who_came_is_not_dialled_whether_its_id_or_its_port_says_so() -> None:
    stage = seed(("10.0.0.7", 51413, bytes([7]) * 20), ("10.0.0.8", 51414, None), ("10.0.0.9", 51415, None))
    stage.puppet(7)
    stage.puppet(8)  # libtorrent has another id on each connection
    stage.says(8, m.Extended(0, ExtendedHandshake(port=51414).encode()))
    assert dialled(stage.wait(30.0)) == [("10.0.0.9", 51415)]


def test_who_is_about_to_come_is_let_come() -> None:
    stage = seed((*LEECHER, b"7" * 20))
    stage.connect(7, address=(LEECHER[0], 40000))
    assert dialled(stage.wait(GREETING_SECONDS - 0.1)) == []
    stage.greet(7, peer_id=b"8" * 20)
    assert dialled(stage.wait(1.1)) == [LEECHER], "somebody else came, or it says nothing"


def test_who_has_come_from_elsewhere_keeps_nobody_from_being_dialled() -> None:
    stage = seed((*LEECHER, None))
    stage.connect(7, address=("10.0.0.8", 40000))
    assert dialled(stage.wait(FOREIGN_SECONDS)) == [LEECHER]


def test_an_origin_is_not_dialled() -> None:
    stage = Stage(have=FULL)
    origin = PeerAddress("origin", *LEECHER, b"o" * 20, origin=True)
    stage.note(stage.engine.peers_found([origin], stage.now))
    assert dialled(stage.wait(60.0)) == []


def test_two_seeds_part_and_do_not_meet_again_soon() -> None:
    stage = seed((*LEECHER, None))
    stage.wait(COMING_SECONDS + 1.0)
    stage.puppet(7, have=FULL, outgoing=True, address=LEECHER)
    stage.wait(1.0)
    assert stage.hung_up == {7: "both of us hold everything"}
    for _ in range(int(SEED_SECONDS / 60) - 1):
        assert dialled(stage.wait(60.0)) == []
        stage.note(stage.engine.peers_found(told((*LEECHER, None)), stage.now))
    assert dialled(stage.wait(120.0)) == [LEECHER], "it may be another by now"


def test_somebody_new_at_a_seeds_address_is_dialled() -> None:
    stage = seed((*LEECHER, b"7" * 20))
    stage.wait(COMING_SECONDS + 1.0)
    stage.puppet(7, have=FULL, outgoing=True, address=LEECHER, peer_id=b"7" * 20)
    stage.wait(1.0)
    stage.note(stage.engine.peers_found(told((*LEECHER, b"8" * 20)), stage.now))
    assert dialled(stage.wait(COMING_SECONDS + 1.0)) == [LEECHER]


def test_who_became_complete_keeps_its_neighbours_that_did_too() -> None:
    stage = Stage(have=FULL & ~1)
    stage.puppet(7, have=FULL, unchokes=True, outgoing=True)
    for chunk in (0, 1):
        stage.says(7, m.Piece(0, chunk * 16384, bytes(16384)))
    stage.verified(0)
    stage.wait(5.0)
    assert stage.engine.blocks.complete
    assert stage.hung_up == {}


def test_a_seed_that_came_and_went_is_not_dialled() -> None:
    stage = seed((*LEECHER, None))
    stage.connect(7, address=("10.0.0.7", 40000))
    stage.greet(7)
    stage.says(7, m.Extended(0, ExtendedHandshake(port=LEECHER[1]).encode()), m.HaveAll())
    stage.leaves(7)
    assert dialled(stage.wait(60.0)) == []


@pytest.mark.parametrize(("seeks", "places"), [(None, SEEKS), (MAX_NEIGHBOURS, MAX_NEIGHBOURS // 2)])
def test_half_of_the_places_at_least_are_for_who_comes_by_himself(seeks: int | None, places: int) -> None:
    stage = seed(*((f"10.1.0.{n}", 6881, None) for n in range(1, 100)), seeks=seeks)
    for _ in range(60):
        for address in dialled(stage.wait(1.0)):
            stage.puppet(int(address[0].rpartition(".")[2]), outgoing=True, address=address)
    assert len(stage.engine.neighbours) == places


def test_who_never_dials_gets_everything_from_a_seed() -> None:
    net = Net(LAYOUT)
    seed, leecher = net.origin(uplink=1e6), net.join("leecher", uplink=1e6)
    seed.meet([leecher])
    assert net.finish([leecher], seconds=30.0) >= FOREIGN_SECONDS
