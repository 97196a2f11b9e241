"""The tracker over UDP: who is answered, how much, and that nobody else's time is taken."""

import socket
from collections import Counter
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.dialects.announce import Announce, AnnounceReply, Counts
from minibit.dialects.udp_announce import (
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
    encode_request,
)
from minibit.serve.allowance import PER_SOURCE
from minibit.serve.tracker import Tracker, Turn
from minibit.serve.udp_server import BATCH, EXPIRED, UdpServer
from minibit.torrent import metainfo

SHARE = metainfo.build("aula.bin", [((), 20 * 16384)], 16384, bytes(400), folder=False)
HOME, SIX = ("127.0.0.1", 4000), ("2001:db8::1", 4000, 0, 0)


@pytest.fixture
def server() -> UdpServer:
    return new_server()


def new_server() -> UdpServer:
    tracker = Tracker(SHARE, rng=Random(7), clock=lambda: 1000.0, unix=lambda: 1000.0)
    return UdpServer(tracker, lambda: 1000.0, b"secret")


def answer(server: UdpServer, datagram: bytes, address: tuple[Any, ...], now: float = 1000.0) -> bytes | None:
    """What one datagram is answered."""
    answers = server.answers([(datagram, address)], now)
    assert [each for _, each in answers] == [address] * len(answers)
    return answers[0][0] if answers else None


def ask(server: UdpServer, request: Request, address: tuple[Any, ...] = HOME, now: float = 1000.0) -> Reply:
    answered = answer(server, encode_request(request), address, now)
    assert answered is not None
    return decode_reply(answered, six=":" in address[0] and "." not in address[0])


def connected(server: UdpServer, address: tuple[Any, ...] = HOME) -> int:
    reply = ask(server, Connect(5), address)
    assert isinstance(reply, Connected)
    assert reply.transaction == 5
    return reply.connection


def said(number: int = 1, **more: Any) -> Announce:
    return Announce(SHARE.info_hash, b"-qB5000-" + bytes(11) + bytes([number]), 6880 + number, **more)


def announce(server: UdpServer, number: int = 1, address: tuple[Any, ...] = HOME, **more: Any) -> Reply:
    return ask(server, AnnounceRequest(connected(server, address), 9, said(number, **more)), address)


def test_announces_meet_and_a_scrape_counts_them(server: UdpServer) -> None:
    announce(server, 1, left=0)
    reply = announce(server, 2, left=5)
    assert isinstance(reply, Announced)
    assert reply.reply.peers == (PeerAddress("", "127.0.0.1", 6881),)
    assert (reply.reply.complete, reply.reply.incomplete) == (1, 1)
    hashes = (bytes(20), SHARE.info_hash)
    scraped = ask(server, ScrapeRequest(connected(server), 3, hashes))
    assert scraped == Scraped(3, (Counts(0, 0, 0), Counts(1, 0, 1)))


def test_ipv6_is_told_of_ipv6_and_claims_no_ipv4(server: UdpServer) -> None:
    announce(server, 1, SIX, ip="10.0.0.1")
    announce(server, 2, ("::ffff:10.0.0.2", 1, 0, 0))
    third, fourth = announce(server, 3, SIX), announce(server, 4)
    assert isinstance(third, Announced)
    assert isinstance(fourth, Announced)
    assert third.reply.peers == (PeerAddress("", "2001:db8::1", 6881),)
    assert fourth.reply.peers == (PeerAddress("", "10.0.0.2", 6882),)


def test_a_refusal_is_the_cores_own(server: UdpServer) -> None:
    other = AnnounceRequest(connected(server), 9, Announce(bytes(20), bytes(20), 1))
    reply = ask(server, other)
    assert isinstance(reply, Failed)
    assert "/torrent" in reply.message


@pytest.mark.parametrize("address", [("192.0.2.7", 4000), ("::1", 4000, 0, 0)])
def test_another_addresss_id_and_an_old_one_are_refused(server: UdpServer, address: tuple[Any, ...]) -> None:
    request = AnnounceRequest(connected(server), 9, said())
    assert ask(server, request, address) == Failed(9, "connect again")
    assert ask(server, request, now=1151.0) == Failed(9, "connect again")
    assert isinstance(ask(server, request, now=1115.0), Announced)


def test_a_tracker_that_was_started_anew_knows_its_clients_ids(server: UdpServer) -> None:
    request = AnnounceRequest(connected(server), 9, said())
    assert isinstance(ask(new_server(), request), Announced)


requests = st.integers(0, (1 << 64) - 1).map(lambda connection: AnnounceRequest(connection, 1, said()))
scrapes = st.builds(ScrapeRequest, st.integers(0, (1 << 64) - 1), st.just(1), st.just((bytes(20),)))


@given(
    st.binary(max_size=2100) | (requests | scrapes).map(encode_request) | st.just(encode_request(Connect(1)))
)
def test_a_stranger_is_sent_no_more_than_he_sent(datagram: bytes) -> None:
    assert len(answer(new_server(), datagram, ("192.0.2.1", 53)) or b"") <= len(datagram)


def test_a_reply_is_one_safe_datagram(server: UdpServer) -> None:
    for number in range(1, 120):
        for address in (HOME, SIX):
            announce(server, number, address, ip=None)
    for address in (HOME, SIX):
        request = encode_request(AnnounceRequest(connected(server, address), 1, said(200, numwant=10_000)))
        answered = answer(server, request, address)
        assert answered is not None
        assert len(answered) <= 1220


