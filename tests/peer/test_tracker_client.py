"""The client against things that are no tracker: bounded in bytes and in time, plain about what is wrong."""

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from fakes.trackers import LOOP, SHARE, answering, dripping, http, read_request, running
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.dialects.json_replies import Listing
from minibit.errors import MetainfoError, TrackerRefusedError, TrackerUnreachableError, UsageError
from minibit.peer import tracker_client
from minibit.peer.tracker_client import MAX_REPLY, NameTakenError, TrackerClient, normalised, retrying
from minibit.snapshot import SwarmStatus

T = TypeVar("T")


def ask(url: str, call: Callable[[TrackerClient], Coroutine[Any, Any, T]]) -> T:
    """What one call of a client of its own gives."""
    with closing(TrackerClient(url)) as client:
        return asyncio.run(call(client))


def mistaken(url: str) -> str:
    """What is said of asking `url` for its status."""
    with pytest.raises(UsageError) as refusal:
        status(url)
    return str(refusal.value)


def status(url: str) -> SwarmStatus:
    return ask(url, TrackerClient.status)


def callers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tracker-calls"]


def gone() -> None:
    """No thread is there any more; one that was left behind ends when its connection does."""
    for thread in callers():
        thread.join(5.0)
    assert callers() == []


def test_a_real_tracker_says_what_it_shares_and_who_is_there() -> None:
    with running() as url:
        assert ask(url, TrackerClient.torrent).metainfo == SHARE
        view = status(url)
    assert (view.share, view.rows) == ("sample.bin", ())


def test_https_where_plain_http_is_spoken_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_client, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(tracker_client, "SILENCE_SECONDS", 3.0)
    with running() as url:
        said = mistaken(url.replace("http:", "https:"))
    assert said == f"the tracker at {url} does not speak https: use --tracker {url}"


def test_https_where_nobody_speaks_is_not_taken_for_plain_http() -> None:
    with socket.create_server((LOOP, 0)) as sock:
        nobody = f"https://{LOOP}:{sock.getsockname()[1]}"
    with pytest.raises(TrackerUnreachableError, match="Connection refused"):
        status(nobody)


def test_a_path_that_no_tracker_has_is_to_be_left_out() -> None:
    with running() as url:
        assert "leave out /elsewhere, and give its host and port only" in mistaken(f"{url}/elsewhere")
        assert status(f"{url}/announce").share == "sample.bin"


STATUS = SwarmStatus("sample.bin", 327_680, 16384, 20, "ab" * 20, 1.5, 0, ()).to_json()


def test_a_status_is_read() -> None:
    with answering(http(STATUS)) as url:
        assert status(url).to_json() == STATUS


