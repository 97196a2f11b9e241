"""The JSON dialect's requests: strict on what comes in, symmetrical in what goes out."""

from contextlib import suppress

import pytest
from fakes.drawn import COUNT, FIELDS, ID, blocks, ids, ips, json_values, names, over_the_wire, ports
from hypothesis import given
from hypothesis import strategies as st

from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, State

bodies = json_values | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)
blocks_or_none = st.none() | blocks


@given(bodies)
def test_whatever_a_stranger_posts_is_parsed_or_refused(body: object) -> None:
    for parse in (
        lambda: Registration.from_json(body, COUNT),
        lambda: Heartbeat.from_json(body, COUNT),
        lambda: Goodbye.from_json(body),
    ):
        with suppress(RequestError):
            parse()


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


def test_a_brief_list_has_at_most_fifty_peers() -> None:
    assert ListingQuery.from_query({"brief": "1"}).numwant == 50
    assert ListingQuery.from_query({"brief": "1", "numwant": "500"}).numwant == 50
    assert ListingQuery.from_query({"numwant": "500"}).numwant == 500


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


def test_a_goodbye_needs_a_name() -> None:
    assert Goodbye.from_json({"peer_id": "ana"}) == Goodbye("ana")
    assert Goodbye.from_json({"peer_id": "ana", "bt_id": ID.hex()}) == Goodbye("ana", ID)
    with pytest.raises(RequestError, match="peer_id"):
        Goodbye.from_json({"peer_id": ["ana"]})
