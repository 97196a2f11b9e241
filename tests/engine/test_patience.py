"""Floods of messages that change nothing, through the engine: who sends them is heard for a while only."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from fakes.puppets import FULL, LAYOUT, Stage, both, cancel, request, told

from minibit.engine.patience import (
    FIRST_WORDS,
    MAX_ACCOUNTS,
    NEEDLESS_BURST,
    NEEDLESS_PER_SECOND,
    Accounts,
    Patience,
)
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

HERE = "127.0.0.1"
ENOUGH = "says too much that changes nothing"
HELLO = m.Extended(0, ExtendedHandshake().encode())

FLOODS: dict[str, Callable[[int], list[m.Message]]] = {
    "interested and not": lambda n: [m.Interested() if n % 2 else m.NotInterested()],
    "tiny extended handshakes": lambda _: [HELLO],
    "have and keep-alive": lambda _: [m.Haves.of(0), m.KeepAlive()],
    "the same have": lambda _: [m.Haves.of(0)],
    "cancel": lambda n: [cancel(n % 8)],
    "request and cancel": lambda n: [request(n % 8), cancel(n % 8)],
    "choke and unchoke": lambda n: [m.Choke() if n % 2 else m.Unchoke()],
    "the same bitfield": lambda _: [m.Bitfield(b"\x80")],
    "the same allowed block": lambda _: [m.AllowedFast(0)],
    "what nobody knows": lambda _: [m.Unknown(99, 0)],
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_messages_that_change_nothing_costs_its_sender_the_connection(name: str) -> None:
    stage = Stage(have=FULL ^ 0b1, upload_limit=1.0)
    stage.puppet(1)
    stage.puppet(2)
    said = 0
    for n in count():
        flood = FLOODS[name](n)
        stage.note(stage.engine.happened([(1, flood)], stage.now))
        said += len(flood)
        if 1 not in stage.engine.neighbours:
            break
        assert said <= 2 * (NEEDLESS_BURST + FIRST_WORDS) + 10
    assert stage.hung_up == {1: ENOUGH}


def test_small_talk_at_a_bearable_rate_goes_on_for_ever() -> None:
    stage = Stage()
    stage.puppet(1)
    for _ in range(600):
        stage.says(1, *[m.KeepAlive()] * int(NEEDLESS_PER_SECOND))
        stage.wait(1.0)
    assert stage.hung_up == {}


def test_who_trades_may_talk() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, interested=True)
    for _ in range(int(NEEDLESS_BURST)):
        stage.says(1, request(0), m.KeepAlive(), m.KeepAlive(), m.KeepAlive())
        stage.flushed(1, CHUNK_SIZE)
    assert stage.hung_up == {}


def test_news_is_never_too_much() -> None:
    stage = Stage()
    stage.puppet(1)
    stage.puppet(2, have=FULL, unchokes=True)
    for block in range(LAYOUT.block_count):
        stage.says(1, m.Haves.of(block), m.AllowedFast(block))
        stage.says(2, *both(block))
        stage.verified(block)
    assert stage.hung_up == {}


# --- one connection after another


def floods(stage: Stage, key: int, **connection: Any) -> int:
    """How many messages that change nothing are heard from a new connection before it is hung up on."""
    stage.connect(key, **{"address": (HERE, 40000 + key)} | connection)
    stage.greet(key, peer_id=key.to_bytes(20, "big"))
    for said in count():
        if key not in stage.engine.neighbours:
            return said
        assert said < 2 * NEEDLESS_BURST
        stage.says(key, m.KeepAlive() if said else m.HaveNone())
    raise AssertionError


def test_a_flooder_that_comes_again_does_not_bring_a_fresh_allowance() -> None:
    stage = Stage(have=FULL)
    assert floods(stage, 1) > NEEDLESS_BURST
    for key in range(2, 100):
        assert floods(stage, key) <= FIRST_WORDS + 1


def test_nor_by_many_connections_at_a_time() -> None:
    stage = Stage(have=FULL)
    keys = range(1, 41)
    for key in keys:
        stage.puppet(key, peer_id=key.to_bytes(20, "big"), address=(HERE, key))
    heard = 0
    while stage.engine.neighbours:
        for key in list(stage.engine.neighbours):
            stage.says(key, m.KeepAlive())
            heard += 1
    assert heard <= NEEDLESS_BURST + len(keys) * (FIRST_WORDS + 1)


def test_a_flooder_is_forgiven_in_time() -> None:
    stage = Stage(have=FULL)
    first = floods(stage, 1)
    assert floods(stage, 2) < first / 2
    stage.wait(NEEDLESS_BURST / NEEDLESS_PER_SECOND)
    assert floods(stage, 3) >= first - 10


def test_who_shares_a_flooders_address_is_heard() -> None:
    stage = Stage(have=FULL)
    stage.note(stage.engine.peers_found(told((HERE, 5001, b"L" * 20)), stage.now))
    floods(stage, 1)
    stage.connect(2, address=(HERE, 40002))
    stage.greet(2, peer_id=b"S" * 20)
    stage.says(2, m.HaveNone(), HELLO, m.Interested(), *[m.KeepAlive()] * 20)
    assert 2 in stage.engine.neighbours, "a stranger has a few words of its own"
    stage.says(2, request(0))
    for _ in range(int(NEEDLESS_BURST)):
        stage.says(2, request(0), m.KeepAlive(), m.KeepAlive(), m.KeepAlive())
        stage.flushed(2, CHUNK_SIZE)
    assert 2 in stage.engine.neighbours, "and more when it trades"
    stage.connect(3, address=(HERE, 40003))
    stage.greet(3, peer_id=b"L" * 20)
    stage.says(3, m.HaveNone(), *[m.KeepAlive()] * int(NEEDLESS_BURST))
    assert 3 in stage.engine.neighbours, "who is listed has an account of its own"


def test_news_does_not_need_patience() -> None:
    stage = Stage()
    stage.puppet(1)
    stage.says(1, *[m.KeepAlive()] * FIRST_WORDS)
    floods(stage, 2, address=stage.neighbour(1).address)
    for block in range(LAYOUT.block_count):
        stage.says(1, m.Haves.of(block))
    assert 1 in stage.engine.neighbours


def test_the_accounts_of_any_number_of_addresses_are_bounded() -> None:
    accounts = Accounts()
    for number in range(2 * MAX_ACCOUNTS):
        accounts.lose(Patience(0.0), number.to_bytes(4, "big"), FIRST_WORDS, 0.0)
        spent = Patience(0.0)
        spent.lose(FIRST_WORDS, 0.0)
        accounts.lose(spent, number.to_bytes(4, "big"), 1, 0.0)
    assert len(accounts._left) == MAX_ACCOUNTS
