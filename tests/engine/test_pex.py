"""Peer exchange: who is told of whom and when, what floods and lies cost, and a swarm without its tracker."""

import hashlib
from typing import Any

import pytest
from fakes.fake_link import Net, Peer
from fakes.puppets import FULL, LAYOUT, Stage, told

from minibit.address import PeerAddress
from minibit.engine.addresses import MAX_ADDRESSES, MAX_HEARSAY
from minibit.engine.effects import Dial
from minibit.engine.metadata import Metadata
from minibit.engine.pex import FIRST_SECONDS, HEARD_BURST, MAX_TOLD, PAUSE, Pex
from minibit.wire import messages as m
from minibit.wire import metadata, pex
from minibit.wire.extended import ExtendedHandshake
from minibit.wire.pex import NAME, REACHABLE, SEED, Exchange

OURS, THEIRS = 1, 7


def exchanging(**options: object) -> Stage:
    return Stage(extensions={NAME: Pex()}, **options)  # type: ignore[arg-type]


def partner(stage: Stage, key: int, *, outgoing: bool = False, have: int = 0) -> None:
    """A puppet that speaks it and listens on port 6000."""
    stage.puppet(key, outgoing=outgoing, have=have)
    hello = ExtendedHandshake(extensions={NAME: THEIRS}, port=6000)
    stage.says(key, m.Extended(0, hello.encode()))


def exchanged(stage: Stage, key: int) -> list[Exchange]:
    heard = [e for e in stage.heard(key) if isinstance(e, m.Extended) and e.extension == THEIRS]
    return [pex.decode(message.body) for message in heard]


def at(key: int, port: int = 6000) -> PeerAddress:
    return PeerAddress("", f"10.0.0.{key}", port)


def tells(stage: Stage, key: int, *peers: PeerAddress) -> list[object]:
    body = Exchange(tuple((peer, 0) for peer in peers)).encode()
    return list(stage.says(key, m.Extended(OURS, body)))


def test_a_neighbour_is_told_of_the_others_soon_and_then_of_changes_once_a_minute() -> None:
    stage = exchanging()
    partner(stage, 1)
    partner(stage, 2, outgoing=True, have=FULL)
    stage.puppet(3, fast=False)  # where it listens is not known
    stage.wait(FIRST_SECONDS + 1)
    assert exchanged(stage, 1) == [Exchange(((at(2, 6881), SEED | REACHABLE),))]
    assert exchanged(stage, 2) == [Exchange(((at(1), 0),))]
    partner(stage, 4)
    stage.leaves(2)
    stage.wait(PAUSE / 2)
    assert exchanged(stage, 1) == [], "a minute has not passed"
    stage.wait(PAUSE / 2 + 1)
    assert exchanged(stage, 1) == [Exchange(((at(4), 0),), (at(2, 6881),))]
    stage.wait(3 * PAUSE)
    assert exchanged(stage, 1) == [], "nothing is new"


def test_no_message_tells_of_more_than_fifty() -> None:
    stage = exchanging(offering=True, have=FULL)
    for key in range(1, MAX_TOLD + 20):
        partner(stage, key)
    stage.wait(FIRST_SECONDS + 1)
    (first,) = exchanged(stage, 1)
    assert len(first.added) == MAX_TOLD
    stage.wait(PAUSE + 1)
    (second,) = exchanged(stage, 1)
    assert len(second.added) == MAX_TOLD + 18 - MAX_TOLD
    assert not set(first.added) & set(second.added)


def test_who_is_told_of_is_dialled_after_those_that_a_tracker_told_of() -> None:
    stage = exchanging()
    partner(stage, 1)
    tells(stage, 1, at(9), at(8))
    stage.engine.addresses.learn(told(("10.0.0.7", 6000, None))[0], stage.now)
    dialled = [effect.address for effect in stage.wait(2.0) if isinstance(effect, Dial)]
    assert dialled == [("10.0.0.7", 6000), ("10.0.0.9", 6000), ("10.0.0.8", 6000)]


def test_nobody_is_aimed_at_this_machine_or_other_services() -> None:
    stage = exchanging()
    partner(stage, 1)
    loop = PeerAddress("", "127.0.0.1", 6000)
    tells(stage, 1, loop, at(9, 25), PeerAddress("", "0.0.0.0", 6000))
    assert not [effect for effect in stage.wait(2.0) if isinstance(effect, Dial)]


def test_one_machine_on_the_internet_is_one_peer() -> None:
    stage = exchanging()
    partner(stage, 1)
    tells(stage, 1, *(PeerAddress("", "9.9.9.9", port) for port in range(6000, 6050)))
    assert stage.engine.addresses.known == 1


def test_floods_end_the_connection_and_leave_room_for_what_trackers_say() -> None:
    stage = exchanging()
    for key in range(1, 21):
        partner(stage, key)
        for number in range(HEARD_BURST):
            tells(stage, key, *(PeerAddress("", f"10.{key}.{number}.{i}", 6000) for i in range(1, 51)))
    assert stage.engine.addresses.known == MAX_HEARSAY < MAX_ADDRESSES
    assert stage.hung_up == {}
    tells(stage, 1, at(9))
    assert stage.hung_up == {1: "exchanges peers too often"}


def test_private_shares_exchange_nothing_and_forget_what_they_heard() -> None:
    stage = exchanging(layout=None)
    partner(stage, 1)
    tells(stage, 1, at(9), at(8))
    stage.engine.addresses.learn(told(("10.0.0.7", 6000, None))[0], stage.now)
    stage.note(stage.engine.tick(stage.now + 1.0))
    stage.connect(2, outgoing=True, address=("10.0.0.9", 6000))
    stage.greet(2)
    stage.heard(1)
    stage.connect(3, outgoing=True, address=("10.0.0.7", 6000))
    stage.note(stage.engine.learned(LAYOUT, 0, stage.now, private=True))
    assert stage.hung_up == {2: "a private share: no tracker tells of it"}
    (hello,) = (e for e in stage.heard(1) if isinstance(e, m.Extended) and e.extension == 0)
    assert ExtendedHandshake.decode(hello.body).extensions == {NAME: 0}
    known = stage.engine.addresses.known
    tells(stage, 1, at(5))
    assert stage.engine.addresses.known == known
    stage.wait(PAUSE)
    assert exchanged(stage, 1) == []


@pytest.mark.parametrize("seed", range(3))
def test_friends_of_a_friend_meet_without_a_tracker(seed: int) -> None:
    """ana holds all and knows bia alone, caio knows bia alone and begins from a magnet link; bia leaves."""
    info = b"what is shared"
    info_hash = hashlib.sha1(info).digest()
    net = Net(LAYOUT, seed=seed)
    learnt: list[bytes] = []

    def peer(name: str, *, known: bool = True, **options: Any) -> Peer:
        handler = Metadata(info_hash, info if known else None, learnt=learnt.append)
        extensions = {NAME: Pex(), metadata.NAME: handler}
        return net.join(name, known=known, info_hash=info_hash, extensions=extensions, **options)

    ana, bia, caio = peer("ana", have=FULL, uplink=10_000.0), peer("bia"), peer("caio", known=False)
    bia.meet([ana, caio])
    net.run(2.0, lambda: bool(learnt))
    assert learnt == [info]
    caio.learn()
    net.run(6.0)
    assert not caio.engine.blocks.complete
    bia.leave()
    net.finish([caio], 120.0)
    assert {n.name for n in caio.engine.neighbours.values()} == {"ana"}
