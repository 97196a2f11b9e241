"""JSON from a stranger: so much of it and no more, counted before anything is built."""

import json
from random import Random

import pytest
from fakes.drawn import json_values
from fakes.pictures import swarm_view
from hypothesis import given

from minibit.address import PeerAddress
from minibit.dialects import json_fields
from minibit.dialects.json_fields import MAX_LISTED, MAX_PARTS_ANSWERED, MAX_PARTS_ASKED
from minibit.dialects.json_replies import Listing, PeerEntry, Welcome
from minibit.dialects.json_requests import Heartbeat
from minibit.dialects.refusal import RequestError
from minibit.snapshot import MAX_FIXED_NAMED, Figures, SwarmStatus
from minibit.torrent.layout import MAX_BLOCKS
from minibit.tracker.peer_manager import MAX_ACTIVE


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"{}," * 5000 + b"{}]",
        b"[" + b"[]," * 5000 + b"[]]",
        b"[" * 5000,
        b"{" + b",".join(b'"k%d":0' % key for key in range(5000)) + b"}",
        json.dumps([{}] * 5000).encode("utf-16"),
        b"[" + b"0," * (MAX_LISTED + 1) + b"0]",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_three_bytes_for_each_empty_object_build_nothing(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[bytes] = []
    monkeypatch.setattr(json, "loads", built.append)
    with pytest.raises(RequestError, match="more than 4096 objects, lists and fields"):
        json_fields.document(text, max_parts=MAX_PARTS_ASKED)
    assert built == []


def test_thirty_megabytes_of_empty_objects_are_refused() -> None:
    with pytest.raises(RequestError, match="more than 262144 objects"):
        json_fields.document(b"[" + b"{}," * 10_000_000 + b"{}]", max_parts=MAX_PARTS_ANSWERED)


@given(json_values)
def test_what_is_small_is_read(value: object) -> None:
    text = json.dumps(value)
    assert json.dumps(json_fields.document(text.encode(), max_parts=MAX_PARTS_ASKED)) == text


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"\xff", b"[1,]", b"[" * 4096, b"1" * 5000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(RequestError, match="not valid JSON"):
        json_fields.document(text, max_parts=MAX_PARTS_ASKED)


def test_the_most_that_our_own_say_is_within_the_bounds() -> None:
    crowd = swarm_view(tuple(f"peer{number}" for number in range(MAX_ACTIVE)))
    status = json.dumps(crowd.to_json()).encode()
    found = SwarmStatus.from_json(json_fields.document(status, max_parts=MAX_PARTS_ANSWERED))
    assert len(found.rows) == MAX_ACTIVE + 1

    half = sum(1 << block for block in Random(1).sample(range(MAX_BLOCKS), 1000)) | (1 << MAX_BLOCKS // 2) - 1
    entry = PeerEntry(PeerAddress("ana", "192.0.2.1", 5001, bytes(20)))
    welcome = Welcome("come in", half, half, (entry,) * 50, 10.0)
    text = json.dumps(welcome.to_json()).encode()
    assert Welcome.from_json(json_fields.document(text, max_parts=MAX_PARTS_ANSWERED), MAX_BLOCKS) == welcome

    full = json.dumps(Listing(True, 1000, (entry,) * 1000, 10.0).to_json()).encode()
    assert json_fields.document(full, max_parts=MAX_PARTS_ANSWERED)["total"] == 1000

    beat = Heartbeat(bytes(20), 3, Figures(fixed=("[2001:db8::1]:6881",) * MAX_FIXED_NAMED))
    said = json.dumps(beat.to_json(20)).encode()
    assert Heartbeat.from_json(json_fields.document(said, max_parts=MAX_PARTS_ASKED), 20) == beat
