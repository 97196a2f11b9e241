"""A neighbour that is none: what a web seed (BEP 19) would say if it spoke BitTorrent, sans-I/O.

So an engine needs no second way of fetching. It hears a seed that never chokes and wants nothing; what the
engine asks of it becomes runs of bytes, which whoever owns this fetches elsewhere and hands in.
"""

from collections import deque
from typing import Final

from msgspec import Struct

from minibit import bitfield
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection
from minibit.wire.extended import ExtendedHandshake

MAX_RUN: Final = (
    4 * 1024 * 1024
)  # bytes fetched by one request, at most: as much as one neighbour is asked for
CLIENT: Final = "HTTP"


class Run(Struct, frozen=True):
    """Bytes of the share, in a row."""

    offset: int
    length: int


class WebRemote:
    """The far end of one connection, which it begins. Its owner sends what it has `said`, and takes it away.

    Who begins is nobody whom an engine would tell others to dial.

    `shown` are the blocks that it says it holds, `brought` is how many bytes of the share it has handed on.

    Args:
        layout: how the share is cut.
        info_hash, peer_id: 20 bytes each; the id is made up, and tells this seed from others.
        name: what people see.
    """

    def __init__(self, layout: Layout, info_hash: bytes, peer_id: bytes, name: str) -> None:
        self.said = bytearray()
        self.brought = 0
        self._layout = layout
        self._hello = ExtendedHandshake(client=CLIENT, name=name)
        self._connection = Connection(layout)
        self._heard = bytearray()
        self.shown = 0
        self._asked: dict[int, m.Request] = {}  # by offset in the share; the oldest first
        self._under_way: deque[m.Request] = deque()  # of the run that is being fetched
        self._partial = bytearray()  # of the first of these
        self._say(m.Handshake(info_hash, peer_id))

    def hear(self, data: bytes) -> None:
        """The engine says this.

        Raises:
            RemoteProtocolError: it is nothing that an engine says.
        """
        self._heard += data
        messages, used = self._connection.receive(memoryview(bytes(self._heard)))
        del self._heard[:used]
        for message in messages:
            match message:
                case m.Handshake():
                    hello = m.Extended(0, self._hello.encode())
                    self._say(hello, *self._first_blocks(), m.Unchoke())
                case m.Request():
                    self._asked[self._offset(message)] = message
                case m.Cancel(index, begin, length):
                    # What is being fetched comes all the same; the rest is answered by a rejection (BEP 6).
                    if self._asked.pop(self._offset(message), None) is not None:
                        self._say(m.RejectRequest(index, begin, length))
                case _:
                    pass  # an HTTP server is interested in nothing

    @property
    def idle(self) -> bool:
        """Whether nothing is asked that is not being fetched."""
        return not self._asked

    def show(self, blocks: int) -> None:
        """Hold these blocks too, as far as the engine knows."""
        new = blocks & ~self.shown
        self.shown |= new
        if new and self._connection.remote is not None:
            self._say(m.Haves(new))

    def next_run(self) -> Run | None:
        """What is to be fetched next, if anything is and nothing is being fetched."""
        if self._under_way or not self._asked:
            return None
        start = end = self._first()
        while (request := self._asked.get(end)) is not None and end - start < MAX_RUN:
            del self._asked[end]
            self._under_way.append(request)
            end += request.length
        return Run(start, end - start)

    def came(self, data: bytes) -> None:
        """These are the next bytes of the run."""
        self._partial += data
        while self._under_way and len(self._partial) >= self._under_way[0].length:
            request = self._under_way.popleft()
            piece = bytes(self._partial[: request.length])
            self.said += b"".join(self._connection.send_pieces([request], memoryview(piece)))
            del self._partial[: request.length]
            self.brought += request.length

    def _first(self) -> int:
        """Where the run begins that the oldest request is in."""
        start = next(iter(self._asked))
        while start - CHUNK_SIZE in self._asked:
            start -= CHUNK_SIZE
        return start

    def _first_blocks(self) -> tuple[m.Message, ...]:
        count = self._layout.block_count
        if self.shown == bitfield.full(count):
            return (m.HaveAll(),)
        return (m.Bitfield(bitfield.to_wire(self.shown, count)) if self.shown else m.HaveNone(),)

    def _say(self, *messages: m.Handshake | m.Message) -> None:
        self.said += self._connection.send(*messages)

    def _offset(self, message: m.Request | m.Cancel) -> int:
        return message.index * self._layout.block_size + message.begin
