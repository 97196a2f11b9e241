"""Who stays when more come than there are places for, through the engine."""

from typing import Any

from fakes.puppets import FULL, Stage, piece, request, told

from minibit.address import PeerAddress
from minibit.engine.effects import Dial, HangUp
from minibit.engine.places import (
    IDLE_SECONDS,
    MAX_NEIGHBOURS,
    MAX_ORIGIN_NEIGHBOURS,
    MAX_WAITING,
    SEEKS,
    SERVED_SECONDS,
    STRANGER_SECONDS,
)
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m

HERE = "127.0.0.1"  # a whole classroom may be there


def an_id(key: int) -> bytes:
    return key.to_bytes(20, "big")


def comes(stage: Stage, key: int, *, ip: str = HERE, **options: Any) -> bool:
    """Somebody dials us and greets; whether it is let in."""
    stage.connect(key, address=(ip, 10_000 + key), **options)
    stage.greet(key, peer_id=an_id(key))
    if key in stage.engine.neighbours:
        stage.says(key, m.HaveNone())
        return True
    return False


def crowd(stage: Stage, count: int, *, first: int = 1000, interested: bool = True) -> list[int]:
    """So many strangers that are let in, and do nothing more."""
    keys = list(range(first, first + count))
    for key in keys:
        assert comes(stage, key)
        if interested:
            stage.says(key, m.Interested())
    return keys


def lists(stage: Stage, *keys: int) -> None:
    """A tracker lists these."""
    found = [(HERE, 20_000 + key, an_id(key)) for key in keys]
    stage.note(stage.engine.peers_found(told(*found), stage.now))


def test_sixty_mute_strangers_do_not_keep_a_listed_peer_out() -> None:
    stage = Stage(have=FULL)
    crowd(stage, MAX_NEIGHBOURS)
    lists(stage, *range(1, 30))
    for key in range(1, 30):
        assert comes(stage, key)
    assert len(stage.engine.neighbours) == MAX_NEIGHBOURS


def test_nor_a_peer_with_a_grant() -> None:
    stage = Stage(have=FULL, offering=True)
    crowd(stage, MAX_ORIGIN_NEIGHBOURS)
    stage.note(stage.engine.granted(an_id(1), 0b1, stage.now))
    assert comes(stage, 1)


def test_a_stranger_that_moved_no_byte_yields_to_another_after_a_while_only() -> None:
    stage = Stage(have=FULL)
    crowd(stage, MAX_NEIGHBOURS)
    assert not comes(stage, 1)
    assert stage.hung_up[1] == "we are full"
    stage.wait(STRANGER_SECONDS)
    assert comes(stage, 2)


def test_who_moved_a_byte_does_not_yield_to_strangers() -> None:
    stage = Stage(have=FULL)
    keys = crowd(stage, MAX_NEIGHBOURS)
    using = next(key for key in keys if stage.neighbour(key).demand.unchoked)
    stage.says(using, request(0))
    stage.flushed(using, CHUNK_SIZE)
    for second in range(60):
        comes(stage, 2000 + second)
        stage.wait(1.0)
    assert using in stage.engine.neighbours


def test_the_listed_do_not_yield_to_strangers() -> None:
    stage = Stage(have=FULL)
    lists(stage, *range(1, 11))
    for key in range(1, 11):
        comes(stage, key)
        stage.says(key, m.Interested())
    for key in range(2000, 2400):
        comes(stage, key)
        stage.wait(0.2)
    assert set(range(1, 11)) <= set(stage.engine.neighbours)


def test_who_is_of_no_use_yields_to_anybody() -> None:
    stage = Stage()
    lists(stage, *range(1, MAX_NEIGHBOURS + 1))
    for key in range(1, MAX_NEIGHBOURS + 1):
        comes(stage, key)
        if key != 7:
            stage.says(key, m.Interested())
    assert not comes(stage, 2000)
    stage.wait(IDLE_SECONDS)
    assert comes(stage, 2001)
    assert stage.hung_up[7] == "we are full"


def test_strangers_from_one_address_crowd_out_each_other_first() -> None:
    stage = Stage(have=FULL)
    assert comes(stage, 1, ip="192.0.2.1")
    stage.says(1, m.Interested())
    crowd(stage, MAX_NEIGHBOURS - 1)
    for key in range(2000, 2040):
        stage.wait(STRANGER_SECONDS)
        stage.says(1, m.KeepAlive())
        comes(stage, key)
    assert 1 in stage.engine.neighbours, "the oldest, but from elsewhere"


def test_a_hundred_silent_connections_that_come_again_leave_time_to_greet() -> None:
    stage = Stage(have=FULL)
    silent = 5000
    for _ in range(20):
        for _ in range(MAX_WAITING // 2):
            silent += 1
            stage.connect(silent, address=(HERE, silent))
        key = silent = silent + 1
        stage.connect(key, address=(HERE, key))
        for _ in range(MAX_WAITING // 2):
            silent += 1
            stage.connect(silent, address=(HERE, silent))
        assert stage.greet(key, peer_id=an_id(key))
        assert key in stage.engine.neighbours
    waiting = [n for n in stage.engine.neighbours.values() if not n.greeted]
    assert len(waiting) <= MAX_WAITING


def test_whoever_fills_our_places_does_not_keep_us_from_dialling() -> None:
    stage = Stage()
    crowd(stage, MAX_NEIGHBOURS)
    dials = stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, None)), stage.now))
    assert dials == [Dial(("10.0.0.1", 6881))]
    stage.connect(1, outgoing=True)
    stage.greet(1)
    assert 1 in stage.engine.neighbours


