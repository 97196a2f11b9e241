"""The JSON dialect's replies: what a stranger answers is read or taken for none, what we answer survives."""

import json
from contextlib import suppress

import pytest
from fakes.drawn import COUNT, FIELDS, ID, blocks, ids, ips, json_values, names, over_the_wire, ports
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.dialects.json_replies import (
    MAX_ENTRIES_READ,
    Farewell,
    Listing,
    PeerEntry,
    Refusal,
    Welcome,
    block_list,
    full_text,
)
from minibit.dialects.refusal import RequestError

REPLY_FIELDS = (
    *("status", "mensagem", "blocos_iniciais", "concedidos", "peers", "peer"),
    *("intervalo", "total", "registrado", "timestamp"),
)
replies = json_values | st.dictionaries(st.sampled_from(FIELDS + REPLY_FIELDS), json_values, max_size=9)


@given(replies)
def test_whatever_a_stranger_replies_is_read_or_taken_for_none(reply: object) -> None:
    for parse in (
        lambda: Welcome.from_json(reply, COUNT),
        lambda: Listing.from_json(reply),
        lambda: PeerEntry.from_json(reply),
        lambda: Farewell.from_json(reply),
        lambda: Refusal.from_json(reply),
    ):
        with suppress(ValueError):
            parse()


entries = st.builds(
    PeerEntry,
    st.builds(PeerAddress, names, ips, ports, ids, st.booleans()),
    st.floats(0, 1e10),
)
intervals = st.floats(0.5, 30)
lists = st.lists(entries, max_size=5).map(tuple)


@given(st.builds(Welcome, names, blocks, blocks, lists, intervals))
def test_a_welcome_survives_the_wire(welcome: Welcome) -> None:
    assert Welcome.from_json(over_the_wire(welcome.to_json()), COUNT) == welcome


@given(st.builds(Listing, st.booleans(), st.integers(0, 5000), lists, intervals))
def test_a_listing_survives_the_wire(listing: Listing) -> None:
    assert Listing.from_json(over_the_wire(listing.to_json())) == listing


@given(st.builds(Farewell, names))
def test_a_farewell_survives_the_wire(farewell: Farewell) -> None:
    assert Farewell.from_json(over_the_wire(farewell.to_json())) == farewell


@given(st.builds(Refusal, names, st.none() | entries))
def test_a_refusal_survives_the_wire(refusal: Refusal) -> None:
    assert Refusal.from_json(over_the_wire(refusal.to_json())) == refusal


@given(
    st.builds(Welcome, names, blocks, blocks, lists, intervals)
    | st.builds(Listing, st.booleans(), st.integers(0, 5000), lists, intervals),
    blocks,
)
def test_a_full_text_is_the_reply_with_every_peers_blocks(reply: Welcome | Listing, held: int) -> None:
    full = replace(reply, entries=tuple(replace(entry, blocks=held) for entry in reply.entries))
    asked: list[int] = []

    def kept(blocks: int) -> str:
        asked.append(blocks)
        return block_list(blocks)

    document = json.loads(full_text(full, kept))
    assert asked == [held] * len(reply.entries)
    assert [peer.pop("blocks") for peer in document["peers"]] == [list(bitfield.indices(held)) for _ in asked]
    assert document == over_the_wire(reply.to_json())


def test_a_listed_peer_is_what_the_contract_says() -> None:
    entry = PeerEntry(PeerAddress("ana", "::1", 5001, ID, True), 1000.5, 3)
    assert entry.to_json() == {
        "peer_id": "ana",
        "ip": "::1",
        "porta": 5001,
        "timestamp": 1000.5,
        "bt_id": ID.hex(),
        "origin": True,
    }
    with pytest.raises(RequestError):
        PeerEntry.from_json(entry.to_json() | {"ip": "example.org"})


def test_addresses_that_cannot_be_dialled_are_left_out() -> None:
    good = {"peer_id": "bia", "ip": "10.0.0.1", "porta": 5002}
    bad = ({"ip": "example.org"}, {"porta": 0}, {"bt_id": "x"}, {"peer_id": "\x1b"})
    reply = {"peers": [good, *(good | change for change in bad), 7]}
    assert Listing.from_json(reply).entries == (PeerEntry(PeerAddress("bia", "10.0.0.1", 5002)),)


def test_a_list_without_end_is_cut_off() -> None:
    reply = {"peers": [{"peer_id": "bia", "ip": "10.0.0.1", "porta": 5002}] * (MAX_ENTRIES_READ + 1)}
    assert len(Listing.from_json(reply).entries) == MAX_ENTRIES_READ


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (2, 2.0),
        (0.001, 0.5),
        (0, 10.0),
        (-1, 10.0),
        (9999, 10.0),
        (float("nan"), 10.0),
        ("x", 10.0),
        (True, 10.0),
        (None, 10.0),
    ],
)
def test_an_interval_that_makes_no_sense_is_our_own(said: object, kept: float) -> None:
    assert Listing.from_json({"peers": [], "intervalo": said}).interval == kept


@pytest.mark.parametrize("blocks", [None, 3, [99], [-1], ["x"], [[]], [True], {}, [0] * (COUNT + 1)])
@pytest.mark.parametrize("field", ["concedidos", "blocos_iniciais"])
def test_what_is_no_list_of_blocks_is_no_grant(field: str, blocks: object) -> None:
    reply = {"concedidos": [], "blocos_iniciais": [], "peers": []}
    assert Welcome.from_json(reply, COUNT).granted == 0
    with pytest.raises(ValueError, match=field):
        Welcome.from_json(reply | {field: blocks}, COUNT)


def test_a_refusal_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        Refusal.from_json({"mensagem": 7})
    assert Refusal.from_json({"mensagem": "no\x1b[2J\nway", "peer": {}}) == Refusal("no[2Jway")
