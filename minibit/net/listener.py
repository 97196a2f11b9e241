"""A listening TCP socket, for the tracker as for peers: one way to take a port, or to say it is taken.

Beside it, where somebody wants that, one for datagrams.
"""

import errno
import socket
from typing import Final

from minibit.address import is_unspecified, unmapped
from minibit.errors import UsageError

BACKLOG: Final = 128
RECEIVE_BUFFER: Final = 1 << 20  # bytes of datagrams asked of the system: a burst is late rather than lost
EVERYWHERE: Final = ""  # every address of this machine, of both families if it has both
_TAKEN: Final = ("the port is taken", "choose another port, or stop the program that uses this one")
_PRIVILEGED: Final = ("not allowed", "choose another port, from 1024 up")
_ELSEWHERE: Final = (
    "not an address of this machine",
    "use 0.0.0.0 for all that it has, or 127.0.0.1 for itself alone",
)
_FULL: Final = ("too many files are open", "end other programs, or raise the limit (ulimit -n)")
_REASONS: Final = {  # why not, and what to do about it
    errno.EADDRINUSE: _TAKEN,
    errno.EACCES: _PRIVILEGED,
    errno.EPERM: _PRIVILEGED,
    errno.EADDRNOTAVAIL: _ELSEWHERE,
    errno.ENODEV: _ELSEWHERE,
    errno.EAFNOSUPPORT: ("this machine has no such addresses", "use 0.0.0.0 or 127.0.0.1"),
    errno.EMFILE: _FULL,
    errno.ENFILE: _FULL,
}


def listen(host: str, port: int) -> socket.socket:
    """A non-blocking listening socket; port 0 lets the system pick one.

    `EVERYWHERE` and `::` are both families. IPv4 is preferred where a host name has both: that is what
    "localhost" means to most clients.

    Raises:
        UsageError: the port is taken or may not be used, or the host is not this machine's.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is not a port: choose one from 1 to 65535, or 0 for any free one")
    if host == EVERYWHERE:
        host = "::" if _has_ipv6() else "0.0.0.0"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"the host {host!r} is unknown: use 0.0.0.0 for every address of this machine"
        ) from None
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener: socket.socket | None = None
    try:
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        if listener is not None:
            listener.close()
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        why, remedy = _REASONS.get(error.errno or 0, (error.strerror, "choose another address or port"))
        raise UsageError(f"cannot listen on {place} ({why}): {remedy}") from None
    return listener


def bind_beside(listener: socket.socket) -> socket.socket | None:
    """A non-blocking UDP socket with the address of this TCP one, or None if another program has it."""
    sock = socket.socket(listener.family, socket.SOCK_DGRAM)
    try:
        if listener.family == socket.AF_INET6:
            only = listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setblocking(False)
        sock.bind(listener.getsockname())
    except OSError:
        sock.close()
        return None
    return sock


def bound(listener: socket.socket) -> str | None:
    """The only address that it listens at, None if at all that this machine has."""
    ip = unmapped(listener.getsockname()[0])
    return None if is_unspecified(ip) else ip


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
