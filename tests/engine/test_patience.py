"""Floods of messages that change nothing, through the engine: who sends them is heard for a while only."""

from collections.abc import Callable
from itertools import count

import pytest
from fakes.puppets import FULL, LAYOUT, Stage, both, cancel, request

from minibit.engine.patience import NEEDLESS_BURST, NEEDLESS_PER_SECOND
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

ENOUGH = "says too much that changes nothing"
HELLO = m.Extended(0, ExtendedHandshake().encode())

FLOODS: dict[str, Callable[[int], list[m.Message]]] = {
    "interested and not": lambda n: [m.Interested() if n % 2 else m.NotInterested()],
    "tiny extended handshakes": lambda _: [HELLO],
    "have and keep-alive": lambda _: [m.Have(0), m.KeepAlive()],
    "the same have": lambda _: [m.Have(0)],
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
        assert said <= 2 * NEEDLESS_BURST + 10
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
        stage.says(1, m.Have(block), m.AllowedFast(block))
        stage.says(2, *both(block))
        stage.verified(block)
    assert stage.hung_up == {}
