"""uTP (BEP 29) is not spoken here, and whoever tries is told so.

Most clients try it first, and only then TCP: after three seconds or more of silence, or never. Answered with
a *reset*, as BEP 29 has it for a connection that nobody knows, they turn to TCP: at their next look around,
which may be a second later, or a minute. But where it comes from they listen, by the same number, over TCP.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from minibit.address import Address, unmapped
from minibit.net.listener import bind_beside

BATCH: Final = 64  # datagrams between two looks at what else is there
SYN: Final = 0x41  # type 4, version 1
RESET: Final = 0x31
_HEADER: Final = struct.Struct(">BBHIIIHH")  # type, extension, connection, times (2), window, number, number


class Declined:
    """Declines uTP at the UDP port with the number of this TCP socket's, until closed; if another program has
    that port, it is let be. `tried` is told where it came from, or is said to come from."""

    def __init__(self, listener: socket.socket, tried: Callable[[Address], None]) -> None:
        self._tried = tried
        self._sock = bind_beside(listener)
        self._loop = asyncio.get_running_loop()
        if self._sock is not None:
            self._loop.add_reader(self._sock, self._drain, self._sock)

    def close(self) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _drain(self, sock: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                datagram, address = sock.recvfrom(_HEADER.size)
            except BlockingIOError:
                return
            except OSError:  # a datagram of ours was refused
                continue
            reply = answer(datagram)
            if reply is not None:
                with suppress(OSError):  # it is lost, as the network loses others
                    sock.sendto(reply, address)
                self._tried((unmapped(address[0]), address[1]))


def answer(datagram: bytes) -> bytes | None:
    """What is answered to this: no more bytes than came, and only to who wants a connection."""
    if len(datagram) < _HEADER.size or datagram[0] != SYN:
        return None
    _, _, connection, sent_at, _, _, number, _ = _HEADER.unpack_from(datagram)
    return _HEADER.pack(RESET, 0, connection, 0, sent_at, 0, 0, number)
