"""Addresses on the web that strangers wrote: fetched with bounds, and kept from this machine and its network.

A torrent, a magnet link or a redirection may name any address, also that of a printer next door or of a
service that trusts whoever reaches it (libtorrent PRs #5303 and #5846). So whom we reached is looked at when
the connection stands, before anything is said: what a name means may change at any time.
"""

import socket
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from msgspec import Struct
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from minibit.address import ip_literal, is_far
from minibit.errors import TrackerUnreachableError, UsageError
from minibit.peer.calls import Calls, PlainSession, bounded, cause
from minibit.text import one_line, plain_text
from minibit.torrent.torrent_file import WEB_SCHEMES, usable

MAX_REDIRECTS: Final = 5
TIMEOUT: Final = (5.0, 10.0)  # seconds to connect, and between bytes


class Rule(NamedTuple):
    """Which URLs may lead to a machine on a private network, or to this one.

    `allows` is asked with such a URL and the IP address that it leads to; `told` says for people what it
    allows.
    """

    allows: Callable[[str, str], bool]
    told: str


class Fetched(Struct, frozen=True):
    """What came, whatever its status; `ip` is who answered in the end."""

    status: int
    body: bytes
    ip: str


class NearError(UsageError):
    """An address that a stranger wrote leads to this machine or its network."""


ANNOUNCES: Final = Rule(
    # What trackers have, and hardly another service.
    lambda url, _ip: urlsplit(url).path.endswith("/announce"),
    "only a path that ends in /announce is called there",
)


async def fetch(url: str, *, rule: Rule, limit: int, seconds: float) -> Fetched:
    """What is at `url`, at most `limit` bytes, within so many seconds; redirections are followed a few times.

    Raises:
        TrackerUnreachableError: nobody answers, or not within these bounds.
        UsageError: it, or where it redirects to, may not be called.
    """
    calls = Calls(_told(url), lambda: GuardedSession(rule))
    try:
        return await calls.within(seconds, lambda session: _whole(session, url, limit, seconds))
    finally:
        calls.close()


def typed(url: str) -> Rule:
    """For a URL that the user typed: it may lead anywhere, and send us on to its own host."""
    host = urlsplit(url).hostname
    return Rule(
        lambda asked, _ip: urlsplit(asked).hostname == host, "only the host that you named is called there"
    )


def trusting(machines: Container[str]) -> Rule:
    """For URLs out of a torrent: they may lead to these machines nearby, given by their addresses or by the
    names that the user typed."""
    return Rule(
        lambda asked, ip: ip in machines or urlsplit(asked).hostname in machines,
        "only trackers that answer, and what you name yourself, is called there",
    )


# --- below, we are in the thread of the calls


def _whole(session: requests.Session, url: str, limit: int, seconds: float) -> Fetched:
    assert isinstance(session, GuardedSession)
    with session.reached(url) as response:
        return Fetched(response.status_code, bounded(response, limit, seconds), session.ip)


def _told(url: str) -> str:
    """As much of a URL as may be shown: what follows may be a secret of its user's."""
    parts = urlsplit(url)
    return plain_text(f"{parts.scheme}://{parts.netloc}{parts.path}", 120)


class GuardedSession(PlainSession):
    """A session whose connections stand only where `rule` allows them; `ip` is whom the last one reached."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.ip = ""
        self._rule = rule
        self._asked = ""  # the URL that is being called
        self._sock: socket.socket | None = None
        for scheme in WEB_SCHEMES:
            self.mount(f"{scheme}://", _Adapter(self._check))

    @contextmanager
    def reached(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """What answers at `url`, its body unread; redirections are followed a few times.

        Raises:
            TrackerUnreachableError: nobody answers; or, inside the `with`, the body breaks off or is no good.
            UsageError: it, or where it redirects to, may not be called.
        """
        for _ in range(1 + MAX_REDIRECTS):
            if not usable(url, WEB_SCHEMES, longest=16 * 1024):
                raise UsageError(f"{_told(url)} is not an address on the web")
            self._asked = url
            try:
                with self.get(
                    url, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
                ) as response:
                    if not response.is_redirect:
                        yield response
                        return
                    url = urljoin(url, response.headers["location"])
            except (requests.RequestException, OSError, ValueError) as error:
                raise TrackerUnreachableError(
                    one_line(f"no answer from {_told(url)} ({cause(error)})")
                ) from None
            except NearError as error:
                raise NearError(f"{_told(url)}: {error}") from None
        raise TrackerUnreachableError(f"it redirects more than {MAX_REDIRECTS} times")

    def abort(self) -> None:
        """Break off what is being read; called in any thread."""
        if self._sock is not None:
            with suppress(OSError):  # it is closed already
                self._sock.shutdown(socket.SHUT_RDWR)

    def _check(self, sock: socket.socket) -> socket.socket:
        """A connection that has just been made, if it may be used."""
        self._sock = sock
        self.ip = ip_literal(sock.getpeername()[0]) or ""
        if not is_far(self.ip) and not self._rule.allows(self._asked, self.ip):
            sock.close()
            raise NearError(f"it leads to {self.ip}, which is this machine or its network: {self._rule.told}")
        return sock


class _Adapter(HTTPAdapter):
    def __init__(self, check: Callable[[socket.socket], socket.socket]) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        check = self._check

        # Not after `connect`: over TLS that says a good deal already.
        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return check(super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return check(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        super().init_poolmanager(*arguments, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
