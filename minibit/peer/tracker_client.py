"""A client of a tracker's URL: calls over HTTP, made in a thread of their own and awaited on the loop.

The tracker is a stranger too: replies are bounded, in bytes and in time, and whatever is not the answer of a
MiniBit tracker is the same as no answer. Who calls, as which peer, is unknown here, and nothing is retried
unless `retrying` is asked to.
"""

import asyncio
import json
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import lru_cache, partial
from http.client import (
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from msgspec.structs import replace

from minibit import __version__
from minibit.address import FIRST_USER_PORT, PeerAddress, ip_literal, is_loopback
from minibit.dialects import json_fields
from minibit.dialects.json_replies import Refusal
from minibit.errors import MinibitError, TrackerRefusedError, TrackerUnreachableError, UsageError
from minibit.peer.calls import LATE, PART, Calls, bounded, cause, causes, silence
from minibit.snapshot import SwarmStatus
from minibit.text import plain_text
from minibit.torrent import torrent_file
from minibit.torrent.torrent_file import TorrentFile

DEFAULT_PORT: Final = 5000
CONNECT_SECONDS: Final = 3.05  # just over one TCP retransmission
SILENCE_SECONDS: Final = 10.0  # between two bytes
CALL_SECONDS: Final = 15.0  # for a call in all, and for the share, which may be large:
TORRENT_SECONDS: Final = 60.0
LEAST_SECONDS: Final = 1.0  # for a call, however little time is left
MAX_REPLY: Final = 32 * 1024 * 1024  # `/status` of 5,000 peers is about 6 MB
MAX_TORRENT: Final = 64 * 1024 * 1024
FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 8.0
PATH: Final = "/%:@!$&'()*+,;="  # characters of a path that go as they are (RFC 3986)
MAX_HOST: Final = 253  # characters of a host's name (RFC 1035)
WILDCARDS: Final = ("0.0.0.0", "::")

T = TypeVar("T")


class NameTakenError(TrackerRefusedError):
    """Another process is active under our name (409). `peer` is where: if nobody answers there, `replace`."""

    def __init__(self, message: str, peer: PeerAddress) -> None:
        super().__init__(message)
        self.peer = peer


class TrackerClient:
    """The tracker at `url`, one call at a time.

    Every call raises `TrackerUnreachableError` (no answer in time, 5xx, or not a tracker's answer),
    `TrackerRefusedError` (4xx, with the tracker's reason) or, as long as nothing has ever answered there,
    `UsageError` if no machine has that name. A cancelled call is over at once.
    """

    def __init__(self, url: str) -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: `url` is no tracker's address.
        """
        self.url = normalised(url)
        self._ip: str | None = None
        self._answered = False
        self._calls = Calls(self.url)

    async def torrent(self) -> TorrentFile:
        """What the tracker shares, and how it says to get it.

        Raises:
            MetainfoError: a share that is malformed or unsafe.
        """
        return await self._calls.within(
            TORRENT_SECONDS,
            lambda: self._ask(torrent_file.parse, "GET", "/torrent", limit=MAX_TORRENT),
        )

    async def status(self) -> SwarmStatus:
        """The whole swarm."""
        return await self.call(SwarmStatus.from_json, "GET", "/status")

    async def call(
        self,
        read: Callable[[object], T],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> T:
        """What `read` makes of the decoded JSON reply; it runs in the thread.

        Raises:
            TrackerUnreachableError: also when `read` raises a `ValueError`: that was no tracker.
            NameTakenError: 409, and the tracker says which peer has the name.
        """
        decode = partial(self._from_json, read)
        return await self._calls.within(CALL_SECONDS, lambda: self._ask(decode, method, path, body, query))

    def dialable(self, peer: PeerAddress) -> PeerAddress | None:
        """`peer` as we can dial it, None if we cannot or will not.

        A wildcard means the tracker's own machine. A tracker elsewhere does not aim us at programs of this
        machine, nor any tracker at the ports of other services than its own origin's: mail, shells, the web.

        It may have to look up the tracker's name: call it where `read` runs.
        """
        here = is_loopback(peer.ip) and urlsplit(self.url).hostname != "localhost"
        if peer.ip not in WILDCARDS and not here and peer.port >= FIRST_USER_PORT:
            return peer
        self._ip = self._ip or _address_of(self.url)
        if self._ip is None or (here and not is_loopback(self._ip)):
            return None
        dialled = replace(peer, ip=self._ip) if peer.ip in WILDCARDS else peer
        its_own = dialled.origin and dialled.ip == self._ip
        return dialled if its_own or dialled.port >= FIRST_USER_PORT else None

    def close(self) -> None:
        """Lets the thread end; a later call would start another one."""
        self._calls.close()

    # Below, we are in the worker's thread.

    def _ask(
        self,
        read: Callable[[bytes], T],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
        limit: int = MAX_REPLY,
    ) -> T:
        """What `read` makes of the body of a 2xx reply."""
        target = path + (f"?{urlencode(query)}" if query else "")
        try:
            status, content = _exchange(self.url, method, target, body, limit)
        except (HTTPException, OSError, ValueError) as error:
            if not self._answered and any(map(_is_no_name, causes(error))):
                raise UsageError(f"no machine has the name in {self.url}: check --tracker") from None
            if not self._answered and self.url.startswith("https:") and _speaks_plainly(self.url):
                plain = self.url.replace("https:", "http:", 1)
                raise UsageError(
                    f"the tracker at {plain} does not speak https: use --tracker {plain}"
                ) from None
            raise silence(self.url, cause(error)) from None
        self._answered = True
        if status >= 500:
            raise TrackerUnreachableError(f"the tracker at {self.url} failed with {status}")
        if status >= 300:
            self._refuse(status, content)
        return read(content)

    def _from_json(self, read: Callable[[object], T], content: bytes) -> T:
        try:
            return read(json_fields.document(content, max_parts=json_fields.MAX_PARTS_ANSWERED))
        except (ValueError, MinibitError) as error:
            said = plain_text(str(error), 200)
            raise TrackerUnreachableError(
                f"{self.url} does not answer like a MiniBit tracker: {said}"
            ) from None

    def _refuse(self, status: int, content: bytes) -> None:
        try:
            refusal = self._from_json(Refusal.from_json, content)
        except TrackerUnreachableError:
            raise TrackerRefusedError(
                f"{self.url} answered {status}: it is not a MiniBit tracker; check --tracker"
            ) from None
        path = urlsplit(self.url).path
        if status == 404 and path:
            raise TrackerRefusedError(
                f"{self.url} is no tracker: leave out {path}, and give its host and port only"
            )
        peer = self.dialable(refusal.peer.address) if refusal.peer is not None else None
        if status == 409 and peer is not None:
            raise NameTakenError(refusal.message, peer)
        raise TrackerRefusedError(refusal.message)


async def retrying(
    call: Callable[[], Awaitable[T]],
    *,
    url: str,
    timeout: float | None,
    on_retry: Callable[[TrackerUnreachableError, float], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """`call()`, repeated with growing pauses (0.5 s doubling to 8 s) while no tracker answers at `url`.

    `on_retry(error, delay)` is told before each pause.

    Raises:
        TrackerUnreachableError: none answered within `timeout` seconds (None: for ever).
    """
    end = float("inf") if timeout is None else clock() + timeout
    delay = FIRST_DELAY
    while True:
        try:
            async with asyncio.timeout(None if timeout is None else max(end - clock(), LEAST_SECONDS)):
                return await call()
        except TrackerUnreachableError as error:
            silent = error
        except TimeoutError:
            silent = silence(url, LATE)
        pause = min(delay, end - clock())
        if pause <= 0:
            raise TrackerUnreachableError(f"gave up after {timeout:g} s: {silent}")
        on_retry(silent, pause)
        await sleep(pause)
        delay = min(2 * delay, MAX_DELAY)


def normalised(url: str) -> str:
    """`url` as `scheme://host:port[/path]`; `host:port` alone is http, `host` alone is at port 5000.

    The `/announce` of what other clients are told is left out: it is one of the tracker's calls.

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
    extra = (
        not 0 < len(host) <= MAX_HOST
        or parts.port == 0
        or parts.username is not None
        or parts.query
        or parts.fragment
    )
    if extra or parts.scheme not in ("http", "https") or not host.isprintable() or " " in host:
        raise UsageError(f"{plain_text(url, 100)!r} is not a tracker's address: use http://HOST:PORT")
    place = f"[{host}]" if ":" in host else host
    path = re.sub("(/announce|/)+$", "", parts.path)
    return f"{parts.scheme}://{place}{f':{port}' if port else ''}{path}"


def _exchange(
    url: str, method: str, target: str, body: dict[str, Any] | None, limit: int
) -> tuple[int, bytes]:
    """The status and the body of one reply; no proxy is asked, and no redirection followed.

    Raises:
        HTTPException, OSError, ValueError: there is none, or none that is any good.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host.isascii():
        # As browsers do: the standard library's names are of 2003, and "ß" is "ss" in them.
        from idna import encode

        host = encode(host).decode()
    # Without a port, an IPv6 address would be taken for a host and a port.
    connection = (
        HTTPSConnection(host, parts.port or 443, timeout=CONNECT_SECONDS, context=_trusted())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port or 80, timeout=CONNECT_SECONDS)
    )
    # A connection kept between heartbeats would only be found dead, or keep another peer out.
    headers = {"User-Agent": f"MiniBit/{__version__}", "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    with closing(connection):
        connection.connect()
        connection.sock.settimeout(SILENCE_SECONDS)
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # who refuses need not hear us out
            connection.request(method, quote(parts.path, PATH) + target, content, headers)
        try:
            with connection.getresponse() as response:
                body_parts = iter(partial(response.read1, PART), b"")
                encoding = response.headers["Content-Encoding"]
                read = bounded(body_parts, encoding, limit, TORRENT_SECONDS)
                if response.length:
                    raise IncompleteRead(read, response.length)
                return response.status, read
        except IncompleteRead:
            raise ValueError("its answer broke off") from None
        except RemoteDisconnected:
            raise
        except BadStatusLine:
            raise ValueError("what answers there is not HTTP") from None


@lru_cache(1)
def _trusted() -> ssl.SSLContext:
    """Whom this machine trusts, and whom everybody does."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _speaks_plainly(url: str) -> bool:
    """Whether at this https address somebody answers plain http, and successfully."""
    try:
        status, _ = _exchange(url.replace("https:", "http:", 1), "GET", "/status", None, MAX_REPLY)
    except (HTTPException, OSError, ValueError):
        return False
    return status < 300


def _address_of(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    try:
        return ip_literal(host) or socket.gethostbyname(host)
    except (OSError, UnicodeError):
        return None


def _is_no_name(error: BaseException) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
