"""One connection as the shell sees it: a transport, the protocol machine, and what is to be sent.

Control messages and data leave in the order in which the engine asked for them, in batches that one
system call sends: that amortises a system call and a turn of Python over 32 chunks. While one batch is
sent, the data of the next is read from the disk, elsewhere; what is read already leaves with it.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from minibit.address import Address
from minibit.disk.reader import READ_BYTES, READS_AHEAD, Read, Reader
from minibit.net.transport import MAX_PARTS, Transport
from minibit.wire.connection import Connection
from minibit.wire.messages import Request

BATCH_PARTS: Final = MAX_PARTS // READS_AHEAD  # buffers of one batch: all that are read may leave together
MIN_READING: Final = 16 * 1024
ITEM_OVERHEAD: Final = 48  # bytes of memory that one waiting message costs beside its own


class Batch:
    """Messages and chunks that are sent together; `read` is the data of the chunks, None without any."""

    __slots__ = ("items", "memory", "read")

    def __init__(self, items: list[bytes | Request], memory: int, read: Read | None) -> None:
        self.items = items
        self.memory = memory  # what the messages take
        self.read = read

    @property
    def ready(self) -> bool:
        return self.read is None or self.read.done


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
        self._queue: deque[bytes | Request] = deque()
        self._batches: deque[Batch] = deque()
        self._sending = 0  # how many of them are being sent
        self._parts: deque[bytes | memoryview] = deque()  # of these, what is not yet sent
        self._unsent = 0  # bytes in them

    def put(self, message: bytes) -> None:
        """Send these bytes after all that was put before."""
        self._queue.append(message)
        self.waiting += len(message) + ITEM_OVERHEAD

    def upload(self, chunks: Iterable[Request]) -> None:
        """Send the data of these chunks after all that was put before."""
        self._queue.extend(chunks)

    @property
    def ready(self) -> bool:
        """Whether something could be sent now, were there room: what is next to leave has been read."""
        return bool(self._batches) and self._batches[0].ready

    def send(self) -> tuple[bool, int]:
        """Send what is ready, as far as there is room, and see to it that the next batches are read.

        Returns whether all of it left, and how many bytes of payload are on their way now that were not
        before.

        Raises:
            OSError: the connection is broken.
        """
        self._gather()
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
        self._gather()
        return True, payload

    def close(self) -> None:
        """End the connection and forget what was to be sent."""
        self._queue.clear()
        self._parts.clear()
        while self._batches:
            self._release(self._batches.popleft())
        self.transport.close()

    def _gather(self) -> None:
        """Make batches of what is queued, as many as may be ahead, and have their data read."""
        queue = self._queue
        while queue and len(self._batches) < READS_AHEAD:
            items: list[bytes | Request] = []
            chunks: list[Request] = []
            memory = length = 0
            # A chunk takes two parts: the header of its message, and the data.
            while queue and len(items) + len(chunks) < BATCH_PARTS - 1:
                item = queue[0]
                if isinstance(item, bytes):
                    memory += len(item) + ITEM_OVERHEAD
                elif (items and not chunks) or length + item.length > READ_BYTES:
                    break  # what comes before the first chunk does not wait for the disk
                else:
                    length += item.length
                    chunks.append(item)
                items.append(queue.popleft())
            read = None
            if chunks:
                assert self.reader is not None
                read = Read(self.key, chunks, length)
                self.reader.submit(read)
            self._batches.append(Batch(items, memory, read))

    def _lay_out(self) -> None:
        """The batches that are ready as parts, in the order in which their items were put."""
        parts, header = self._parts, self.connection.send_piece
        for batch in self._batches:
            if not batch.ready:
                break
            self._sending += 1
            view, used = None if batch.read is None else batch.read.view, 0
            for item in batch.items:
                if isinstance(item, bytes):
                    parts.append(item)
                else:
                    assert view is not None
                    length = item.length
                    parts.append(header(item.index, item.begin, length))
                    parts.append(view[used : used + length])
                    used += length
        self._unsent = sum(map(len, parts))

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
