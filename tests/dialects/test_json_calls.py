"""MiniBit's JSON dialect: strict on what comes in, symmetrical in what goes out."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.address import PeerAddress, believed_ip, ip_literal, is_loopback, is_nowhere
from minibit.dialects.json_calls import (
    Heartbeat,
    PeerEntry,
    Registration,
    RequestError,
    address_from_json,
    goodbye_from_json,
    seen_ip,
)
from minibit.snapshot import Figures, State

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
        lambda: address_from_json(body),
        lambda: goodbye_from_json(body),
    ):
        with suppress(RequestError):
            parse()


blocks_or_none = st.none() | st.integers(0, bitfield.full(COUNT))
ids = st.none() | st.binary(min_size=20, max_size=20)


@given(st.integers(1, 65535), blocks_or_none, ids, st.booleans(), st.none() | st.ip_addresses().map(str))
def test_a_registration_survives_the_wire(
    port: int, blocks: int | None, bt_id: bytes | None, replace: bool, ip: str | None
) -> None:
    registration = Registration("ana", port, ip, blocks, bt_id, replace)
    assert Registration.from_json(registration.to_json(COUNT), COUNT) == registration


@given(blocks_or_none, ids)
def test_a_heartbeat_survives_the_wire(blocks: int | None, bt_id: bytes | None) -> None:
    heartbeat = Heartbeat(bt_id, blocks, Figures(State.COMPLETE, down_rate=2.5, fixed=("bia",)))
    assert Heartbeat.from_json(heartbeat.to_json(COUNT), COUNT) == heartbeat
    assert Heartbeat.from_json({}, COUNT) == Heartbeat()


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
    assert goodbye_from_json({"peer_id": "ana"}) == ("ana", None)
    assert goodbye_from_json({"peer_id": "ana", "bt_id": ID.hex()}) == ("ana", ID)
    with pytest.raises(RequestError, match="peer_id"):
        goodbye_from_json({"peer_id": ["ana"]})


def test_a_listed_peer_is_read_back_as_its_address() -> None:
    address = PeerAddress("ana", "::1", 5001, ID, True)
    entry = PeerEntry(address, 1000.5, 3).to_json()
    assert entry["timestamp"] == 1000.5
    assert address_from_json(entry) == address
    with pytest.raises(RequestError):
        address_from_json(entry | {"ip": "example.org"})


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("FE80::1%eth0", "fe80::1"),
        ("localhost", None),
        ("1.2.3.4%eth0", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_ip_literals_are_canonical(text: object, literal: str | None) -> None:
    assert ip_literal(text) == literal


@pytest.mark.parametrize(
    ("claimed", "remote", "counts"),
    [
        (None, "203.0.113.5", "203.0.113.5"),
        ("10.9.9.9", "127.0.0.1", "10.9.9.9"),
        ("10.9.9.9", "192.168.1.5", "10.9.9.9"),
        ("10.9.9.9", "::ffff:192.168.1.5", "10.9.9.9"),
        ("10.9.9.9", "8.8.8.8", "8.8.8.8"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "192.168.1.5", "192.168.1.5"),
        ("0.0.0.0", "192.168.1.5", "192.168.1.5"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("224.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_claimed_address_counts_from_nearby_only(claimed: str | None, remote: str, counts: str) -> None:
    assert believed_ip(claimed, remote) == counts


def test_an_invisible_remote_is_refused() -> None:
    with pytest.raises(RequestError):
        seen_ip("")


def test_loopback_and_nowhere() -> None:
    assert [ip for ip in ("127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "") if is_loopback(ip)] == [
        "127.0.0.1",
        "::1",
    ]
    assert [ip for ip in ("127.0.0.1", "::", "0.0.0.0", "10.0.0.1") if is_nowhere(ip)] == [
        "127.0.0.1",
        "::",
        "0.0.0.0",
    ]
