"""How a link reaches the other side: the small interface that it needs, and TCP, which is what there is.

uTP (BEP 29) will have to provide the same over datagrams, and encryption (MSE) around another transport.
Whatever is behind it, bytes come in the order in which they were sent, and nothing here ever waits.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Sequence
from typing import Final, Protocol

MAX_PARTS: Final = 1024  # buffers in one send: what Linux takes in one system call
MIN_UNSENT: Final = 32 * 1024  # bytes that the system may hold and not have sent yet, at least…
MAX_UNSENT: Final = 1024 * 1024  # …and at most; in between, about…
UNSENT_SECONDS: Final = 0.25  # …what leaves in this time: nobody takes back what waits there
MEASURED_SECONDS: Final = 0.25  # how long is looked at what leaves
STUCK_MILLISECONDS: Final = 60_000  # how long the other side may take nothing of what we send

Buffer = bytes | memoryview


class Transport(Protocol):
    """A connection that carries bytes both ways."""

    def start(self, on_data: Callable[[], None], on_room: Callable[[], None]) -> None:
        """From now on call `on_data` in a turn of the loop whenever there is something to receive, the end
        of the connection included, and `on_room` whenever there is room to send and `ask_room` said so."""

    def receive(self, buffer: memoryview) -> int | None:
        """Put what has come into `buffer`: how many bytes; 0 if the other side has ended the connection,
        None if nothing is there now.

        Raises:
            OSError: the connection is broken.
        """

    def send(self, parts: Sequence[Buffer]) -> int:
        """Send as many bytes of these parts, in order, as there is room for: how many; 0 if none.

        At most `MAX_PARTS` parts; whoever sends keeps the rest, and the memory of the parts is its own again.

        Raises:
            OSError: the connection is broken.
        """

    def ask_data(self, wanted: bool) -> None:
        """Whether `on_data` is to be called, as at first it is: what is not received holds up its sender."""

    def ask_room(self, wanted: bool) -> None:
        """Whether `on_room` is to be called; saying so again changes nothing."""

    def close(self) -> None:
        """End the connection at once; neither callback is called any more."""


class TcpTransport:
    """A connected socket, non-blocking, on the running loop's readers and writers."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A neighbour that stops reading would keep its upload slot for ever.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MILLISECONDS)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._sent = 0  # bytes that the system took…
        self._left = 0  # …and those of them that had arrived…
        self._since = self._loop.time()  # …then
        self._unsent = 0  # the bound that the system was told
        # From the start: before the first second is over, it would take minutes of a slow link's time.
        self._allow_unsent(MIN_UNSENT)
        self._on_data: Callable[[], None] = lambda: None
        self._on_room: Callable[[], None] = lambda: None
        self._hearing = False
        self._asking = False

    def start(self, on_data: Callable[[], None], on_room: Callable[[], None]) -> None:
        self._on_data, self._on_room = on_data, on_room
        self.ask_data(True)

    def receive(self, buffer: memoryview) -> int | None:
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def send(self, parts: Sequence[Buffer]) -> int:
        self._bound_unsent()
        try:
            sent = self._sock.sendmsg(parts)
        except BlockingIOError:
            return 0
        self._sent += sent
        return sent

    def ask_data(self, wanted: bool) -> None:
        if wanted is not self._hearing:
            self._hearing = wanted
            if wanted:
                self._loop.add_reader(self._sock, self._on_data)
            else:
                self._loop.remove_reader(self._sock)

    def ask_room(self, wanted: bool) -> None:
        if wanted is not self._asking:
            self._asking = wanted
            if wanted:
                self._loop.add_writer(self._sock, self._on_room)
            else:
                self._loop.remove_writer(self._sock)

    def close(self) -> None:
        self.ask_data(False)
        self.ask_room(False)
        self._sock.close()

    def _bound_unsent(self) -> None:
        """Have the system hold about a quarter of a second's worth of what is still to be sent: it would take
        megabytes for a link of 50 kB/s, and all that we say would wait behind them. What is under way does
        not count.
        """
        now = self._loop.time()
        # Of less than the least bound, however much of it has left, the bound stays that: it is a power of
        # two, and what leaves is measured for as long, at least, as the bound is to last.
        if now - self._since < MEASURED_SECONDS or self._sent - self._left < MIN_UNSENT == self._unsent:
            return
        left = self._sent - _queued(self._sock)  # what the system took says nothing of a link
        rate = (left - self._left) / (now - self._since)
        self._left, self._since = left, now
        self._allow_unsent(min(max(1 << int(rate * UNSENT_SECONDS).bit_length(), MIN_UNSENT), MAX_UNSENT))

    def _allow_unsent(self, unsent: int) -> None:
        if unsent != self._unsent and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._unsent = unsent
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent)


def _queued(sock: socket.socket) -> int:
    """Bytes that the system took for this socket, and the other side has not acknowledged."""
    (queued,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    return int(queued)
