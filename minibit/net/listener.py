"""A listening TCP socket, for the tracker as for peers: one way to take a port, or to say it is taken."""

import socket
from typing import Final

from minibit.errors import UsageError

BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """A non-blocking listening socket; port 0 lets the system pick one.

    IPv4 is preferred where a host name has both: that is what "localhost" means to most clients.

    Raises:
        UsageError: the port is taken or may not be used, or the host is not this machine's.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is not a port: choose one from 1 to 65535, or 0 for any free one")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"the host {host!r} is unknown: use 0.0.0.0 for every address of this machine"
        ) from None
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another port, "
            "or stop the program that uses this one"
        ) from None
    return listener
