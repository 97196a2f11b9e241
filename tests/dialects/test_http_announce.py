"""BitTorrent's HTTP dialect: queries and replies, both directions, among strangers."""

from collections import Counter
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from fakes.drawn import ips
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit.address import PeerAddress, compact_peers
from minibit.dialects.announce import (
    LONGEST_INTERVAL,
    MAX_COUNTER,
    SHORTEST_INTERVAL,
    Announce,
    AnnounceReply,
    Counts,
    Event,
)
from minibit.dialects.http_announce import (
    MAX_PEERS_READ,
    MAX_QUERY,
    MAX_REPLY,
    Form,
    decode_announce,
    decode_counts,
    decode_reply,
    decode_scrape,
    encode_announce,
    encode_counts,
    encode_failure,
    encode_reply,
    encode_scrape,
)
from minibit.dialects.refusal import ReplyError, RequestError
from minibit.torrent import bencode

HASH = bytes(range(236, 256))
ID = b"-LT2110-" + bytes(range(12))


ANNOUNCE = Announce(HASH, ID, 6881, left=5)


def query(**fields: Any) -> bytes:
    """Our own announce, with these fields instead or as well: the last of a name counts."""
    pairs = [f"{key}={quote(v if isinstance(v, bytes) else str(v), safe='')}" for key, v in fields.items()]
    return "&".join([encode_announce(ANNOUNCE, Form()).decode(), *pairs]).encode()


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
    assert decode_announce(query() + b"&peer_id=" + b"+" * 20)[0].peer_id == b"+" * 20


def test_what_clients_send_is_read() -> None:
    raw = query(uploaded=1, downloaded=2, event="started", numwant=80, compact=0, no_peer_id=1, ip="10.0.0.1")
    assert decode_announce(raw + b"&key=ABC&supportcrypto=1&trackerid") == (
        Announce(HASH, ID, 6881, 1, 2, 5, Event.STARTED, 80, "10.0.0.1"),
        Form(compact=False, no_peer_id=True),
    )


def test_what_clients_leave_out_has_its_default() -> None:
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
        {"padding": "x" * MAX_QUERY},
    ],
)
def test_a_malformed_announce_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        decode_announce(query(**change))


@pytest.mark.parametrize(
    ("field", "said", "left"),
    [
        ("left", str((1 << 63) - 1), MAX_COUNTER),  # Transmission's, while it has a magnet link only
        ("left", "9" * 90, MAX_COUNTER),
        ("left", "+7", 7),
        ("left", "1e3", None),
        ("left", "9" * 5000, None),
        ("uploaded", "٣", 5),
        ("numwant", "many", 5),
    ],
)
def test_numbers_are_read_as_kindly_as_other_trackers_do(field: str, said: str, left: int | None) -> None:
    assert decode_announce(query(**{field: said}))[0] == replace(ANNOUNCE, left=left)


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
    st.none() | ips,
)


forms = st.builds(Form, st.booleans(), st.booleans())


@given(announces, forms)
def test_an_announce_survives_the_wire(announce: Announce, form: Form) -> None:
    assert decode_announce(encode_announce(announce, form)) == (announce, form)


def test_an_announce_as_trackers_read_it() -> None:
    announce = Announce(b"\x00 " * 10, b"-MB0200-ab+&=%\xff\xfe....", 6881, event=Event.STARTED)
    assert encode_announce(announce, Form()) == (
        b"info_hash="
        + b"%00%20" * 10
        + b"&peer_id=%2D%4D%42%30%32%30%30%2D%61%62%2B%26%3D%25%FF%FE%2E%2E%2E%2E"
        b"&port=6881&uploaded=0&downloaded=0&event=started&numwant=50&compact=1&no_peer_id=0"
    )


peers = st.builds(PeerAddress, st.just(""), ips, st.integers(1, 65535), st.none() | twenty)
counts = st.integers(0, 5000)
intervals = st.integers(SHORTEST_INTERVAL, LONGEST_INTERVAL)
replies = st.builds(
    AnnounceReply,
    intervals,
    counts,
    counts,
    st.lists(peers, max_size=6).map(tuple),
    st.just(b""),
    st.just(b""),
)