def test_an_origin_meets_everybody() -> None:
    stage = Stage(have=FULL, offering=True)
    met: set[int] = set()
    everybody = range(1, MAX_ORIGIN_NEIGHBOURS + 51)
    for key in everybody:
        stage.note(stage.engine.granted(an_id(key), 0b1, stage.now))
    for _ in range(10):
        for key in set(everybody) - met:
            if comes(stage, key):
                met.add(key)
                stage.says(key, m.Interested(), request(0))
                stage.flushed(key, CHUNK_SIZE)
                stage.says(key, m.Haves.of(0))
        assert len(stage.engine.neighbours) <= MAX_ORIGIN_NEIGHBOURS
        stage.wait(SERVED_SECONDS / 2)
        for key in stage.engine.neighbours:
            stage.says(key, m.KeepAlive())
    assert met == set(everybody)


def test_whom_an_origin_owes_a_granted_block_stays() -> None:
    stage = Stage(have=FULL, offering=True)
    for key in range(1, MAX_ORIGIN_NEIGHBOURS + 2):
        stage.note(stage.engine.granted(an_id(key), 0b1, stage.now))
    for key in range(1, MAX_ORIGIN_NEIGHBOURS + 1):
        assert comes(stage, key)
        stage.says(key, m.Interested())
    stage.wait(SERVED_SECONDS + 1)
    assert not comes(stage, MAX_ORIGIN_NEIGHBOURS + 1)


def test_what_a_stranger_brings_counts() -> None:
    stage = Stage()
    assert comes(stage, 1)
    stage.says(1, m.Bitfield(b"\xff"), m.Unchoke(), piece(0))
    crowd(stage, MAX_NEIGHBOURS - 1)
    stage.wait(STRANGER_SECONDS)
    for key in range(2000, 2100):
        comes(stage, key)
    assert 1 in stage.engine.neighbours


def test_who_is_turned_away_is_told_nothing() -> None:
    stage = Stage(have=FULL)
    crowd(stage, MAX_NEIGHBOURS)
    stage.connect(1, address=(HERE, 1))
    assert stage.greet(1) == [HangUp(1, "we are full")]


def test_a_stranger_does_not_end_what_an_origin_has_served_for_a_while() -> None:
    stage = Stage(have=FULL, offering=True)
    for key in range(1, MAX_ORIGIN_NEIGHBOURS + 1):
        stage.note(stage.engine.granted(an_id(key), 0, stage.now))
        assert comes(stage, key)
        stage.says(key, m.Interested())
    stage.wait(SERVED_SECONDS + 1)
    assert not comes(stage, 2000)


def test_whom_we_dialled_yields_after_who_dialled_us() -> None:
    stage = Stage()
    for key in range(1, MAX_NEIGHBOURS + 1):
        comes(stage, key, outgoing=key == 1)
    stage.wait(IDLE_SECONDS)
    assert comes(stage, 2000)
    assert list(stage.hung_up) == [2]


def test_whose_places_are_taken_by_listed_peers_meets_the_origin_all_the_same() -> None:
    stage = Stage()
    lists(stage, *range(1, MAX_NEIGHBOURS + 1))
    for key in range(1, MAX_NEIGHBOURS + 1):
        comes(stage, key)
        stage.says(key, m.Interested())
    for dial in [effect for effect in stage.effects if isinstance(effect, Dial)]:
        stage.note(stage.engine.dial_failed(dial.address, stage.now))
    origin = PeerAddress("origin", HERE, 5555, an_id(999), True)
    other = PeerAddress("other", HERE, 5556, an_id(998))
    dials = stage.note(stage.engine.peers_found([other, origin], stage.now))
    assert dials == [Dial((HERE, 5555))]
    stage.connect(999, outgoing=True, address=(HERE, 5555))
    stage.greet(999, peer_id=an_id(999))
    assert stage.neighbour(999).origin
    assert len(stage.engine.neighbours) == MAX_NEIGHBOURS + 1


def test_a_peer_dials_for_fewer_than_it_takes_in() -> None:
    stage = Stage()
    for key in range(1, SEEKS):
        comes(stage, key, outgoing=True)
    found = told(*((HERE, 30_000 + number, None) for number in range(9)))
    (dial,) = [e for e in stage.note(stage.engine.peers_found(found, stage.now)) if isinstance(e, Dial)]
    stage.connect(SEEKS, outgoing=True, address=dial.address)
    assert stage.greet(SEEKS, peer_id=an_id(SEEKS)) != []
    assert not any(isinstance(effect, Dial) for effect in stage.wait(1.0))
    for key in range(SEEKS + 1, MAX_NEIGHBOURS + 1):
        assert comes(stage, key)


def test_who_is_starving_dials_for_the_places_of_the_useless() -> None:
    stage = Stage(seeks=MAX_NEIGHBOURS)
    lists(stage, *range(1, MAX_NEIGHBOURS + 1))
    for key in range(1, MAX_NEIGHBOURS + 1):
        comes(stage, key)
        if key > 3:
            stage.says(key, m.Interested())
    stage.wait(IDLE_SECONDS)
    assert stage.engine.places.room(stage.now, starving=False) == 0
    assert stage.engine.places.room(stage.now, starving=True) == 3
