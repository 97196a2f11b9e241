"""The client against a real tracker on loopback, and against things that are none."""

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.errors import MetainfoError, TrackerRefusedError, TrackerUnreachableError, UsageError
from minibit.peer.tracker_client import MAX_REPLY, NameTakenError, TrackerClient, normalised, retrying
from minibit.serve.app import create_app
from minibit.serve.server import TrackerServer
from minibit.snapshot import Figures, State
from minibit.torrent import metainfo
from minibit.tracker.swarm import Tracker

COUNT = 20
ALL = bitfield.full(COUNT)
SHARE = metainfo.build("sample.bin", [((), COUNT * 16384)], 16384, bytes(20 * COUNT), folder=False)
LOOP = "127.0.0.1"


@contextmanager
def running(port: int = 0, count: int = COUNT) -> Iterator[str]:
    """A fresh tracker's URL."""
    share = metainfo.build("sample.bin", [((), count * 16384)], 16384, bytes(20 * count), folder=False)
    server = TrackerServer(
        create_app(Tracker(share, clock=time.monotonic, unix=time.time, rng=Random(1))), LOOP, port
    )
    server.start()
    try:
        yield f"http://{LOOP}:{server.port}"
    finally:
        server.close()


@contextmanager
def client(
    url: str,
    name: str = "ana",
    port: int = 5001,
    letter: str = "a",
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[TrackerClient]:
    bt_id = letter.encode() * 20
    client = TrackerClient(url, name=name, bt_id=bt_id, port=port, timeout=(5, 5), clock=clock)
    try:
        yield client
    finally:
        client.close()


def read_request(connection: socket.socket) -> None:
    """Reads one request whole: closing with bytes unread would reset the connection."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        stream.read(length)


@contextmanager
def answering(*replies: bytes) -> Iterator[str]:
    """A listener that answers each connection with the next of `replies`, whatever is asked."""
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the client hung up early, or the test is over
                for reply in replies:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(5)
                        read_request(connection)
                        connection.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://{LOOP}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def http(body: bytes | object, status: str = "200 OK", headers: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode()
        + content
    )


# Against a real tracker


def test_a_peers_life() -> None:
    with running() as url, client(url) as ana, client(url, "bia", 5002, "b") as bia:
        assert ana.torrent() == SHARE
        first = ana.register(0)
        assert first.new == first.granted
        assert 6 <= first.granted.bit_count() <= 10
        assert (first.peers, first.interval) == ((), 1.0)
        assert ana.register(0b11).new == 0

        assert bia.register(0).peers == (PeerAddress("ana", LOOP, 5001, b"a" * 20),)
        listing = ana.heartbeat(0b111, Figures(uploaded=5, fixed=("bia",)))
        assert listing.registered
        assert listing.peers == (PeerAddress("bia", LOOP, 5002, b"b" * 20),)

        view = bia.status()
        assert [(row.name, row.blocks, row.figures.uploaded) for row in view.rows] == [
            ("ana", 7, 5),
            ("bia", 0, 0),
        ]
        assert view.rows[0].given == first.granted.bit_count()

        ana.disconnect()
        ana.disconnect()
        assert [row.name for row in bia.status().rows] == ["bia"]


def test_a_name_that_is_taken_and_taken_over() -> None:
    with running() as url, client(url) as old, client(url, port=5002, letter="b") as new:
        old.register(0)
        with pytest.raises(NameTakenError, match="ana") as caught:
            new.register(0)
        assert caught.value.peer == PeerAddress("ana", LOOP, 5001, b"a" * 20)
        new.register(0, replace=True)
        assert not old.heartbeat(0, Figures()).registered
        old.disconnect()
        assert new.heartbeat(0, Figures()).registered


def test_a_tracker_that_restarts_is_told_everything_again() -> None:
    with running() as url, client(url) as ana:
        ana.register(0)
        ana.heartbeat(0b11, Figures())
        port = int(url.rpartition(":")[2])
    with client(url) as ana:
        with pytest.raises(TrackerUnreachableError, match="refused"):
            ana.register(0b111)
        with running(port):
            assert not ana.heartbeat(0b111, Figures()).registered
            assert ana.register(0b111).granted
            assert ana.heartbeat(ALL, Figures(State.COMPLETE)).registered
            (row,) = ana.status().rows
            assert (row.blocks, row.figures.state) == (ALL, State.COMPLETE)


def test_a_tracker_that_returns_with_another_share_says_so() -> None:
    with running() as url, client(url) as ana:
        ana.register(0)
        port = int(url.rpartition(":")[2])
    with client(url) as ana:
        with running(port):
            ana.register(0)
        with running(port, count=30), pytest.raises(TrackerRefusedError, match="30 blocks"):
            ana.register(0)


def test_the_trackers_reason_is_passed_on() -> None:
    with running() as url, client(url, "origin") as impostor, pytest.raises(TrackerRefusedError, match="own"):
        impostor.register(0)


# Against what is no tracker


STATUS = Tracker(SHARE, clock=lambda: 0.0, unix=lambda: 0.0, rng=Random(1)).status().to_json()


def test_a_status_is_read() -> None:
    with answering(http(STATUS)) as url, client(url) as ana:
        assert ana.status().to_json() == STATUS


GARBAGE = [
    b"",
    b"SSH-2.0-OpenSSH\r\n",
    http(b"<html>"),
    http(b"[" * 100_000),
    http([1]),
    http(gzip.compress(json.dumps(STATUS).encode()), headers="Content-Encoding: gzip\r\n"),
    http({}, "500 Oops"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    http({"peers_ativos": 1}),
]


@pytest.mark.parametrize("reply", GARBAGE)
def test_garbage_is_no_answer(reply: bytes) -> None:
    with answering(reply) as url, client(url) as ana, pytest.raises(TrackerUnreachableError, match=url):
        ana.status()


def test_an_endless_reply_is_cut_off() -> None:
    endless = http(b" " * (MAX_REPLY + 1))
    with (
        answering(endless) as url,
        client(url) as ana,
        pytest.raises(TrackerUnreachableError, match="more than"),
    ):
        ana.status()


@contextmanager
def dripping(*first: bytes) -> Iterator[str]:
    """A listener that answers with `first` and then says nothing, nor hangs up, until the test is over."""
    over = Event()
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                read_request(connection)
                connection.sendall(b"".join(first))
                over.wait(20)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://{LOOP}:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


DRIPS = [b"HTTP/1.1 200 OK\r\nX-Slow", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]


@pytest.mark.parametrize("drip", DRIPS)
def test_a_call_has_a_time_in_all(drip: bytes) -> None:
    times = iter([0.0, 0.0])
    late = pytest.raises(TrackerUnreachableError, match="did not finish in time")
    with dripping(drip) as url, client(url, clock=lambda: next(times, 99.0)) as ana, late:
        ana.status()


@pytest.mark.parametrize("drip", DRIPS)
def test_a_call_ends_when_asked_to_stop(drip: bytes) -> None:
    with dripping(drip) as url, client(url) as ana:
        ana.allow(None, lambda: True)
        with pytest.raises(TrackerUnreachableError, match="interrupted"):
            ana.status()


def test_time_allowed_bounds_a_call_that_could_take_longer() -> None:
    times = iter([0.0, 0.0])
    with dripping() as url, client(url, clock=lambda: next(times, 4.0)) as ana:
        ana.allow(3.0)
        with pytest.raises(TrackerUnreachableError, match="did not finish in time"):
            ana.status()


def test_a_name_that_no_machine_has_is_the_users_mistake_until_one_had_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with answering(http(STATUS)) as url, client(url) as known, client("http://nobody.invalid") as unknown:
        known.status()
        monkeypatch.setattr(socket, "getaddrinfo", nobody)
        with pytest.raises(UsageError, match="--tracker"):
            unknown.status()
        with pytest.raises(TrackerUnreachableError, match="not known"):
            known.status()


@pytest.mark.parametrize(
    "reply",
    [
        http(b"", "302 Found", "Location: http://192.0.2.1/status\r\n"),
        http(b"nginx", "404 Not Found"),
        http({"mensagem": 7}, "400 Bad Request"),
    ],
)
def test_another_servers_refusal_names_the_option(reply: bytes) -> None:
    with answering(reply) as url, client(url) as ana, pytest.raises(TrackerRefusedError, match="--tracker"):
        ana.status()


def test_a_refusal_cannot_write_to_the_terminal() -> None:
    reply = http({"mensagem": "no\x1b[2J\nway"}, "403 Forbidden")
    with answering(reply) as url, client(url) as ana, pytest.raises(TrackerRefusedError) as caught:
        ana.status()
    assert str(caught.value) == "no[2Jway"


def test_a_conflict_without_an_address_is_a_refusal() -> None:
    torrent, reply = http(metainfo.encode(SHARE)), http({"mensagem": "taken", "peer": {}}, "409 Conflict")
    with answering(torrent, reply) as url, client(url) as ana, pytest.raises(TrackerRefusedError) as caught:
        ana.register(0)
    assert type(caught.value) is TrackerRefusedError


def test_an_unsafe_share_is_refused() -> None:
    with answering(http(b"d4:infod4:name2:..ee")) as url, client(url) as ana, pytest.raises(MetainfoError):
        ana.torrent()


def listing(**more: object) -> bytes:
    return http({"registrado": True, "intervalo": 2, "peers": []} | more)


def test_addresses_that_cannot_be_dialled_are_left_out() -> None:
    good = {"peer_id": "bia", "ip": "10.0.0.1", "porta": 5002}
    peers = [
        good,
        good | {"ip": "0.0.0.0", "bt_id": "ab" * 20, "origin": True},
        good | {"ip": "example.org"},
        good | {"porta": 0},
        good | {"bt_id": "x"},
        good | {"peer_id": "\x1b"},
        7,
    ]
    with answering(http(metainfo.encode(SHARE)), listing(peers=peers)) as url, client(url) as ana:
        assert ana.heartbeat(0, Figures()).peers == (
            PeerAddress("bia", "10.0.0.1", 5002),
            PeerAddress("bia", LOOP, 5002, bytes.fromhex("ab" * 20), True),
        )


@pytest.mark.parametrize(
    ("said", "kept"),
    [(2, 2.0), (0.001, 0.5), (0, 10.0), (9999, 10.0), ("x", 10.0), (True, 10.0), (None, 10.0)],
)
def test_an_interval_that_makes_no_sense_is_our_own(said: object, kept: float) -> None:
    with answering(http(metainfo.encode(SHARE)), listing(intervalo=said)) as url, client(url) as ana:
        assert ana.heartbeat(0, Figures()).interval == kept


@pytest.mark.parametrize("blocks", [None, 3, [99], ["x"], [[]], {}])
def test_a_grant_that_is_none(blocks: object) -> None:
    reply = http({"concedidos": blocks, "blocos_iniciais": [], "peers": []})
    with answering(http(metainfo.encode(SHARE)), reply) as url, client(url) as ana:
        if blocks == {}:
            assert ana.register(0).granted == 0
        else:
            with pytest.raises(TrackerUnreachableError, match="concedidos"):
                ana.register(0)


# Addresses of trackers


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost:5000", "http://localhost:5000"),
        (" tracker.lan ", "http://tracker.lan:5000"),
        ("http://Tracker.lan:80/", "http://tracker.lan:80"),
        ("http://tracker.lan", "http://tracker.lan"),
        ("https://tracker.lan/mini/", "https://tracker.lan/mini"),
        ("[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_addresses_as_people_type_them(typed: str, meant: str) -> None:
    assert normalised(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "http://",
        "ftp://x:1",
        "x:port",
        "x:70000",
        "x:0",
        "::1",
        "u:p@x:1",
        "http://x/?q",
        "a b",
        "http://[x",
    ],
)
def test_no_address_of_a_tracker(typed: str) -> None:
    with pytest.raises(UsageError, match="http://HOST:PORT"):
        normalised(typed)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_mistake(typed: str) -> None:
    try:
        once = normalised(typed)
    except UsageError:
        return
    assert normalised(once) == once


# Retrying


class Line:
    """A tracker that answers from the n-th call on, a clock that only sleeping moves, and what was said."""

    def __init__(self, answers_at: int, stop_at: float = float("inf")) -> None:
        self.now = 0.0
        self.calls = 0
        self.told: list[float] = []
        self._answers_at = answers_at
        self._stop_at = stop_at

    def call(self) -> str:
        self.calls += 1
        if self.calls < self._answers_at:
            raise TrackerUnreachableError(f"attempt {self.calls}")
        return "answer"

    def sleep(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self._stop_at

    def on_retry(self, error: TrackerUnreachableError, delay: float) -> None:
        assert str(error) == f"attempt {self.calls}"
        self.told.append(delay)

    def run(self, timeout: float | None, call: Callable[[], str] | None = None) -> str:
        return retrying(
            call or self.call,
            timeout=timeout,
            sleep=self.sleep,
            clock=lambda: self.now,
            on_retry=self.on_retry,
        )


def test_pauses_grow_to_eight_seconds() -> None:
    line = Line(answers_at=8)
    assert line.run(None) == "answer"
    assert line.told == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_timeout_ends_it_after_a_last_attempt() -> None:
    line = Line(answers_at=99)
    with pytest.raises(TrackerUnreachableError, match="gave up after 3 s: attempt 4"):
        line.run(3.0)
    assert (line.told, line.now) == ([0.5, 1.0, 1.5], 3.0)


def test_a_stop_ends_it_at_once() -> None:
    line = Line(answers_at=99, stop_at=1.0)
    with pytest.raises(TrackerUnreachableError, match="attempt 2"):
        line.run(None)


def test_a_refusal_is_not_retried() -> None:
    def refuse() -> str:
        raise TrackerRefusedError("no")

    line = Line(answers_at=99)
    with pytest.raises(TrackerRefusedError):
        line.run(None, refuse)
    assert line.told == []