@given(replies)
def test_a_reply_that_lists_peers_survives_the_wire(reply: AnnounceReply) -> None:
    assert decode_reply(encode_reply(reply, Form(compact=False))) == reply
    anonymous = replace(reply, peers=tuple(replace(peer, bt_id=None) for peer in reply.peers))
    assert decode_reply(encode_reply(reply, Form(compact=False, no_peer_id=True))) == anonymous


@given(replies)
def test_a_compact_reply_survives_the_wire_but_for_ids(reply: AnnounceReply) -> None:
    four_first = sorted((replace(peer, bt_id=None) for peer in reply.peers), key=lambda peer: ":" in peer.ip)
    assert decode_reply(encode_reply(reply, Form())) == replace(reply, peers=tuple(four_first))


@given(replies, st.lists(peers, max_size=6), st.booleans())
def test_peers_that_come_packed_are_told_like_the_others(
    reply: AnnounceReply, more: list[PeerAddress], compact: bool
) -> None:
    nameless = tuple(replace(peer, bt_id=None) for peer in more)
    packed = replace(reply, four=compact_peers(more)[0], six=compact_peers(more)[1])
    said, all_told = (
        decode_reply(encode_reply(each, Form(compact)))
        for each in (packed, replace(reply, peers=reply.peers + nameless))
    )
    assert Counter(said.peers) == Counter(all_told.peers)


@given(
    st.text(min_size=1, max_size=100).filter(lambda text: text.strip().isprintable() and text == text.strip())
)
def test_a_refusal_survives_the_wire(reason: str) -> None:
    for decode in (decode_reply, decode_counts):
        with pytest.raises(ReplyError) as caught:
            decode(encode_failure(reason))
        assert (str(caught.value), caught.value.refused) == (reason, True)


values = st.recursive(
    st.integers(-(1 << 80), 1 << 80) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=20), inner, max_size=5),
    max_leaves=20,
)
REPLY_KEYS = (
    *(b"interval", b"complete", b"incomplete", b"downloaded", b"peers", b"peers6"),
    *(b"failure reason", b"files", b"ip", b"port", b"peer id", HASH),
)
dictionaries = st.recursive(
    st.dictionaries(st.sampled_from(REPLY_KEYS), values, max_size=6),
    lambda inner: st.dictionaries(
        st.sampled_from(REPLY_KEYS), values | inner | st.lists(inner, max_size=4), max_size=6
    ),
    max_leaves=8,
)


@given((values | dictionaries).map(bencode.encode) | st.binary(max_size=200))
def test_whatever_a_tracker_replies_is_read_or_is_one_error(body: bytes) -> None:
    with suppress(ReplyError):
        reply = decode_reply(body)
        assert SHORTEST_INTERVAL <= reply.interval <= LONGEST_INTERVAL
        assert all(0 < peer.port <= 65535 for peer in reply.peers)
        assert reply.complete >= 0 <= reply.incomplete
    with suppress(ReplyError):
        assert all(len(info_hash) == 20 for info_hash in decode_counts(body))


def replying(**fields: object) -> bytes:
    return bencode.encode(
        {"interval": 1800, "peers": b""} | {k.replace("_", " "): v for k, v in fields.items()}
    )


def addresses(reply: AnnounceReply) -> list[tuple[str, int]]:
    return [(peer.ip, peer.port) for peer in reply.peers]


