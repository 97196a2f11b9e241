"""One connection as the shell sees it: a transport, the protocol machine, and what is to be sent.

Control messages and data leave in the order in which the engine asked for them, in batches that one
system call sends: that amortises a system call and a turn of Python over 32 chunks. While one batch is
sent, the data of the next is read from the disk, elsewhere; what is read already leaves with it.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

from minibit.address import Address
from minibit.disk.reader import READ_BYTES, READS_AHEAD, Read, Reader
from minibit.net.transport import MAX_PARTS, Transport
from minibit.wire.connection import Connection
from minibit.wire.messages import PIECE_HEADER, Request

BATCH_PARTS: Final = MAX_PARTS // READS_AHEAD  # buffers of one batch: all that are read may leave together
BATCH_CHUNKS: Final = BATCH_PARTS // 4  # each takes two parts, its message's header and its data
MIN_READING: Final = 16 * 1024
ITEM_OVERHEAD: Final = 48  # bytes of memory that one waiting message costs beside its own


class Batch:
    """What is sent together: the data of some `chunks`, `length` bytes of it, read at once; then messages."""

    __slots__ = ("chunks", "length", "memory", "messages", "read")

    def __init__(self) -> None:
        self.chunks: list[Request] = []
        self.length = 0
        self.messages: list[bytes] = []
        self.memory = 0  # what the messages take
        self.read: Read | None = None  # once the data is being read

    @property
    def ready(self) -> bool:
        """Whether its data is here, if it is to have any."""
        return not self.chunks if self.read is None else self.read.done

    def takes(self, chunk: Request) -> bool:
        """Whether this chunk's data may leave with it, too."""
        if self.messages or self.read is not None:
            return False
        return len(self.chunks) < BATCH_CHUNKS and self.length + chunk.length <= READ_BYTES

    @property
    def full(self) -> bool:
        """Whether it has as many parts as it may."""
        return len(self.messages) + 2 * len(self.chunks) >= BATCH_PARTS


class Link:
    """A connection to one neighbour. `pending` are bytes that came and are not heard yet: of a message that
    is not complete, or more, from who says so much that it has to wait for its next turn.

    `reader` reads what is to be uploaded; None as long as nothing can be, because the share is unknown.
    """

    def __init__(
        self,
        key: int,
        transport: Transport,
        address: Address,
        connection: Connection,
        reader: Reader | None,
        *,
        outgoing: bool,
    ) -> None:
        self.key = key
        self.transport = transport
        self.address = address
        self.outgoing = outgoing
        self.connection = connection
        self.reader = reader
        self.pending = b""
        self.reading = MIN_READING  # how many bytes to read at once
        self.waiting = 0  # bytes of memory that messages take, as long as the other side does not read
        self._batches: deque[Batch] = deque()
        self._sending = 0  # how many of them are being sent, and take nothing more
        self._parts: deque[bytes | memoryview] = deque()  # of these, what is not yet sent
        self._unsent = 0  # bytes in them

    def put(self, message: bytes) -> None:
        """Send these bytes after all that was put before."""
        batch = self._last()
        if batch is None or batch.full:
            batch = self._new()
        memory = len(message) + ITEM_OVERHEAD
        batch.messages.append(message)
        batch.memory += memory
        self.waiting += memory

    def upload(self, chunks: Iterable[Request]) -> None:
        """Send the data of these chunks after all that was put before."""
        batch = self._last()
        for chunk in chunks:
            if batch is None or not batch.takes(chunk):
                batch = self._new()
            batch.chunks.append(chunk)
            batch.length += chunk.length

    @property
    def ready(self) -> bool:
        """Whether something could be sent now, were there room: what is next to leave has been read."""
        return bool(self._batches) and self._batches[0].ready

    def send(self) -> tuple[bool, int]:
        """Send what is ready, as far as there is room, and see to it that the next batches are read.

        Returns whether all of it left and more is ready, and how many bytes of payload are on their way now
        that were not before.

        Raises:
            OSError: the connection is broken.
        """
        self._read_ahead()
        if not self._parts:
            self._lay_out()
            if not self._parts:
                return False, 0
        sent = self.transport.send(self._parts)
        if sent < self._unsent:
            self._advance(sent)
            return False, 0
        self._parts.clear()
        payload = 0
        while self._sending:
            self._sending -= 1
            payload += self._release(self._batches.popleft())
        self._read_ahead()
        return self.ready, payload

    def close(self) -> None:
        """End the connection and forget what was to be sent."""
        self._parts.clear()
        while self._batches:
            self._release(self._batches.popleft())
        self.transport.close()

    def _last(self) -> Batch | None:
        """The batch that takes what is put, if there is one."""
        return self._batches[-1] if len(self._batches) > self._sending else None

    def _new(self) -> Batch:
        """Another batch, behind all others."""
        self._batches.append(batch := Batch())
        return batch

    def _read_ahead(self) -> None:
        """Have the data of the first batches read."""
        for batch in islice(self._batches, READS_AHEAD):
            if batch.chunks and batch.read is None:
                assert self.reader is not None
                batch.read = Read(self.key, batch.chunks, batch.length)
                self.reader.submit(batch.read)

    def _lay_out(self) -> None:
        """The batches that are ready as parts, in the order in which their items were put."""
        parts, self._unsent = self._parts, 0
        for batch in islice(self._batches, READS_AHEAD):
            if not batch.ready:
                break
            self._sending += 1
            if (read := batch.read) is not None:
                assert read.view is not None
                parts += self.connection.send_pieces(read.chunks, read.view)
                self._unsent += read.length + PIECE_HEADER * len(read.chunks)
            parts += batch.messages
            self._unsent += batch.memory - ITEM_OVERHEAD * len(batch.messages)

    def _advance(self, sent: int) -> None:
        """`sent` bytes of the parts have left, but not all."""
        self._unsent -= sent
        parts = self._parts
        while sent >= len(parts[0]):
            sent -= len(parts.popleft())
        if sent:
            parts[0] = memoryview(parts[0])[sent:]

    def _release(self, batch: Batch) -> int:
        """Nobody needs the batch any more; how many bytes of payload it was."""
        self.waiting -= batch.memory
        if batch.read is None:
            return 0
        assert self.reader is not None
        self.reader.release(batch.read)
        return batch.read.length
