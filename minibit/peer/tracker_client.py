"""A peer's view of its tracker: blocking calls over HTTP, one method per line of DESIGN's JSON contract.

The tracker is a stranger too: replies are bounded, in bytes and in time; addresses are checked; whatever
is not the answer of a MiniBit tracker is the same as no answer. Nothing is retried here unless `retrying`
is asked to, and which thread calls is the caller's choice: one at a time.
"""

import errno
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Thread
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests

from minibit import bitfield
from minibit.address import PeerAddress, ip_literal
from minibit.dialects.json_calls import Heartbeat, Registration, RequestError, address_from_json
from minibit.errors import MinibitError, TrackerRefusedError, TrackerUnreachableError, UsageError
from minibit.snapshot import Figures, SwarmStatus
from minibit.text import plain_text
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo

DEFAULT_PORT: Final = 5000
TIMEOUT: Final = (3.05, 10.0)  # seconds to connect (just over one TCP retransmission), and between bytes
CALL_SECONDS: Final = 15.0  # for a call in all, and for the share, which may be large:
TORRENT_SECONDS: Final = 60.0
LEAST_SECONDS: Final = 1.0  # for a call, however little time is left
LOOK_SECONDS: Final = 0.1  # between looks at whether to stop
MAX_REPLY: Final = 32 * 1024 * 1024  # `/status` of 5,000 peers is about 6 MB
MAX_TORRENT: Final = 64 * 1024 * 1024
MAX_PEERS_READ: Final = 1000  # of one reply; ours list 50
FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 8.0
DEFAULT_INTERVAL: Final = 10.0
MIN_INTERVAL: Final = 0.5  # no tracker makes us call it in a tight loop
MAX_INTERVAL: Final = 30.0  # nor be silent until it forgets us
WILDCARDS: Final = ("0.0.0.0", "::")

T = TypeVar("T")


class NameTakenError(TrackerRefusedError):
    """Another process is active under our name (409). `peer` is where: if nobody answers there, `replace`."""

    def __init__(self, message: str, peer: PeerAddress) -> None:
        super().__init__(message)
        self.peer = peer