def test_peers_that_nobody_could_dial_are_left_out() -> None:
    good: dict[str, object] = {"ip": "10.0.0.1", "port": 258, "peer id": ID}
    bad: tuple[dict[str, object], ...] = (
        *({"ip": "example.org"}, {"ip": 7}, {"ip": b"\xff"}, {"port": 0}, {"port": 65536}, {"port": "258"}),
    )
    listed = decode_reply(replying(peers=[good, *(good | change for change in bad), 7, [], {}]))
    assert listed.peers == (PeerAddress("", "10.0.0.1", 258, ID),)
    assert decode_reply(replying(peers=[good | {"peer id": "short"}])).peers[0].bt_id is None
    packed = bytes(
        [10, 0, 0, 1, 1, 2, 10, 0, 0, 2, 0, 0, 10, 0, 0]
    )  # the second at port 0, the third cut off
    assert addresses(decode_reply(replying(peers=packed))) == [("10.0.0.1", 258)]
    mapped = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 3, 1, 2])
    assert addresses(decode_reply(replying(peers=packed, peers6=mapped))) == [
        ("10.0.0.1", 258),
        ("10.0.0.3", 258),
    ]
    assert addresses(decode_reply(replying(peers=7, peers6=[]))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"d8:intervali1800e10:incompletei3e8:completei2e5:peers6:\x0a\0\0\x01\x01\x02e",
        b"d8:completei2e8:completei9e10:incompletei003e8:intervali1800e5:peers6:\x0a\0\0\x01\x01\x02e\r\n",
    ],
)
def test_a_reply_is_taken_as_it_is_meant_however_it_is_written(body: bytes) -> None:
    assert decode_reply(body) == AnnounceReply(1800, 2, 3, (PeerAddress("", "10.0.0.1", 258),))


@pytest.mark.parametrize(
    ("said", "kept"),
    [(1800, 1800), (0, SHORTEST_INTERVAL), (-5, SHORTEST_INTERVAL), (1 << 70, LONGEST_INTERVAL)],
)
def test_an_interval_is_within_reason(said: int, kept: int) -> None:
    assert decode_reply(replying(interval=said)).interval == kept


def test_counts_that_are_none_are_zero() -> None:
    reply = decode_reply(replying(complete=-1, incomplete="many"))
    assert (reply.complete, reply.incomplete) == (0, 0)
    files = {HASH: {"complete": 1 << 63, "incomplete": 3}, b"short": {}, bytes(20): 7}
    assert decode_counts(bencode.encode({"files": files})) == {HASH: Counts(0, 0, 3)}


def test_a_reply_without_end_is_cut_off_or_refused() -> None:
    peer = {"ip": "10.0.0.1", "port": 258}
    for many in ([peer] * (MAX_PEERS_READ + 1), bytes([10, 0, 0, 1, 1, 2]) * (MAX_PEERS_READ + 1)):
        assert len(decode_reply(replying(peers=many)).peers) == MAX_PEERS_READ
    with pytest.raises(ReplyError, match="cut off"):
        decode_reply(replying(peers=bytes(MAX_REPLY)))


@pytest.mark.parametrize("body", [b"", b"<html>", b"i5e", b"le", b"de", b"d8:interval2:30e", b"d5:files0:e"])
def test_what_is_no_trackers_answer_is_no_refusal_either(body: bytes) -> None:
    for decode in (decode_reply, decode_counts):
        with pytest.raises(ReplyError, match="answer") as caught:
            decode(body)
        assert not caught.value.refused


def test_a_reason_cannot_write_to_the_terminal() -> None:
    for said, reason in (("no\x1b[2J\nway", "no[2Jway"), (7, "refused without a reason")):
        with pytest.raises(ReplyError) as caught:
            decode_reply(replying(failure_reason=said))
        assert (str(caught.value), caught.value.refused) == (reason, True)


def test_replies_as_clients_read_them() -> None:
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
    assert decode_scrape(encode_scrape(known)) == tuple(known)
    assert decode_counts(encode_counts(known)) == known


def test_a_scrape_asks_about_some_shares_or_all() -> None:
    raw = encode_scrape([HASH])
    assert decode_scrape(b"") == ()
    assert decode_scrape(raw + b"&" + raw) == (HASH, HASH)
    with pytest.raises(RequestError, match="at most"):
        decode_scrape(b"&".join([raw] * 65))
    with pytest.raises(RequestError, match="20"):
        decode_scrape(b"info_hash=abc")
    assert bencode.decode(encode_counts({HASH: Counts(1, 2, 3)})) == {
        b"files": {HASH: {b"complete": 1, b"downloaded": 2, b"incomplete": 3}}
    }
