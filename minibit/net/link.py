"""One TCP connection as the shell sees it: a socket, the protocol machine, and what is to be sent.

Control messages and data leave in the order in which the engine asked for them. Data is read from the
disk only when the socket has room, in batches that one system call sends together with their headers:
that amortises a system call and a turn of Python over 32 chunks.
"""

import socket
from collections import deque
from typing import Final

from minibit.address import Address
from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage
from minibit.wire.connection import Connection
from minibit.wire.messages import Request

STUCK_MILLISECONDS: Final = 60_000  # how long the other side may take nothing of what we send
SEND_BATCH: Final = 512 * 1024  # bytes of data handed to one system call
MAX_PARTS: Final = 512  # …and buffers; Linux takes 1024
ITEM_OVERHEAD: Final = 48  # bytes of memory that one waiting message costs beside its own


class Link:
    """A connected socket. `pending` are bytes of a message not yet complete, at most one frame."""

    def __init__(self, key: int, sock: socket.socket, address: Address, connection: Connection) -> None:
        self.key = key
        self.sock = sock
        self.address = address
        self.connection = connection
        self.pending = b""
        self.writing = False  # whether the loop watches the socket for room
        self.waiting = 0  # bytes of memory that messages take, as long as the other side does not read
        self._queue: deque[bytes | Request] = deque()
        self._parts: deque[bytes | memoryview] = deque()  # of the batch being sent
        self._buffer: memoryview | None = None  # what the batch's data was read into
        self._payload = 0

    def put(self, item: bytes | Request) -> None:
        """Send these bytes, or the data of this chunk, after all that was put before."""
        self._queue.append(item)
        if isinstance(item, bytes):
            self.waiting += len(item) + ITEM_OVERHEAD

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be sent."""
        return not self._queue and not self._parts

    def send(self, storage: Storage, buffers: BufferPool) -> tuple[bool, int]:
        """Send one batch, or what the socket takes of it.

        Returns whether the socket took everything so far, and how many bytes of payload are on their
        way now that were not before.

        Raises:
            StorageError: the data cannot be read.
            OSError: the connection is broken.
        """
        if not self._parts:
            self._gather(storage, buffers)
            if not self._parts:
                return True, 0
        try:
            sent = self.sock.sendmsg(self._parts)
        except BlockingIOError:
            return False, 0
        while sent:
            part = self._parts[0]
            if sent < len(part):
                self._parts[0] = memoryview(part)[sent:]
                return False, 0
            sent -= len(part)
            self._parts.popleft()
        if self._parts:
            return False, 0
        payload, self._payload = self._payload, 0
        self.release(buffers)
        return True, payload

    def release(self, buffers: BufferPool) -> None:
        """Give the batch's buffer back."""
        self._parts.clear()
        if self._buffer is not None:
            buffers.release(self._buffer)
            self._buffer = None

    def close(self, buffers: BufferPool) -> None:
        """Close the socket and forget what was to be sent."""
        self._queue.clear()
        self.waiting = 0
        self.release(buffers)
        self.sock.close()

    def _gather(self, storage: Storage, buffers: BufferPool) -> None:
        queue, parts = self._queue, self._parts
        used = 0
        run: list[Request] = []  # chunks that follow each other in the share: one read
        expected = (-1, -1)  # where the next chunk of the run would begin
        while queue and len(parts) < MAX_PARTS:
            item = queue[0]
            if isinstance(item, bytes):
                parts.append(item)
                self.waiting -= len(item) + ITEM_OVERHEAD
            else:
                if self._buffer is None:
                    self._buffer = buffers.acquire(SEND_BATCH)
                index, begin, length = item.index, item.begin, item.length
                if used + length > SEND_BATCH:
                    break
                if (index, begin) != expected:
                    self._read(storage, run, used)
                    run = []
                expected = (index, begin + length)
                parts.append(self.connection.send_piece(index, begin, length))
                parts.append(self._buffer[used : used + length])
                run.append(item)
                used += length
            queue.popleft()
        self._read(storage, run, used)
        self._payload = used

    def _read(self, storage: Storage, run: list[Request], used: int) -> None:
        if run:
            assert self._buffer is not None
            length = sum(request.length for request in run)
            storage.read_into(self._buffer[used - length : used], run[0].index, run[0].begin)


def connected_socket(sock: socket.socket) -> socket.socket:
    """`sock`, set up as every peer connection is."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A neighbour that stops reading would keep its upload slot for ever.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MILLISECONDS)
    return sock
