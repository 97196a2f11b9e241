"""Which requests are a web page's doing, and are refused: a browser is everybody's, and asks from here.

A page of anywhere can make the browser of somebody near send requests (cross-site requests), and even read
the answers, if its own name leads to this tracker's address for a while (DNS rebinding). The first kind says
so in headers that no page can forge, the second comes under a name that is not the tracker's.
"""

import re
import socket
from collections.abc import Iterable, Mapping
from typing import Final

from minibit.address import ip_literal

_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def host_name(header: str) -> str | None:
    """The name or the IP address in a Host header, in lower case; None if that is malformed."""
    found = _HOST.fullmatch(header)
    return None if found is None else found[1].strip("[]").rstrip(".").lower()


def own_names() -> set[str]:
    """What this machine is called by itself and, over mDNS, by its neighbours."""
    short = socket.gethostname().partition(".")[0]
    return {"localhost", socket.gethostname(), short, f"{short}.local"}


class Visitors:
    """Lets pass what is asked under an IP address, or under one of `names`, and by no web page of others."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {name.rstrip(".").lower() for name in {*own_names(), *names}}

    def fault(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Why a request with these headers (names in lower case) is refused, or None."""
        host = headers.get(b"host", b"").decode("latin-1")
        name = host_name(host) if host else "localhost"  # no browser leaves it out
        if name is None:
            return "the Host header must be the tracker's host:port"
        if name not in self._names and ip_literal(name) is None:
            remedy = f"use its IP address, or start it with --allow-host {name}"
            return f"this tracker is not called {name}: {remedy}"
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        site = headers.get(b"sec-fetch-site", b"none")
        if (origin and origin.partition("://")[2] != host.lower()) or site not in (b"none", b"same-origin"):
            return "this comes from a web page of another site: enter the tracker's address yourself"
        return None