def test_an_announce_that_is_malformed_is_told_so_to_who_is_connected(server: UdpServer) -> None:
    datagram = encode_request(AnnounceRequest(connected(server), 9, said()))[:-2] + bytes(2)
    answered = answer(server, datagram, HOME)
    assert answered is not None
    assert b"port" in answered
    assert answer(server, datagram, ("192.0.2.1", 1)) is None


def test_a_bug_is_an_answer_and_a_log_entry(
    server: UdpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Tracker, "announced", lambda *_, **__: 1 // 0)
    assert isinstance(announce(server), Failed)
    assert "ZeroDivisionError" in caplog.text


def test_a_bug_with_one_of_a_batch_is_no_bug_with_the_others(
    server: UdpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, announced = connected(server), Tracker.announced

    def buggy(tracker: Tracker, announce: Announce, *rest: Any, **more: Any) -> AnnounceReply:
        if announce.peer_id == said(2).peer_id:
            raise ZeroDivisionError
        return announced(tracker, announce, *rest, **more)

    monkeypatch.setattr(Tracker, "announced", buggy)
    batch = [encode_request(AnnounceRequest(connection, n, said(n))) for n in (1, 2, 3)]
    replies = [decode_reply(each) for each, _ in server.answers([(each, HOME) for each in batch], 1000.0)]
    assert [type(reply) for reply in replies] == [Announced, Failed, Announced]


def test_the_options_of_a_strangers_announce_are_not_read(
    server: UdpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.serve.udp_server.decode_request", lambda _: 1 // 0)
    answered = answer(server, encode_request(AnnounceRequest(1 << 40, 9, said())) + b"\1" * 1000, HOME)
    assert answered is not None
    assert decode_reply(answered) == Failed(9, EXPIRED)


@pytest.mark.parametrize(("address", "answered"), [(("192.0.2.1", 53), PER_SOURCE), (HOME, PER_SOURCE + 100)])
def test_a_flood_of_one_source_is_read_in_part_unless_it_is_this_machine(
    server: UdpServer, address: tuple[Any, ...], answered: int
) -> None:
    datagram = encode_request(Connect(1))
    answers = [answer(server, datagram, address) for _ in range(PER_SOURCE + 100)]
    assert len([each for each in answers if each is not None]) == answered


class Flooded:
    """A socket at which there is always one more datagram, and whose network is gone."""

    def __init__(self, waiting: int) -> None:
        self.waiting, self.sent = waiting, 0

    def recvfrom(self, _: int) -> tuple[bytes, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError
        self.waiting -= 1
        return encode_request(Connect(1)), HOME

    def sendto(self, *_: object) -> None:
        self.sent += 1
        raise OSError("no route")


def test_a_flood_is_taken_in_batches(server: UdpServer) -> None:
    sock = Flooded(BATCH + 3)
    server.drain(cast("socket.socket", sock))
    assert (sock.waiting, sock.sent) == (3, BATCH)
    server.drain(cast("socket.socket", sock))
    assert sock.waiting == 0


def test_a_batch_takes_one_turn_and_each_of_it_its_own_answer(
    server: UdpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, turns, enter = connected(server), Counter[str](), Turn.__enter__

    def counted(turn: Turn) -> float:
        turns["taken"] += 1
        return enter(turn)

    monkeypatch.setattr(Turn, "__enter__", counted)
    batch: list[tuple[Request, tuple[Any, ...]]] = [
        (AnnounceRequest(connection, 1, said(1, left=0)), HOME),
        (AnnounceRequest(connection, 2, said(2)), ("192.0.2.7", 4000)),
        (ScrapeRequest(connection, 3, (SHARE.info_hash,)), ("127.0.0.1", 4001)),
        (AnnounceRequest(connection, 4, Announce(bytes(20), bytes(20), 1)), HOME),
        (Connect(5), SIX),
    ]
    waiting = [(encode_request(request), address) for request, address in batch]
    waiting.insert(2, (b"no request", HOME))
    answers = server.answers(waiting, 1000.0)
    replies = [decode_reply(datagram) for datagram, _ in answers]
    assert turns["taken"] == 1
    assert [address for _, address in answers] == [address for _, address in batch]
    assert [reply.transaction for reply in replies] == [1, 2, 3, 4, 5]
    assert [type(reply) for reply in replies] == [Announced, Failed, Scraped, Failed, Connected]
    assert replies[2] == Scraped(3, (Counts(1, 0, 0),)), "the stranger's announce came to nothing"


def test_of_a_flood_of_strangers_nothing_is_kept() -> None:
    tracker = Tracker(SHARE, rng=Random(7), clock=lambda: 1000.0, unix=lambda: 1000.0)
    server = UdpServer(tracker, lambda: 1000.0, b"secret")
    forged = AnnounceRequest(1 << 40, 9, said())
    for number in range(2000):
        address = (f"198.18.{number % 8}.{number // 8}", 4000)
        assert isinstance(ask(server, Connect(number), address), Connected)
        assert ask(server, forged, address) == Failed(9, "connect again")
    assert tracker.status().rows == ()
