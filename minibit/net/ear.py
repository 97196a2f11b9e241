"""Datagrams as they come, from anybody: heard one by one, and a flood of them a bounded number in a second.

Beyond that nothing is read until the second is over, and the system throws away what finds no room.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Final

from minibit.address import Address, unmapped

PER_TURN: Final = 20  # datagrams that are read at once…
PER_SECOND: Final = 200  # …and in a second


class Ear:
    """Hears what comes to these non-blocking sockets, until it is closed; they stay their owner's.

    Args:
        hear: called on the loop with each datagram and who has sent it.
        longest: bytes; of what is longer, one byte more is heard.
    """

    def __init__(
        self, sockets: Iterable[socket.socket], hear: Callable[[bytes, Address], None], longest: int
    ) -> None:
        self._sockets = list(sockets)
        self._hear = hear
        self._longest = longest
        self._loop = asyncio.get_running_loop()
        self.listen()

    def listen(self) -> None:
        """A new second begins."""
        self._left = PER_SECOND
        for sock in self._sockets:
            self._loop.add_reader(sock, self._readable, sock)
        self._timer = self._loop.call_later(1.0, self.listen)

    def close(self) -> None:
        """Hear nothing more."""
        self._timer.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        self._sockets = []

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(PER_TURN):
            if self._left <= 0:
                for each in self._sockets:
                    self._loop.remove_reader(each)
                return
            if not self._sockets:
                return
            self._left -= 1
            try:
                datagram, address = sock.recvfrom(self._longest + 1)
            except OSError:  # nothing more for now, or what we sent before reached nobody
                return
            self._hear(datagram, (unmapped(address[0]), address[1]))
