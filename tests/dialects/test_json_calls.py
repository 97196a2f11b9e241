"""MiniBit's JSON dialect: strict on what comes in, symmetrical in what goes out."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.dialects.json_calls import (
    MAX_ENTRIES_READ,
    Goodbye,
    Heartbeat,
    Listing,
    ListingQuery,
    PeerEntry,
    Refusal,
    Registration,
    Welcome,
    block_list,
    full_text,
)
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, State
from minibit.text import name_fault

COUNT = 20
ID = bytes(range(20))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=25) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=30,
)
FIELDS = ("peer_id", "ip", "porta", "blocks", "bt_id", "bitfield", "substituir", "figures", "origin")
bodies = json_values | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)


@given(bodies)
def test_whatever_a_stranger_posts_is_parsed_or_refused(body: object) -> None:
    for parse in (
        lambda: Registration.from_json(body, COUNT),
        lambda: Heartbeat.from_json(body, COUNT),
        lambda: Goodbye.from_json(body),
    ):
        with suppress(RequestError):
            parse()


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
        lambda: Refusal.from_json(reply),
    ):
        with suppress(ValueError):
            parse()


def over_the_wire(document: object) -> Any:
    return json.loads(json.dumps(document))


names = st.text(min_size=1, max_size=32).filter(lambda name: name_fault(name) is None)
ips = st.ip_addresses().map(str).filter(lambda ip: not ip.startswith("::ffff:"))
blocks = st.integers(0, bitfield.full(COUNT))
blocks_or_none = st.none() | blocks
ids = st.none() | st.binary(min_size=20, max_size=20)
ports = st.integers(1, 65535)
entries = st.builds(
    PeerEntry,
    st.builds(PeerAddress, names, ips, ports, ids, st.booleans()),
    st.floats(0, 1e10),
)
intervals = st.floats(0.5, 30)
lists = st.lists(entries, max_size=5).map(tuple)


@given(st.builds(Registration, names, ports, st.none() | ips, blocks_or_none, ids, st.booleans()))
def test_a_registration_survives_the_wire(registration: Registration) -> None:
    assert Registration.from_json(over_the_wire(registration.to_json(COUNT)), COUNT) == registration


@given(blocks_or_none, ids)
def test_a_heartbeat_survives_the_wire(blocks: int | None, bt_id: bytes | None) -> None:
    heartbeat = Heartbeat(bt_id, blocks, Figures(State.COMPLETE, down_rate=2.5, fixed=("bia",)))
    assert Heartbeat.from_json(over_the_wire(heartbeat.to_json(COUNT)), COUNT) == heartbeat
    assert Heartbeat.from_json({}, COUNT) == Heartbeat()


@given(st.builds(Goodbye, names, ids))
def test_a_goodbye_survives_the_wire(goodbye: Goodbye) -> None:
    assert Goodbye.from_json(over_the_wire(goodbye.to_json())) == goodbye


@given(st.builds(ListingQuery, st.none() | names, st.just(False), st.none() | st.integers(0, 999_999)))
def test_a_query_for_a_full_list_survives_the_wire(query: ListingQuery) -> None:
    assert ListingQuery.from_query(query.to_query()) == query


@given(st.builds(ListingQuery, st.none() | names, st.just(True), st.integers(0, 50)))
def test_a_query_for_a_brief_list_survives_the_wire(query: ListingQuery) -> None:
    assert ListingQuery.from_query(query.to_query()) == query


def test_a_brief_list_is_of_fifty() -> None:
    assert ListingQuery.from_query({"brief": "1"}).numwant == 50
    assert ListingQuery.from_query({"brief": "1", "numwant": "500"}).numwant == 50
    assert ListingQuery.from_query({"numwant": "500"}).numwant == 500


@given(st.builds(Welcome, names, blocks, blocks, lists, intervals))
def test_a_welcome_survives_the_wire(welcome: Welcome) -> None:
    assert Welcome.from_json(over_the_wire(welcome.to_json()), COUNT) == welcome


@given(st.builds(Listing, st.booleans(), st.integers(0, 5000), lists, intervals))
def test_a_listing_survives_the_wire(listing: Listing) -> None:
    assert Listing.from_json(over_the_wire(listing.to_json())) == listing


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


def test_the_contract_needs_a_name_and_a_port_only() -> None:
    body = {"peer_id": "ana", "porta": 5001}
    assert Registration.from_json(body, COUNT) == Registration("ana", 5001)
    body |= {"ip": "10.0.0.7", "blocks": [0, 3, 3], "unknown": 1}
    assert Registration.from_json(body, COUNT) == Registration("ana", 5001, "10.0.0.7", 0b1001)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"peer_id": None}, "peer_id"),
        ({"peer_id": ""}, "peer_id"),
        ({"peer_id": 7}, "peer_id"),
        ({"peer_id": "a" * 33}, "peer_id"),
        ({"peer_id": "an\x1b[31ma"}, "peer_id"),
        ({"peer_id": " ana"}, "peer_id"),
        ({"peer_id": "\ud800"}, "peer_id"),
        ({"peer_id": "origin"}, "tracker's own"),
        ({"peer_id": "Origin"}, "tracker's own"),
        ({"porta": None}, "porta"),
        ({"porta": 0}, "porta"),
        ({"porta": 65536}, "porta"),
        ({"porta": True}, "porta"),
        ({"porta": "5001"}, "porta"),
        ({"porta": 5001.0}, "porta"),
        ({"ip": 7}, "ip"),
        ({"substituir": 1}, "substituir"),
        ({"blocks": "0"}, "blocks"),
        ({"blocks": [True]}, "blocks"),
        ({"blocks": [1.0]}, "blocks"),
        ({"blocks": [COUNT]}, "0 to 19"),
        ({"blocks": [-1]}, "0 to 19"),
        ({"blocks": [0] * (COUNT + 1)}, "at most 20"),
        ({"bitfield": 7}, "bitfield"),
        ({"bitfield": "zz"}, "bitfield"),
        ({"bitfield": "00"}, "bitfield"),
        ({"bitfield": "00000f"}, "spare"),
        ({"bt_id": 7}, "bt_id"),
        ({"bt_id": "ab" * 19}, "bt_id"),
        ({"bt_id": "ab" * 19 + "  "}, "bt_id"),
    ],
)
def test_a_wrong_registration_is_told_what_is_wrong(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        Registration.from_json({"peer_id": "ana", "porta": 5001} | change, COUNT)


def test_wrong_figures_are_named_briefly() -> None:
    with pytest.raises(RequestError, match="figures") as caught:
        Heartbeat.from_json({"figures": {"state": "x" * 100_000}}, COUNT)
    assert len(str(caught.value)) < 200


def test_goodbye() -> None:
    assert Goodbye.from_json({"peer_id": "ana"}) == Goodbye("ana")
    assert Goodbye.from_json({"peer_id": "ana", "bt_id": ID.hex()}) == Goodbye("ana", ID)
    with pytest.raises(RequestError, match="peer_id"):
        Goodbye.from_json({"peer_id": ["ana"]})


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
def test_a_grant_that_is_none(field: str, blocks: object) -> None:
    reply = {"concedidos": [], "blocos_iniciais": [], "peers": []}
    assert Welcome.from_json(reply, COUNT).granted == 0
    with pytest.raises(ValueError, match=field):
        Welcome.from_json(reply | {field: blocks}, COUNT)


def test_a_refusal_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        Refusal.from_json({"mensagem": 7})
    assert Refusal.from_json({"mensagem": "no\x1b[2J\nway", "peer": {}}) == Refusal("no[2Jway")
