"""BitTorrent's UDP dialect: requests and replies, both directions, among strangers."""

from contextlib import suppress

import pytest
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
from minibit.dialects.refusal import ReplyError, RequestError
from minibit.dialects.udp_announce import (
    MAX_PEERS_BYTES,
    MAX_SCRAPED,
    Announced,
    AnnounceRequest,
    Connect,
    Connected,
    Failed,
    Reply,
    Request,
    Scraped,
    ScrapeRequest,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    head_of,
)

HASH = bytes(range(236, 256))
ID = b"-LT2110-" + bytes(range(12))

twenty = st.binary(min_size=20, max_size=20)
transactions = st.integers(0, (1 << 32) - 1)
connections = st.integers(0, (1 << 64) - 1)
counters = st.integers(0, MAX_COUNTER)
fours = st.ip_addresses(v=4).filter(lambda ip: int(ip) != 0).map(str)
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
    st.none() | fours,
)
requests = st.one_of(
    st.builds(Connect, transactions),
    st.builds(AnnounceRequest, connections, transactions, announces, transactions, st.binary(max_size=600)),
    st.builds(
        ScrapeRequest,
        connections,
        transactions,
        st.lists(twenty, min_size=1, max_size=MAX_SCRAPED).map(tuple),
    ),
)


@given(requests)
def test_a_request_survives_the_wire(request: Request) -> None:
    datagram = encode_request(request)
    assert decode_request(datagram) == request
    assert head_of(datagram)[2] == request.transaction


@given(st.binary(max_size=300))
def test_any_datagram_is_read_or_refused(datagram: bytes) -> None:
    with suppress(RequestError):
        decode_request(datagram)
    for six in (False, True):
        with suppress(ReplyError):
            decode_reply(datagram, six=six)


@given(requests.map(encode_request), st.integers(0, 120), st.binary(max_size=40))
def test_a_nearly_right_request_is_read_or_refused(datagram: bytes, at: int, spoilt: bytes) -> None:
    with suppress(RequestError):
        request = decode_request(datagram[:at] + spoilt + datagram[at + len(spoilt) :])
        if isinstance(request, AnnounceRequest):
            assert 0 < request.announce.port <= 65535
            assert 0 <= request.announce.numwant <= 200
            assert request.announce.left is None or 0 <= request.announce.left <= MAX_COUNTER


numbers = st.integers(0, 5000)
replies = st.one_of(
    st.builds(Connected, transactions, connections),
    st.builds(
        Scraped, transactions, st.lists(st.builds(Counts, numbers, numbers, numbers), max_size=74).map(tuple)
    ),
    st.builds(Failed, transactions, st.sampled_from(["", "no such torrent", "não"])),
)


@given(replies)
def test_a_reply_survives_the_wire(reply: Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@given(transactions, st.integers(SHORTEST_INTERVAL, LONGEST_INTERVAL), numbers, st.lists(fours, max_size=60))
def test_peers_survive_the_wire_without_names_and_ids(
    transaction: int, interval: int, count: int, ips: list[str]
) -> None:
    peers = tuple(PeerAddress("", ip, 6881) for ip in ips)
    sixes = tuple(replace(peer, ip=f"2001:db8::{number:x}") for number, peer in enumerate(peers, 1))
    for six, family in ((False, peers), (True, sixes)):
        said = Announced(transaction, AnnounceReply(interval, count, 7, peers + sixes))
        assert decode_reply(encode_reply(said, six=six), six=six) == replace(
            said, reply=replace(said.reply, peers=family)
        )
        packed = AnnounceReply(
            interval, count, 7, peers[:1] + sixes[:1], *compact_peers(peers[1:] + sixes[1:])
        )
        assert encode_reply(Announced(transaction, packed), six=six) == encode_reply(said, six=six)


def test_an_announce_and_its_answer_as_bep_15_has_them() -> None:
    announce = Announce(HASH, ID, 258, uploaded=3, downloaded=1, left=2, event=Event.STARTED, numwant=50)
    head = bytes.fromhex("00000000000000090000000100000007") + HASH + ID
    numbers = b"".join(n.to_bytes(8, "big") for n in (1, 2, 3))
    tail = bytes.fromhex("000000020000000000000005000000320102")
    assert encode_request(AnnounceRequest(9, 7, announce, key=5)) == head + numbers + tail
    assert encode_request(Connect(7)) == bytes.fromhex("00000417271019800000000000000007")
    reply = AnnounceReply(120, 3, 4, (PeerAddress("", "10.0.0.1", 258),))
    assert encode_reply(Announced(7, reply)) == bytes.fromhex(
        "00000001000000070000007800000004000000030a0000010102"
    )


def test_what_is_beyond_reason_becomes_reasonable() -> None:
    announce = Announce(HASH, ID, 6881, (1 << 64) - 1, (1 << 64) - 1, (1 << 63) - 1, numwant=-1)
    read = decode_request(encode_request(AnnounceRequest(1, 2, announce)))
    assert isinstance(read, AnnounceRequest)
    assert read.announce == replace(
        announce, uploaded=MAX_COUNTER, downloaded=MAX_COUNTER, left=MAX_COUNTER, numwant=50
    )
    many = tuple(PeerAddress("", f"10.0.{n // 250}.{n % 250}", 6881) for n in range(500))
    assert len(encode_reply(Announced(1, AnnounceReply(120, 0, 0, many)))) == 20 + MAX_PEERS_BYTES


def test_options_are_read_and_strange_ones_passed_over() -> None:
    plain = encode_request(AnnounceRequest(1, 2, Announce(HASH, ID, 6881)))
    for options, path in (
        (b"\x01\x01\x02\x03/ab\x00\x02\x01z", b"/ab"),
        (b"\x07\x02??\x02\x01/", b"/"),
        (b"\x02\x09/ab", b""),
        (b"\x02", b""),
    ):
        read = decode_request(plain + options)
        assert isinstance(read, AnnounceRequest)
        assert read.path == path


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        bytes(15),
        bytes(16),  # a connect without its magic number
        encode_request(Connect(1))[:12],
        encode_request(AnnounceRequest(1, 2, Announce(HASH, ID, 0))),
        encode_request(AnnounceRequest(1, 2, Announce(HASH, ID, 1)))[:-1],
        encode_request(ScrapeRequest(1, 2, ())),
        encode_request(ScrapeRequest(1, 2, (HASH,) * 75)),
        encode_request(ScrapeRequest(1, 2, (HASH, b"short"))),
        encode_request(Connect(1)) + bytes(3000),
    ],
)
def test_what_nobody_can_answer_is_refused(datagram: bytes) -> None:
    with pytest.raises(RequestError):
        decode_request(datagram)


def test_what_is_no_answer_is_said_so_and_a_reason_cannot_write_to_the_terminal() -> None:
    for datagram in (b"", bytes(7), bytes(15), bytes.fromhex("0000000100000007000000"), b"\xff" * 30):
        with pytest.raises(ReplyError):
            decode_reply(datagram)
    assert decode_reply(encode_reply(Failed(1, "no\x1b[2J\nway"))) == Failed(1, "no[2Jway")