GARBAGE = [
    b"",
    b"SSH-2.0-OpenSSH\r\n",
    http(b"<html>"),
    http(b"[" * 100_000),
    http([1]),
    http(b"[" + b"{}," * 300_000 + b"{}]"),
    http(gzip.compress(json.dumps(STATUS).encode()), headers="Content-Encoding: gzip\r\n"),
    http({}, "500 Oops"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    http({"peers_ativos": 1}),
]


@pytest.mark.parametrize("reply", GARBAGE)
def test_garbage_is_no_answer(reply: bytes) -> None:
    with answering(reply) as url, pytest.raises(TrackerUnreachableError, match=url):
        status(url)


def test_an_endless_reply_is_cut_off() -> None:
    endless = http(b" " * (MAX_REPLY + 1))
    with answering(endless) as url, pytest.raises(TrackerUnreachableError, match="more than 32 MiB"):
        status(url)


# In time


DRIPS = [b"", b"HTTP/1.1 200 OK\r\nX-Slow", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]


@pytest.mark.parametrize("drip", DRIPS)
def test_a_call_takes_so_much_time_and_no_more(drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_client, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(tracker_client, "TORRENT_SECONDS", 0.05)
    for call in (TrackerClient.status, TrackerClient.torrent):
        late = pytest.raises(TrackerUnreachableError, match="did not finish in time")
        with dripping(drip) as url, late:
            ask(url, call)


def test_a_body_without_end_keeps_no_thread_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it any more: the thread notices at the next byte."""
    monkeypatch.setattr(tracker_client, "TORRENT_SECONDS", 0.0)
    with answering(http(STATUS)) as url, pytest.raises(TrackerUnreachableError, match="finish in time"):
        status(url)


@contextmanager
def hanging_once(then: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A listener that answers its second connection only, with `then`; and when the first one is there."""
    arrived = threading.Event()
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            hanging, _ = listener.accept()
            with hanging:
                read_request(hanging)
                arrived.set()
                second, _ = listener.accept()
                with second:
                    read_request(second)
                    second.sendall(then)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://{LOOP}:{listener.getsockname()[1]}", arrived
        finally:
            thread.join()


def test_a_cancelled_call_is_over_at_once_and_the_next_one_is_answered() -> None:
    async def cancel(client: TrackerClient, arrived: threading.Event) -> SwarmStatus:
        hanging = asyncio.create_task(client.status())
        await asyncio.to_thread(arrived.wait)
        before = time.monotonic()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert time.monotonic() - before < 1.0
        assert len(callers()) == 1, "its thread is left behind"
        return await client.status()

    gone()
    with hanging_once(http(STATUS)) as (url, arrived), closing(TrackerClient(url)) as client:
        assert asyncio.run(cancel(client, arrived)).to_json() == STATUS
    gone()


def test_a_client_has_one_thread_from_its_first_call_until_it_is_closed() -> None:
    async def call(client: TrackerClient) -> None:
        assert callers() == []
        for _ in range(3):
            await client.status()
            assert len(callers()) == 1

    gone()
    with answering(*3 * [http(STATUS)]) as url, closing(TrackerClient(url)) as client:
        asyncio.run(call(client))
    client.close()
    gone()


def test_what_is_read_is_read_in_the_thread() -> None:
    """Megabytes of rubbish from a tracker do not stop the loop."""
    readers: list[str] = []

    def read(reply: object) -> object:
        readers.append(threading.current_thread().name)
        return reply

    with answering(http([7])) as url:
        assert ask(url, lambda client: client.call(read, "GET", "/")) == [7]
    assert readers == ["tracker-calls"]


# What it says


def test_a_name_that_no_machine_has_is_the_users_mistake_until_one_had_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def call(known: TrackerClient, unknown: TrackerClient) -> None:
        await known.status()
        monkeypatch.setattr(socket, "getaddrinfo", nobody)
        with pytest.raises(UsageError, match="--tracker"):
            await unknown.status()
        with pytest.raises(TrackerUnreachableError, match="not known"):
            await known.status()

    with (
        answering(http(STATUS)) as url,
        closing(TrackerClient(url)) as known,
        closing(TrackerClient("http://nobody.invalid")) as unknown,
    ):
        asyncio.run(call(known, unknown))


@pytest.mark.parametrize(
    "reply",
    [
        http(b"", "302 Found", "Location: http://192.0.2.1/status\r\n"),
        http(b"nginx", "404 Not Found"),
        http({"mensagem": 7}, "400 Bad Request"),
    ],
)
def test_another_servers_refusal_names_the_option(reply: bytes) -> None:
    with answering(reply) as url, pytest.raises(TrackerRefusedError, match="--tracker"):
        status(url)


def test_a_refusal_cannot_write_to_the_terminal() -> None:
    reply = http({"mensagem": "no\x1b[2J\nway"}, "403 Forbidden")
    with answering(reply) as url, pytest.raises(TrackerRefusedError) as caught:
        status(url)
    assert str(caught.value) == "no[2Jway"


PEER = {"peer_id": "ana", "ip": "10.0.0.1", "porta": 5001}


@pytest.mark.parametrize(
    ("said", "code", "kind"),
    [
        ({"peer": PEER}, "409 Conflict", NameTakenError),
        ({"peer": PEER}, "403 Forbidden", TrackerRefusedError),
        ({"peer": {}}, "409 Conflict", TrackerRefusedError),
        ({"peer": 7}, "409 Conflict", TrackerRefusedError),
        ({}, "409 Conflict", TrackerRefusedError),
    ],
)
def test_a_conflict_says_where_the_name_is_taken(said: object, code: str, kind: type[Exception]) -> None:
    assert isinstance(said, dict)
    refused = pytest.raises(TrackerRefusedError, match="taken")
    with answering(http({"mensagem": "taken"} | said, code)) as url, refused as caught:
        status(url)
    assert type(caught.value) is kind
    if isinstance(caught.value, NameTakenError):
        assert caught.value.peer == PeerAddress("ana", "10.0.0.1", 5001)


def test_a_wildcard_is_the_trackers_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    here = PeerAddress("bia", LOOP, 5002)
    with closing(TrackerClient("http://localhost:5000")) as client:
        for ip in ("0.0.0.0", "::", LOOP):
            assert client.dialable(PeerAddress("bia", ip, 5002)) == here

    def nobody(_: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", nobody)
    with closing(TrackerClient("http://nobody.invalid")) as lost:
        assert lost.dialable(PeerAddress("bia", "0.0.0.0", 5002)) is None
        assert lost.dialable(here) is None


def test_a_tracker_elsewhere_does_not_aim_us_at_this_machine() -> None:
    with closing(TrackerClient("http://192.0.2.7:5000")) as client:
        for ip in (LOOP, "127.8.8.8", "::1", "::ffff:127.0.0.1"):
            assert client.dialable(PeerAddress("bia", ip, 5002)) is None
        there = PeerAddress("bia", "192.0.2.9", 5002)
        assert client.dialable(there) == there


@pytest.mark.parametrize("url", ["http://192.0.2.7:5000", f"http://{LOOP}:5000"])
def test_no_tracker_aims_us_at_the_ports_of_other_services(url: str) -> None:
    own = url[7:-5]
    with closing(TrackerClient(url)) as client:
        for ip in (own, "0.0.0.0", "192.0.2.9"):
            for port in (22, 25, 80, 443, 1023):
                assert client.dialable(PeerAddress("bia", ip, port)) is None
        assert client.dialable(PeerAddress("origin", "192.0.2.9", 443, origin=True)) is None
        origin = PeerAddress("origin", own, 443, origin=True)
        assert client.dialable(origin) == origin, "which an operator may have chosen for a firewall"


def test_an_unsafe_share_is_refused() -> None:
    with answering(http(b"d4:infod4:name2:..ee")) as url, pytest.raises(MetainfoError):
        ask(url, TrackerClient.torrent)


def test_a_value_that_makes_no_sense_is_no_answer() -> None:
    with answering(http({"peers": 7})) as url, pytest.raises(TrackerUnreachableError, match="list of peers"):
        ask(url, lambda client: client.call(Listing.from_json, "GET", "/listar_peers"))


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
        ("http://tracker.lan:5000/announce", "http://tracker.lan:5000"),
        ("https://tracker.lan/mini/announce/", "https://tracker.lan/mini"),
    ],
)
def test_addresses_are_read_as_people_type_them(typed: str, meant: str) -> None:
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
def test_what_is_no_address_of_a_tracker_is_the_users_mistake(typed: str) -> None:
    with pytest.raises(UsageError, match="http://HOST:PORT"):
        normalised(typed)


@given(st.text(max_size=30) | st.text("/anounce").map("http://x/announce/{}".format))
def test_any_text_is_an_address_or_a_mistake(typed: str) -> None:
    try:
        once = normalised(typed)
    except UsageError:
        return
    assert normalised(once) == once


# Retrying


URL = "http://tracker.lan:5000"


class Line:
    """A tracker that answers from the n-th call on, a clock that only sleeping moves, and what was said."""

    def __init__(self, answers_at: int) -> None:
        self.now = 0.0
        self.calls = 0
        self.told: list[float] = []
        self._answers_at = answers_at

    async def call(self) -> str:
        self.calls += 1
        if self.calls < self._answers_at:
            raise TrackerUnreachableError(f"attempt {self.calls}")
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def on_retry(self, error: TrackerUnreachableError, delay: float) -> None:
        assert str(error) == f"attempt {self.calls}"
        self.told.append(delay)

    def run(self, timeout: float | None, call: Callable[[], Awaitable[str]] | None = None) -> str:
        return asyncio.run(
            retrying(
                call or self.call,
                url=URL,
                timeout=timeout,
                on_retry=self.on_retry,
                sleep=self.sleep,
                clock=lambda: self.now,
            )
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


def test_a_call_takes_no_more_than_the_time_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_client, "LEAST_SECONDS", 0.0)
    line = Line(answers_at=99)

    async def hang() -> str:
        line.now = 1.0
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(TrackerUnreachableError) as caught:
        line.run(0.01, hang)
    assert str(caught.value) == (
        f"gave up after 0.01 s: no answer from the tracker at {URL} (it did not finish in time): "
        "is it running there?"
    )
    assert line.told == []


def test_being_cancelled_ends_it_at_once() -> None:
    async def cancel() -> None:
        forever = asyncio.Event()
        waiting = asyncio.Event()

        async def sleep(_: float) -> None:
            waiting.set()
            await forever.wait()

        line = Line(answers_at=99)
        task = asyncio.create_task(
            retrying(line.call, url=URL, timeout=None, on_retry=line.on_retry, sleep=sleep, clock=lambda: 0.0)
        )
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert line.calls == 1

    asyncio.run(cancel())


def test_a_refusal_is_not_retried() -> None:
    async def refuse() -> str:
        raise TrackerRefusedError("no")

    line = Line(answers_at=99)
    with pytest.raises(TrackerRefusedError):
        line.run(None, refuse)
    assert line.told == []


# What the library does not see to


@pytest.mark.parametrize("call", [TrackerClient.status, TrackerClient.torrent])
@pytest.mark.parametrize("promised", [b"8", b"99999999999999999999"])
def test_an_answer_that_breaks_off_is_none(
    call: Callable[[TrackerClient], Coroutine[Any, Any, object]], promised: bytes
) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: " + promised + b"\r\n\r\n{}"
    with answering(half) as url, pytest.raises(TrackerUnreachableError, match="its answer broke off"):
        ask(url, call)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://[::1]", 80),
        ("https://[fe80::abcd]", 443),
        ("http://[::1]:5000", 5000),
        ("http://tracker.example", 80),
    ],
)
def test_without_a_port_the_schemes_own_is_called(
    url: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def connect(address: object, *_: object, **__: object) -> socket.socket:
        called.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TrackerUnreachableError, match="Connection refused"):
        status(url)
    assert called[0] == (urlsplit(url).hostname, port)


