"""Addresses on the web that strangers wrote: fetched with bounds, and kept from this machine and its network.

A torrent, a magnet link or a redirection may name any address, also that of a printer next door or of a
service that trusts whoever reaches it (libtorrent PRs #5303 and #5846). So whom we reached is looked at when
the connection stands, before anything is said: what a name means may change at any time.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from minibit.address import ip_literal
from minibit.errors import TrackerUnreachableError, UsageError
from minibit.peer.calls import Calls, PlainSession, bounded, cause
from minibit.text import one_line, plain_text
from minibit.torrent.torrent_file import WEB_SCHEMES, usable

MAX_REDIRECTS: Final = 5
TIMEOUT: Final = (5.0, 10.0)  # seconds to connect, and between bytes

Allows = Callable[[str], bool]
"""Whether this URL may lead to a machine on a private network, or to this one."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, whatever its status; `ip` is who answered in the end."""

    status: int
    body: bytes
    ip: str


class NearError(UsageError):
    """An address that a stranger wrote leads to this machine or its network."""


def is_far(ip: str) -> bool:
    """Whether this literal is an address on the internet, and no machine's nearby."""
    literal = ip_literal(ip)
    return literal is not None and ipaddress.ip_address(literal).is_global


def announces(url: str) -> bool:
    """Whether this URL is what trackers have and hardly another service: then it may be nearby."""
    return urlsplit(url).path.endswith("/announce")


async def fetch(url: str, *, allows: Allows, limit: int, seconds: float) -> Fetched:
    """What is at `url`, at most `limit` bytes, within so many seconds; redirections are followed a few times.

    Raises:
        TrackerUnreachableError: nobody answers, or not within these bounds.
        UsageError: it, or where it redirects to, may not be called.
    """
    calls = Calls(_told(url), _Session)
    try:
        return await calls.within(seconds, lambda session: _follow(session, url, allows, limit, seconds))
    finally:
        calls.close()


def typed(url: str) -> Allows:
    """For a URL that the user typed: it may lead anywhere, and send us on to its own host."""
    host = urlsplit(url).hostname
    return lambda asked: urlsplit(asked).hostname == host


# --- below, we are in the thread of the calls


def _follow(session: requests.Session, url: str, allows: Allows, limit: int, seconds: float) -> Fetched:
    for _ in range(1 + MAX_REDIRECTS):
        assert isinstance(session, _Session)
        if not usable(url, WEB_SCHEMES, longest=16 * 1024):
            raise UsageError(f"{_told(url)} is not an address on the web")
        session.guard.near = allows(url)
        try:
            with session.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
                if not response.is_redirect:
                    return Fetched(response.status_code, bounded(response, limit, seconds), session.guard.ip)
                url = urljoin(url, response.headers["location"])
        except (requests.RequestException, OSError, ValueError) as error:
            raise TrackerUnreachableError(one_line(f"no answer from {_told(url)} ({cause(error)})")) from None
        except NearError as error:
            raise NearError(f"{_told(url)}: {error}") from None
    raise TrackerUnreachableError(f"it redirects more than {MAX_REDIRECTS} times")


def _told(url: str) -> str:
    """As much of a URL as may be shown: what follows may be a secret of its user's."""
    parts = urlsplit(url)
    return plain_text(f"{parts.scheme}://{parts.netloc}{parts.path}", 120)


class _Guard:
    """Lets connections stand, or not, and remembers whom the last one reached."""

    near = False
    ip = ""

    def check(self, connection: HTTPConnection) -> None:
        assert connection.sock is not None
        self.ip = ip_literal(connection.sock.getpeername()[0]) or ""
        if not self.near and not is_far(self.ip):
            connection.close()
            raise NearError(
                f"it leads to {self.ip}, which is this machine or its network: only a path that ends in "
                "/announce is called there"
            )


class _Session(PlainSession):
    """A session whose connections are guarded."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = _Guard()
        for scheme in WEB_SCHEMES:
            self.mount(f"{scheme}://", _Adapter(self.guard))


class _Adapter(HTTPAdapter):
    def __init__(self, guard: _Guard) -> None:
        self._guard = guard
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        guard = self._guard

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                guard.check(self)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                guard.check(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        super().init_poolmanager(*arguments, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
