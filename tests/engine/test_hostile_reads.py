"""What one read full of nonsense may cost: counted in Python calls, which are the same on every machine."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from fakes.puppets import FULL, LAYOUT, Stage, piece, request

from minibit.engine.journal import Chosen
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

MESSAGES = 5_000
CALLS_EACH = 16  # of our functions, for one message


def calls(work: Callable[[], object]) -> int:
    """How many Python functions are called while this runs."""
    count = 0

    def counts(_frame: object, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counts)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


FLOODS: dict[str, list[m.Message]] = {
    "interest and its end": [m.Interested(), m.NotInterested()],
    "haves": [m.Haves.of(0)],
    "keep-alives": [m.KeepAlive()],
    "chokes": [m.Choke(), m.Unchoke()],
    "whole bitfields": [m.Bitfield(b"\xff")],
    "have all, have none": [m.HaveAll(), m.HaveNone()],
    "tiny hellos": [m.Extended(0, ExtendedHandshake().encode())],
    "extensions that nobody speaks": [m.Extended(9, b"x")],
    "allowed blocks": [m.AllowedFast(0)],
    "cancels of nothing": [m.Cancel(0, 0, 16384)],
    "rejections of nothing": [m.RejectRequest(0, 0, 16384)],
}


@pytest.mark.parametrize("known", [True, False], ids=["a share", "no share yet"])
@pytest.mark.parametrize("flood", FLOODS, ids=str)
def test_a_flood_costs_a_constant_per_message_and_is_settled_once(flood: str, known: bool) -> None:
    chosen: list[object] = []
    stage = Stage(
        have=0b1 if known else 0,
        layout=LAYOUT if known else None,
        journal=lambda entry: chosen.append(entry) if isinstance(entry, Chosen) else None,
    )
    stage.puppet(1, have=FULL if known else 0, interested=True)
    stage.puppet(2, have=FULL if known else 0, interested=True)
    chosen.clear()
    said = FLOODS[flood] * (MESSAGES // len(FLOODS[flood]))
    cost = calls(lambda: stage.note(stage.engine.happened([(1, said)], stage.now)))
    assert cost <= CALLS_EACH * len(said), f"{cost / len(said):.1f} calls for each message"
    assert len(chosen) <= 1, "the slots are dealt once, however often somebody came and went"


def test_unasked_pieces_and_refused_requests_end_the_connection_soon() -> None:
    for message in (piece(3), request(5)):
        stage = Stage(have=0b1)
        stage.puppet(1, have=FULL)
        stage.note(stage.engine.happened([(1, [message] * MESSAGES)], stage.now))
        assert set(stage.hung_up) == {1}


def test_a_batch_of_many_neighbours_is_settled_once() -> None:
    chosen: list[object] = []
    stage = Stage(have=FULL, journal=chosen.append)
    for key in range(1, 40):
        stage.puppet(key)
    chosen.clear()
    batch: list[tuple[int, list[m.Handshake | m.Message]]] = [(key, [m.Interested()]) for key in range(1, 40)]
    stage.note(stage.engine.happened(batch, stage.now))
    assert len(chosen) == 1
