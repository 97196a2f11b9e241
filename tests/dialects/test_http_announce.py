"""BitTorrent's HTTP dialect: raw queries in, bencode out."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.dialects.http_announce import (
    MAX_QUERY,
    Announce,
    AnnounceReply,
    Counts,
    Event,
    compact_peers,
    encode_scrape,
    failure,
    parse_scrape,
)
from minibit.dialects.json_calls import RequestError
from minibit.torrent import bencode

HASH = bytes(range(236, 256))
ID = b"-LT2110-" + bytes(range(12))


def query(**fields: bytes | str | int) -> bytes:
    fields = {"info_hash": HASH, "peer_id": ID, "port": 6881, "left": 5} | fields
    pairs = [f"{key}={quote(v if isinstance(v, bytes) else str(v), safe='')}" for key, v in fields.items()]
    return "&".join(pairs).encode()


@given(st.binary(max_size=300))
def test_any_query_is_parsed_or_refused(raw: bytes) -> None:
    for parse in (Announce.from_query, parse_scrape):
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
        st.sampled_from(FIELD_NAMES), st.binary(max_size=30) | st.integers() | st.text(max_size=5)
    )
)
def test_a_nearly_right_query_is_parsed_or_refused(fields: dict[str, bytes | str | int]) -> None:
    try:
        announce = Announce.from_query(query(**fields))
    except RequestError:
        return
    assert 0 < announce.port <= 65535
    assert 0 <= announce.numwant <= 200
    assert announce.left is None or announce.left >= 0


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_ids_are_bytes_whatever_they_contain(info_hash: bytes, peer_id: bytes) -> None:
    announce = Announce.from_query(query(info_hash=info_hash, peer_id=peer_id))
    assert (announce.info_hash, announce.peer_id) == (info_hash, peer_id)


def test_a_plus_sign_is_a_byte_of_an_id() -> None:
    raw = query().replace(quote(ID, safe="").encode(), b"+" * 20)
    assert Announce.from_query(raw).peer_id == b"+" * 20


def test_what_clients_send() -> None:
    raw = query(uploaded=1, downloaded=2, event="started", numwant=80, compact=0, no_peer_id=1, ip="10.0.0.1")
    assert Announce.from_query(raw + b"&key=ABC&supportcrypto=1&trackerid") == Announce(
        HASH, ID, 6881, 1, 2, 5, Event.STARTED, 80, "10.0.0.1", compact=False, no_peer_id=True
    )


def test_what_clients_leave_out() -> None:
    announce = Announce.from_query(query(left="-1", numwant="-1", event="paused", ip="example.org"))
    assert announce == Announce(HASH, ID, 6881)
    assert Announce.from_query(query(left="")).left is None
    assert Announce.from_query(query(numwant=10**6)).numwant == 200


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
def test_a_malformed_announce_is_refused(change: dict[str, bytes | str | int]) -> None:
    with pytest.raises(RequestError):
        Announce.from_query(query(**change))


PEERS = (
    PeerAddress("ana", "10.0.0.1", 258, ID),
    PeerAddress("bia", "2001:db8::1", 6881),
)


def test_compact_peers_are_six_and_eighteen_bytes() -> None:
    four, six = compact_peers(PEERS)
    assert four == bytes([10, 0, 0, 1, 1, 2])
    assert six == bytes.fromhex("20010db8000000000000000000000001") + (6881).to_bytes(2, "big")


def test_replies() -> None:
    reply = AnnounceReply(120, 3, 4, PEERS)
    compact = bencode.decode(reply.encode())
    assert compact[b"interval"] == 120
    assert (compact[b"complete"], compact[b"incomplete"]) == (3, 4)
    assert (len(compact[b"peers"]), len(compact[b"peers6"])) == (6, 18)
    assert b"peers6" not in bencode.decode(AnnounceReply(120, 3, 4, PEERS[:1]).encode())
    assert bencode.decode(reply.encode(compact=False))[b"peers"] == [
        {b"ip": b"10.0.0.1", b"port": 258, b"peer id": ID},
        {b"ip": b"2001:db8::1", b"port": 6881},
    ]
    anonymous = bencode.decode(reply.encode(compact=False, no_peer_id=True))[b"peers"]
    assert anonymous[0] == {b"ip": b"10.0.0.1", b"port": 258}
    assert bencode.decode(failure("no")) == {b"failure reason": b"no"}


def test_scrapes() -> None:
    raw = b"info_hash=" + quote(HASH, safe="").encode()
    assert parse_scrape(b"") == ()
    assert parse_scrape(raw + b"&" + raw) == (HASH, HASH)
    with pytest.raises(RequestError, match="at most"):
        parse_scrape(b"&".join([raw] * 65))
    with pytest.raises(RequestError, match="20"):
        parse_scrape(b"info_hash=abc")
    assert bencode.decode(encode_scrape({HASH: Counts(1, 2, 3)})) == {
        b"files": {HASH: {b"complete": 1, b"downloaded": 2, b"incomplete": 3}}
    }