def test_who_refuses_need_not_hear_us_out() -> None:
    refusal = http({"status": "erro", "mensagem": "much"}, "413 Content Too Large")
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(refusal)
                connection.shutdown(socket.SHUT_RD)
                time.sleep(0.2)

        thread = threading.Thread(target=serve)
        thread.start()
        body = {"said": "x" * 20_000_000}
        with pytest.raises(TrackerRefusedError, match="much"):
            ask(
                f"http://{LOOP}:{listener.getsockname()[1]}",
                lambda client: client.call(lambda answer: answer, "POST", "/registrar_peer", body),
            )
        thread.join()


@pytest.mark.parametrize(
    ("path", "sent"), [("/a:c@d+e,(f);g=h", "/a:c@d+e,(f);g=h"), ("/a b/é%20", "/a%20b/%C3%A9%20")]
)
def test_a_path_goes_as_it_is_if_it_may(path: str, sent: str) -> None:
    asked: list[bytes] = []
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(http({}, "500 Oops"))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(TrackerUnreachableError):
            status(f"http://{LOOP}:{listener.getsockname()[1]}{path}")
        thread.join()
    assert asked[0].startswith(f"GET {sent}/status HTTP/1.1\r\n".encode())


def test_what_is_not_http_is_called_so() -> None:
    with answering(b"220 mail.example ESMTP\r\n") as url, pytest.raises(TrackerUnreachableError) as error:
        status(url)
    assert "what answers there is not HTTP" in str(error.value)