@dataclass(frozen=True, slots=True)
class Registered:
    """We are in the list. `granted` and `new` are bitfields; `interval` is seconds between heartbeats."""

    granted: int
    new: int
    peers: tuple[PeerAddress, ...]
    interval: float


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a heartbeat. Not `registered`: the tracker restarted or forgot us, so register again."""

    registered: bool
    peers: tuple[PeerAddress, ...]
    interval: float


class TrackerClient:
    """The tracker at `url`, for the peer `name` with wire id `bt_id` that listens on `port`.

    Every call raises `TrackerUnreachableError` (no answer, 5xx, or not a tracker's answer),
    `TrackerRefusedError` (4xx, with the tracker's reason) or, as long as nothing has ever answered there,
    `UsageError` if no machine has that name.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        bt_id: bytes,
        port: int,
        ip: str | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: `url` is no tracker's address.
        """
        self.url = normalised(url)
        self._name = name
        self._bt_id = bt_id
        self._port = port
        self._ip = ip
        self._timeout = timeout
        self._clock = clock
        self._end = float("inf")
        self._stop: Callable[[], bool] | None = None
        self._answered = False
        self._block_count: int | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy for the web is none for the machine next door
        # A connection kept between heartbeats would only be found dead, or keep another peer out.
        self._session.headers.update({"Accept-Encoding": "identity", "Connection": "close"})

    def allow(self, seconds: float | None, stop: Callable[[], bool] | None = None) -> None:
        """Calls end within `seconds` from now (None: each within its own time), or once `stop()` is true."""
        self._end = float("inf") if seconds is None else self._clock() + seconds
        self._stop = stop

    def torrent(self) -> Metainfo:
        """What the tracker shares.

        Raises:
            MetainfoError: a share that is malformed or unsafe.
        """
        shared = metainfo.parse(self._ask("GET", "/torrent", limit=MAX_TORRENT, seconds=TORRENT_SECONDS))
        self._block_count = shared.layout.block_count
        return shared

    def register(self, blocks: int, *, replace: bool = False) -> Registered:
        """Joins the swarm, holding `blocks`; `replace` takes the name over from a process that is gone.

        Raises:
            NameTakenError: another process is active under that name.
        """
        count = self._count()
        registration = Registration(self._name, self._port, self._ip, blocks, self._bt_id, replace)
        reply = self._ask_json("POST", "/registrar_peer", registration.to_json(count))
        return Registered(
            granted=self._blocks(reply, "concedidos", count),
            new=self._blocks(reply, "blocos_iniciais", count),
            peers=self._peers(reply),
            interval=_interval(reply),
        )

    def heartbeat(self, blocks: int, figures: Figures) -> Listing:
        """Says what we hold and do, and asks who else is there."""
        body = Heartbeat(self._bt_id, blocks, figures).to_json(self._count())
        query = {"peer_id": self._name, "brief": "1"}
        reply = self._ask_json("GET", "/listar_peers", body, query)
        return Listing(reply.get("registrado") is True, self._peers(reply), _interval(reply))

    def disconnect(self) -> None:
        """Says goodbye; that the tracker no longer knows us is fine."""
        try:
            self._ask_json("POST", "/desconectar_peer", {"peer_id": self._name, "bt_id": self._bt_id.hex()})
        except TrackerRefusedError:
            return

    def status(self) -> SwarmStatus:
        """The whole swarm."""
        reply = self._ask_json("GET", "/status")
        try:
            return SwarmStatus.from_json(reply)
        except MinibitError as error:
            raise self._nonsense(str(error)) from None

    def close(self) -> None:
        self._session.close()

    def _count(self) -> int:
        if self._block_count is None:
            self._block_count = self.torrent().layout.block_count
        return self._block_count

    def _ask_json(
        self, method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        return self._object(self._ask(method, path, body, query))

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
        limit: int = MAX_REPLY,
        seconds: float = CALL_SECONDS,
    ) -> bytes:
        """The body of a 2xx reply."""
        try:
            status, content = self._bounded(
                partial(self._exchange, method, path, body, query, limit), seconds
            )
        except (requests.RequestException, OSError, ValueError) as error:
            if not self._answered and any(map(_is_no_name, _causes(error))):
                raise UsageError(f"no machine has the name in {self.url}: check --tracker") from None
            raise TrackerUnreachableError(
                f"no answer from the tracker at {self.url} ({_cause(error)}): is it running there?"
            ) from None
        self._answered = True
        if status >= 500:
            raise TrackerUnreachableError(f"the tracker at {self.url} failed with {status}")
        if status >= 300:
            self._refuse(status, content)
        return content

    def _bounded(self, work: Callable[[], T], seconds: float) -> T:
        """`work()`, in a thread that is left behind, with an `OSError`, when time is up or `stop` is true.

        A socket's timeout bounds the silence between two bytes, not how long names, headers and bodies take.
        """
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:
                outcome.set_exception(error)

        now = self._clock()
        end = min(now + seconds, max(self._end, now + LEAST_SECONDS))
        Thread(target=run, name="tracker-call", daemon=True).start()
        while not wait((outcome,), min(LOOK_SECONDS, max(0.0, end - self._clock()))).done:
            if self._clock() >= end:
                raise TimeoutError(errno.ETIMEDOUT, "it did not finish in time")
            if self._stop is not None and self._stop():
                raise InterruptedError(errno.EINTR, "interrupted")
        return outcome.result()

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, query: dict[str, str] | None, limit: int
    ) -> tuple[int, bytes]:
        with self._session.request(
            method,
            self.url + path,
            json=body,
            params=query,
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            return response.status_code, self._read(response, limit)

    def _read(self, response: requests.Response, limit: int) -> bytes:
        # Compressed replies were not asked for, and are how a small reply becomes a large one.
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ValueError("a compressed reply")
        content, end = bytearray(), self._clock() + TORRENT_SECONDS
        for part in response.iter_content(64 * 1024):
            content += part
            if self._clock() >= end:  # nobody waits for it any more
                raise TimeoutError(errno.ETIMEDOUT, "it did not finish in time")
            if len(content) > limit:
                raise ValueError(f"a reply of more than {limit // (1024 * 1024)} MiB")
        return bytes(content)

    def _refuse(self, status: int, content: bytes) -> None:
        try:
            reply = self._object(content)
        except TrackerUnreachableError:
            reply = {}
        reason = plain_text(reply.get("mensagem"), 300)
        if not reason:
            raise TrackerRefusedError(
                f"{self.url} answered {status}: it is not a MiniBit tracker; check --tracker"
            )
        if status == 409 and (peer := next(self._addresses([reply.get("peer")]), None)):
            raise NameTakenError(reason, peer)
        raise TrackerRefusedError(reason)

    def _object(self, content: bytes) -> dict[str, Any]:
        try:
            reply = json.loads(content)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise self._nonsense("not a JSON object")
        return reply

    def _blocks(self, reply: dict[str, Any], field: str, count: int) -> int:
        try:
            return bitfield.from_indices(reply[field], count)
        except (KeyError, TypeError, ValueError):
            raise self._nonsense(f"no list of blocks in {field!r}") from None

    def _peers(self, reply: dict[str, Any]) -> tuple[PeerAddress, ...]:
        entries = reply.get("peers")
        if not isinstance(entries, list):
            raise self._nonsense("no list of peers")
        return tuple(self._addresses(entries[:MAX_PEERS_READ]))

    def _addresses(self, entries: Iterable[object]) -> Iterator[PeerAddress]:
        """The usable ones among `entries`; a wildcard address means the tracker's machine."""
        for entry in entries:
            try:
                peer = address_from_json(entry)
            except RequestError:
                continue
            if peer.ip in WILDCARDS:
                if self._tracker_ip is None:
                    continue
                peer = replace(peer, ip=self._tracker_ip)
            yield peer

    @cached_property
    def _tracker_ip(self) -> str | None:
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_literal(host) or socket.gethostbyname(host)
        except (OSError, UnicodeError):
            return None

    def _nonsense(self, what: str) -> TrackerUnreachableError:
        return TrackerUnreachableError(f"{self.url} does not answer like a MiniBit tracker: {what}")


def retrying(
    call: Callable[[], T],
    *,
    timeout: float | None,
    sleep: Callable[[float], object],
    clock: Callable[[], float],
    on_retry: Callable[[TrackerUnreachableError, float], None],
) -> T:
    """`call()`, repeated with growing pauses (0.5 s doubling to 8 s) while no tracker answers.

    `on_retry(error, delay)` is told before each pause. `sleep` may be an `Event.wait`: a true result
    means that somebody asks us to stop, and the last error is raised at once.

    Raises:
        TrackerUnreachableError: none answered within `timeout` seconds (None: for ever), or stopped.
    """
    end = None if timeout is None else clock() + timeout
    delay = FIRST_DELAY
    while True:
        try:
            return call()
        except TrackerUnreachableError as error:
            left = delay if end is None else end - clock()
            if left <= 0:
                raise TrackerUnreachableError(f"gave up after {timeout:g} s: {error}") from None
            pause = min(delay, left)
            on_retry(error, pause)
            if sleep(pause):
                raise
            delay = min(2 * delay, MAX_DELAY)


def normalised(url: str) -> str:
    """`url` as `scheme://host:port[/path]`; `host:port` alone is http, `host` alone is at port 5000.

    Raises:
        UsageError: no http address.
    """
    text = url.strip()
    bare = "://" not in text
    try:
        parts = urlsplit(f"http://{text}" if bare else text)
        port = parts.port or (DEFAULT_PORT if bare else None)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    extra = not host or parts.port == 0 or parts.username is not None or parts.query or parts.fragment
    if extra or parts.scheme not in ("http", "https") or not host.isprintable() or " " in host:
        raise UsageError(f"{plain_text(url, 100)!r} is not a tracker's address: use http://HOST:PORT")
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _interval(reply: dict[str, Any]) -> float:
    value = reply.get("intervalo")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_INTERVAL:
        return DEFAULT_INTERVAL
    return max(float(value), MIN_INTERVAL)


def _cause(error: BaseException) -> str:
    """The plain reason at the bottom of the pile of exceptions that an HTTP library makes of it."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    for below in _causes(error):
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
    return plain_text(str(error), 120)


def _causes(error: BaseException) -> Iterator[BaseException]:
    below: BaseException | None = error
    while below is not None:
        yield below
        below = below.__cause__ or below.__context__


def _is_no_name(error: BaseException) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
