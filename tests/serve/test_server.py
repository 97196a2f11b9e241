"""The tracker on a real socket: it serves, says what is wrong with an address, and closes without a trace."""

import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from random import Random
from threading import Thread, active_count
from urllib.parse import urlencode

import pytest
import requests

from minibit.errors import UsageError
from minibit.serve import channel, places
from minibit.serve.exchange import MAX_BODY
from minibit.serve.server import TrackerServer
from minibit.serve.tracker import Tracker
from minibit.torrent import metainfo

SHARE = metainfo.build("sample.bin", [((), 20 * 16384)], 16384, bytes(400), folder=False)
LOOP = "127.0.0.1"


def new_server(host: str = LOOP, port: int = 0) -> TrackerServer:
    return TrackerServer(Tracker(SHARE, rng=Random(1)), host, port)


@pytest.fixture
def server() -> Iterator[TrackerServer]:
    server = new_server()
    server.start()
    yield server
    server.close()


def connect(server: TrackerServer) -> socket.socket:
    return socket.create_connection((LOOP, server.port), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_it_serves_and_closes_the_connection(server: TrackerServer) -> None:
    assert server.port
    reply = requests.get(f"http://{LOOP}:{server.port}/status", timeout=20)
    assert reply.json()["status"] == "ativo"
    assert reply.headers["Connection"] == "close"


def test_only_the_first_of_pipelined_requests_is_answered(server: TrackerServer) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        assert read_all(connection).count(b"HTTP/1.1 200") == 1


def test_announces_and_scrapes_share_a_connection_until_something_else_is_asked(
    server: TrackerServer,
) -> None:
    query = urlencode({"info_hash": SHARE.info_hash, "peer_id": b"-qB5000-" + bytes(12), "port": 6881})
    with connect(server) as connection:
        for path in (f"/announce?{query}", "/scrape", "/announce?malformed"):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, _, _ = connection.recv(65536).partition(b"\r\n\r\n")
            assert b"\r\nConnection: keep-alive" in head
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"\r\nConnection: close" in read_all(connection)


@pytest.mark.parametrize("path", ["/", "/status", "/announce", "/nowhere"])
def test_a_head_is_a_get_without_its_body(server: TrackerServer, path: str) -> None:
    url = f"http://{LOOP}:{server.port}{path}"
    head, whole = requests.head(url, timeout=20), requests.get(url, timeout=20)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    # The figures of a status have a length of their own.
    assert path == "/status" or head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert head.headers["Content-Length"] != "0"


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ended it, politely or not, without saying anything."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"garbage\r\n\r\n", b" 400 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: what\r\n\r\n", b" 501 "),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b" 431 "),
        (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 431 "),
        (b"POST /registrar_peer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 40), b" 413 "),
        (
            b"POST /registrar_peer HTTP/1.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 4\r\nConnection: close\r\n\r\n{{{{",
            b" 400 ",
        ),
    ],
)
def test_every_refusal_has_the_contracts_form(server: TrackerServer, raw: bytes, status: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(raw)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert status in head.split(b"\r\n")[0]
    assert b"Content-Type: application/json" in head
    document = json.loads(body)
    assert document["status"] == "erro"
    assert document["mensagem"]


def test_a_body_that_is_too_large_is_told_so(server: TrackerServer) -> None:
    for size in (MAX_BODY + 1, 3 * MAX_BODY):
        reply = requests.post(
            f"http://{LOOP}:{server.port}/registrar_peer",
            data=b" " * size,
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert reply.status_code == 413
        assert "2 MiB" in reply.json()["mensagem"]


def test_a_client_that_sends_to_the_end_still_reads_its_refusal(server: TrackerServer) -> None:
    size = 8 * MAX_BODY
    with connect(server) as connection:
        connection.sendall(
            b"POST /registrar_peer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
        )
        assert b" 413 " in read_all(connection).split(b"\r\n")[0]


def test_slow_and_half_open_clients_hold_nobody_up(server: TrackerServer) -> None:
    slow = [connect(server) for _ in range(40)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /registrar_peer HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"[: number * 2])
        assert requests.get(f"http://{LOOP}:{server.port}/status", timeout=20).ok
    finally:
        for connection in slow:
            connection.close()


def test_a_request_that_never_ends_is_cut_off(server: TrackerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "REQUEST_DEADLINE", 0.0)
    with connect(server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        assert is_closed(connection)


def test_a_request_that_does_not_begin_is_cut_off_sooner(
    server: TrackerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HEADER_DEADLINE", 0.0)
    with connect(server) as connection:
        assert is_closed(connection)


def test_drippers_from_every_side_keep_no_listed_peer_out(
    server: TrackerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(places, "CONNECTIONS_FROM_HERE", 20)
    url = f"http://{LOOP}:{server.port}"
    assert requests.post(f"{url}/registrar_peer", json={"peer_id": "ana", "porta": 5001}, timeout=20).ok
    drippers: list[socket.socket] = []
    try:
        for number in range(60):
            drippers.append(connect(server))
            drippers[-1].sendall(b"POST /registrar_peer HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"[:number])
            if not number % 10:
                beat = requests.get(f"{url}/listar_peers?peer_id=ana", json={"blocks": [1]}, timeout=20)
                assert beat.json()["registrado"]
    finally:
        for connection in drippers:
            connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/status", "/announce", "/scrape", "/torrent", "/listar_peers", "/"])
def test_web_pages_and_rebound_names_are_told_nothing(
    server: TrackerServer, path: str, headers: dict[str, str]
) -> None:
    reply = requests.get(f"http://{LOOP}:{server.port}{path}", headers=headers, timeout=20)
    assert reply.status_code == 403
    assert "info_hash" not in reply.text


def test_no_reply_is_kept_or_guessed_at(server: TrackerServer) -> None:
    url = f"http://{LOOP}:{server.port}"
    for path in ("/", "/status", "/torrent", "/announce", "/scrape", "/nowhere", "/registrar_peer"):
        reply = requests.get(url + path, timeout=20)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
    assert requests.post(f"{url}/announce", timeout=20).status_code == 405


def test_a_name_that_was_allowed_leads_here() -> None:
    server = TrackerServer(Tracker(SHARE, rng=Random(1)), LOOP, 0, names=["tracker.example"])
    server.start()
    try:
        headers = {"Host": "tracker.example:5000"}
        assert requests.get(f"http://{LOOP}:{server.port}/status", headers=headers, timeout=20).ok
    finally:
        server.close()


def test_one_address_keeps_only_so_many_connections(
    server: TrackerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "CONNECTIONS_FROM_HERE", 2)
    with connect(server) as first, connect(server), connect(server):
        assert is_closed(first)


def test_many_clients_are_answered_at_once(server: TrackerServer) -> None:
    answered: list[int] = []

    def join(number: int) -> None:
        for attempt in range(5):
            body = {"peer_id": f"p{number}-{attempt}", "porta": 5000 + number}
            reply = requests.post(f"http://{LOOP}:{server.port}/registrar_peer", json=body, timeout=20)
            answered.append(reply.status_code)

    threads = [Thread(target=join, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [200] * 40
    assert requests.get(f"http://{LOOP}:{server.port}/status", timeout=20).json()["peers_ativos"] == 40


def talk_on(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"more")


def test_whoever_goes_on_talking_after_the_answer_is_cut_off(
    server: TrackerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "LINGER", 0.0)
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200")
        with pytest.raises(OSError, match=r"reset|[Pp]ipe"):
            talk_on(connection)


def test_descriptors_that_run_out_are_told_of_once_and_come_back(
    server: TrackerServer, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as waiting:
        asking = waiting.enter_context(connect(server))
        asking.sendall(b"GET / HTTP/1.1\r\n")
        assert requests.get(f"http://{LOOP}:{server.port}/", timeout=20).ok, (
            "so the first one has its place too"
        )
        others = [waiting.enter_context(socket.socket()) for _ in range(3)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (asking.fileno() + 64, limits[1]))
        filling = waiting.enter_context(ExitStack())
        try:
            with suppress(OSError):
                while True:
                    filling.callback(os.close, os.dup(asking.fileno()))
            for other in others:
                other.connect((LOOP, server.port))
            asking.sendall(b"\r\n")
            assert read_all(asking).startswith(b"HTTP/1.1 200"), "who has a place is served"
        finally:
            filling.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for other in others:
            other.settimeout(20)
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_all(other).startswith(b"HTTP/1.1 200")
    assert [record.getMessage()[:25] for record in caplog.records] == ["too many files are open, "]


def test_a_taken_port_names_the_remedy(server: TrackerServer) -> None:
    with pytest.raises(UsageError, match=f"{server.port}.*choose another port"):
        new_server(port=server.port).start()


@pytest.mark.parametrize(
    ("host", "port"), [("host..invalid", 0), (LOOP, 70_000), (LOOP, -1), ("192.0.2.1", 0)]
)
def test_an_address_that_cannot_be_listened_on_is_refused(host: str, port: int) -> None:
    server = new_server(host, port)
    with pytest.raises(UsageError):
        server.start()
    server.close()


def test_closing_frees_port_threads_and_open_connections() -> None:
    before = active_count()
    server = new_server()
    server.start()
    with connect(server) as idle:
        idle.sendall(b"GET /sta")
        requests.get(f"http://{LOOP}:{server.port}/", timeout=20)
        server.close()
        server.close()
        assert is_closed(idle)
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    again = new_server(port=server.port)
    again.start()
    again.close()
    assert active_count() <= before
