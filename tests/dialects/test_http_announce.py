"""BitTorrent's HTTP dialect: raw queries in, bencode out."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.dialects.announce import Announce, AnnounceReply, Counts, Event
from minibit.dialects.http_announce import (
    MAX_QUERY,
    Form,
    decode_announce,
    decode_scrape,
    encode_failure,
    encode_reply,
    encode_scrape,
)
from minibit.dialects.refusal import RequestError
from minibit.torrent import bencode

HASH = bytes(range(236, 256))
ID = b"-LT2110-" + bytes(range(12))


def query(**fields: Any) -> bytes:
    fields = {"info_hash": HASH, "peer_id": ID, "port": 6881, "left": 5} | fields
    pairs = [f"{key}={quote(v if isinstance(v, bytes) else str(v), safe='')}" for key, v in fields.items()]
    return "&".join(pairs).encode()


@given(st.binary(max_size=300))
def test_any_query_is_parsed_or_refused(raw: bytes) -> None:
    for parse in (decode_announce, decode_scrape):
        with suppress(RequestError):
            parse(raw)


FIELD_NAMES = (
    "info_hash",
    "peer_id",
    "port",
    "uploaded",
    "downloaded",
    "left",
    "event",
    "numwant",
    "compact",
    "ip",
)


@given(
    st.dictionaries(
        st.sampled_from(FIELD_NAMES),
        st.binary(max_size=30) | st.integers() | st.text("0159-+%. aé٣", max_size=5),
    )
)
def test_a_nearly_right_query_is_parsed_or_refused(fields: dict[str, Any]) -> None:
    try:
        announce, _ = decode_announce(query(**fields))
    except RequestError:
        return
    assert 0 < announce.port <= 65535
    assert 0 <= announce.numwant <= 200
    assert announce.left is None or announce.left >= 0


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_ids_are_bytes_whatever_they_contain(info_hash: bytes, peer_id: bytes) -> None:
    announce, _ = decode_announce(query(info_hash=info_hash, peer_id=peer_id))
    assert (announce.info_hash, announce.peer_id) == (info_hash, peer_id)


def test_a_plus_sign_is_a_byte_of_an_id() -> None:
    raw = query().replace(quote(ID, safe="").encode(), b"+" * 20)
    assert decode_announce(raw)[0].peer_id == b"+" * 20


def test_what_clients_send() -> None:
    raw = query(uploaded=1, downloaded=2, event="started", numwant=80, compact=0, no_peer_id=1, ip="10.0.0.1")
    assert decode_announce(raw + b"&key=ABC&supportcrypto=1&trackerid") == (
        Announce(HASH, ID, 6881, 1, 2, 5, Event.STARTED, 80, "10.0.0.1"),
        Form(compact=False, no_peer_id=True),
    )


def test_what_clients_leave_out() -> None:
    raw = query(left="-1", numwant="-1", event="paused", ip="example.org")
    assert decode_announce(raw) == (Announce(HASH, ID, 6881), Form(compact=True, no_peer_id=False))
    assert decode_announce(query(left=""))[0].left is None
    assert decode_announce(query(numwant=10**6))[0].numwant == 200


@pytest.mark.parametrize(
    "change",
    [
        {"info_hash": b"short"},
        {"peer_id": b"x" * 21},
        {"port": 0},
        {"port": 65536},
        {"port": "abc"},
        {"left": "1e3"},
        {"left": "9" * 19},
        {"uploaded": "9" * 5000},
        {"numwant": "٣"},
        {"padding": "x" * MAX_QUERY},
    ],
)
def test_a_malformed_announce_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        decode_announce(query(**change))


PEERS = (
    PeerAddress("ana", "10.0.0.1", 258, ID),
    PeerAddress("bia", "2001:db8::1", 6881),
)


twenty = st.binary(min_size=20, max_size=20)
counters = st.integers(0, 1 << 62)
announces = st.builds(
    Announce,
    twenty,
    twenty,
    st.integers(1, 65535),
    counters,
    counters,
    st.none() | counters,
    st.sampled_from(Event),
    st.integers(0, 200),
    st.none() | st.ip_addresses().map(str).filter(lambda ip: not ip.startswith("::ffff:")),
)


@given(announces, st.builds(Form, st.booleans(), st.booleans()))
def test_an_announce_survives_the_wire(announce: Announce, form: Form) -> None:
    fields = asdict(announce) | {
        "left": "" if announce.left is None else announce.left,
        "event": announce.event.value,
        "ip": announce.ip or "",
        "compact": int(form.compact),
        "no_peer_id": int(form.no_peer_id),
    }
    assert decode_announce(query(**fields)) == (announce, form)


peers = st.builds(
    PeerAddress, st.just("ana"), st.ip_addresses().map(str), st.integers(1, 65535), st.none() | twenty
)
counts = st.integers(0, 5000)


@given(st.builds(AnnounceReply, counts, counts, counts, st.lists(peers, max_size=6).map(tuple)))
def test_a_reply_survives_the_wire(reply: AnnounceReply) -> None:
    compact = bencode.decode(encode_reply(reply, Form()))
    listed = bencode.decode(encode_reply(reply, Form(compact=False)))
    for document in (compact, listed):
        said = (document[b"interval"], document[b"complete"], document[b"incomplete"])
        assert said == (reply.interval, reply.complete, reply.incomplete)
        assert document[b"min interval"] <= reply.interval
    packed = [*unpacked(compact[b"peers"], 6), *unpacked(compact.get(b"peers6", b""), 18)]
    assert sorted(packed) == sorted((peer.ip, peer.port) for peer in reply.peers)
    assert [(peer[b"ip"].decode(), peer[b"port"], peer.get(b"peer id")) for peer in listed[b"peers"]] == [
        (peer.ip, peer.port, peer.bt_id) for peer in reply.peers
    ]


def unpacked(packed: bytes, size: int) -> Iterator[tuple[str, int]]:
    assert len(packed) % size == 0
    for at in range(0, len(packed), size):
        one = packed[at : at + size]
        yield str(ipaddress.ip_address(one[:-2])), int.from_bytes(one[-2:], "big")


def test_replies() -> None:
    reply = AnnounceReply(120, 3, 4, PEERS)
    compact = bencode.decode(encode_reply(reply, Form()))
    assert compact[b"interval"] == 120
    assert (compact[b"complete"], compact[b"incomplete"]) == (3, 4)
    assert (len(compact[b"peers"]), len(compact[b"peers6"])) == (6, 18)
    assert b"peers6" not in bencode.decode(encode_reply(AnnounceReply(120, 3, 4, PEERS[:1]), Form()))
    assert bencode.decode(encode_reply(reply, Form(compact=False)))[b"peers"] == [
        {b"ip": b"10.0.0.1", b"port": 258, b"peer id": ID},
        {b"ip": b"2001:db8::1", b"port": 6881},
    ]
    anonymous = bencode.decode(encode_reply(reply, Form(compact=False, no_peer_id=True)))[b"peers"]
    assert anonymous[0] == {b"ip": b"10.0.0.1", b"port": 258}
    assert bencode.decode(encode_failure("no")) == {b"failure reason": b"no"}


@given(st.dictionaries(twenty, st.builds(Counts, counts, counts, counts), max_size=5))
def test_a_scrape_survives_the_wire(known: dict[bytes, Counts]) -> None:
    raw = b"&".join(b"info_hash=" + quote(info_hash, safe="").encode() for info_hash in known)
    assert decode_scrape(raw) == tuple(known)
    files = bencode.decode(encode_scrape(known))[b"files"]
    fields = (b"complete", b"downloaded", b"incomplete")
    assert {key: Counts(*(entry[field] for field in fields)) for key, entry in files.items()} == known


def test_scrapes() -> None:
    raw = b"info_hash=" + quote(HASH, safe="").encode()
    assert decode_scrape(b"") == ()
    assert decode_scrape(raw + b"&" + raw) == (HASH, HASH)
    with pytest.raises(RequestError, match="at most"):
        decode_scrape(b"&".join([raw] * 65))
    with pytest.raises(RequestError, match="20"):
        decode_scrape(b"info_hash=abc")
    assert bencode.decode(encode_scrape({HASH: Counts(1, 2, 3)})) == {
        b"files": {HASH: {b"complete": 1, b"downloaded": 2, b"incomplete": 3}}
    }
