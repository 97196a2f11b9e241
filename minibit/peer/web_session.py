"""A session with addresses on the web that strangers wrote: kept from this machine and its network.

Whom we reached is looked at when the connection stands, before anything is said: what a name means may change
at any time.

To read the library that this needs takes longer than to read all of a peer's own modules, and most peers need
neither a tracker of other clients' nor a web seed: import it where it is called.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from minibit.address import ip_literal, is_far
from minibit.errors import TrackerUnreachableError, UsageError
from minibit.peer.calls import cause
from minibit.peer.web_rules import NearError, Rule, shown
from minibit.text import one_line
from minibit.torrent.torrent_file import WEB_SCHEMES, usable

MAX_REDIRECTS: Final = 5
TIMEOUT: Final = (5.0, 10.0)  # seconds to connect, and between bytes


class GuardedSession(requests.Session):
    """A session whose connections stand only where `rule` allows them; `ip` is whom the last one reached."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.trust_env = False  # a proxy would hide from us whom we reach
        # Whoever is called once leaves no connection behind.
        self.headers.update({"Accept-Encoding": "identity", "Connection": "close"})
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
                raise UsageError(f"{shown(url)} is not an address on the web")
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
                    one_line(f"no answer from {shown(url)} ({cause(error)})")
                ) from None
            except NearError as error:
                raise NearError(f"{shown(url)}: {error}") from None
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
