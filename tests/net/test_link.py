"""What leaves through one TCP connection: everything, in order, once, and no more than the socket takes."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from random import Random

import pytest

from minibit.disk.buffers import BufferPool
from minibit.errors import StorageError
from minibit.net.link import ITEM_OVERHEAD, SEND_BATCH, Link, connected_socket
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection

LAYOUT = Layout(40 * 65536, 65536)
SHARE = Random(3).randbytes(LAYOUT.total_size)


class Disk:
    """Reads from memory, and remembers what was read: (block, begin, length)."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, int, int]] = []

    def read_into(self, view: memoryview, block: int, begin: int) -> None:
        self.reads.append((block, begin, len(view)))
        at = block * LAYOUT.block_size + begin
        view[:] = SHARE[at : at + len(view)]


class BrokenDisk:
    def read_into(self, _view: memoryview, block: int, _begin: int) -> None:
        raise StorageError(f"block {block} cannot be read")


def free(pool: BufferPool) -> int:
    """How many more buffers it lends."""
    lent = []
    with suppress(BufferError):
        while True:
            lent.append(pool.acquire(1))
    for view in lent:
        pool.release(view)
    return len(lent)


class Ends:
    """A link on a real connection, the other end, and the pool that the link borrows from."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.create_connection(server.getsockname(), timeout=5)
            near, _ = server.accept()
        # Small enough to be full before a test runs out of data.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.connection = Connection(LAYOUT)
        self.connection.receive(memoryview(m.Handshake(bytes(20), b"b" * 20).encode()))
        for message in (m.Handshake(bytes(20), b"a" * 20), m.HaveAll()):
            self.connection.send(message)
        self.link = Link(1, connected_socket(near), ("127.0.0.1", 1), self.connection)
        self.buffers = BufferPool(SEND_BATCH, 2 * SEND_BATCH)

    def close(self) -> None:
        self.link.close(self.buffers)
        self.far.close()

    def receive(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count and (data := self.far.recv(count - len(received))):
            received += data
        return bytes(received)


@pytest.fixture
def ends() -> Iterator[Ends]:
    with closing(Ends()) as pair:
        yield pair


def chunks(*numbers: int) -> list[m.Request]:
    """The chunks of the share with these numbers, counted from its start."""
    per_block = LAYOUT.block_size // CHUNK_SIZE
    return [m.Request(n // per_block, n % per_block * CHUNK_SIZE, CHUNK_SIZE) for n in numbers]


def on_the_wire(request: m.Request) -> bytes:
    at = request.index * LAYOUT.block_size + request.begin
    return m.Piece(request.index, request.begin, SHARE[at : at + request.length]).encode()


def test_a_socket_is_set_up_for_small_messages(ends: Ends) -> None:
    assert not ends.link.sock.getblocking()
    assert ends.link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_messages_and_data_leave_in_the_order_they_were_put(ends: Ends) -> None:
    link, disk = ends.link, Disk()
    expected = b""
    for request in chunks(0, 1, 2, 9, 8):
        link.put(m.Have(request.index).encode())
        link.put(request)
        expected += m.Have(request.index).encode() + on_the_wire(request)
    assert not link.idle

    assert link.send(disk, ends.buffers) == (True, 5 * CHUNK_SIZE)

    assert link.idle
    assert ends.receive(len(expected)) == expected


def test_chunks_in_a_row_are_one_read(ends: Ends) -> None:
    disk = Disk()
    for request in chunks(0, 1, 2, 3, 9, 8):
        ends.link.put(request)
    ends.link.send(disk, ends.buffers)
    assert [length for _, _, length in disk.reads[:1]] == [4 * CHUNK_SIZE]
    assert sum(length for _, _, length in disk.reads) == 6 * CHUNK_SIZE
    expected = b"".join(map(on_the_wire, chunks(0, 1, 2, 3, 9, 8)))
    assert ends.receive(len(expected)) == expected


def test_nothing_to_send_is_no_work(ends: Ends) -> None:
    assert ends.link.send(Disk(), ends.buffers) == (True, 0)
    assert ends.link.idle


def test_a_slow_reader_holds_up_one_batch_only_and_loses_nothing(ends: Ends) -> None:
    link, disk = ends.link, Disk()
    asked = chunks(*range(LAYOUT.total_size // CHUNK_SIZE))
    for request in asked:
        link.put(request)
    expected = b"".join(map(on_the_wire, asked))
    received, reported, stalls = b"", 0, 0
    while not link.idle or len(received) < len(expected):
        room, payload = link.send(disk, ends.buffers)
        reported += payload
        stalls += not room
        assert sum(length for _, _, length in disk.reads) <= reported + SEND_BATCH
        received += ends.far.recv(256 * 1024)
    assert received == expected
    assert reported == LAYOUT.total_size
    assert stalls > 0, "the socket took everything at once: this test has tested nothing"


def test_a_buffer_is_borrowed_only_while_data_waits(ends: Ends) -> None:
    before = free(ends.buffers)
    ends.link.put(b"\0\0\0\0")
    ends.link.send(Disk(), ends.buffers)
    (request,) = chunks(5)
    ends.link.put(request)
    ends.link.send(Disk(), ends.buffers)
    assert free(ends.buffers) == before


def test_a_closed_link_gives_its_buffer_back(ends: Ends) -> None:
    before = free(ends.buffers)
    for request in chunks(*range(150)):
        ends.link.put(request)
    while ends.link.send(Disk(), ends.buffers)[0]:
        assert not ends.link.idle, "the socket took everything: nothing is left to close"
    assert free(ends.buffers) == before - 1
    ends.link.close(ends.buffers)
    assert free(ends.buffers) == before
    assert ends.link.idle


def test_what_is_not_read_is_counted_until_it_leaves(ends: Ends) -> None:
    link = ends.link
    for request in chunks(*range(100)):
        link.put(request)
    assert link.waiting == 0, "data is read from the disk when there is room for it"
    for _ in range(1000):
        link.put(m.Have(1).encode())
    assert link.waiting == 1000 * (9 + ITEM_OVERHEAD)
    while not link.idle:
        link.send(Disk(), ends.buffers)
        ends.far.recv(256 * 1024)
    assert link.waiting == 0


def test_the_other_side_has_gone(ends: Ends) -> None:
    ends.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset at once
    ends.far.close()
    ends.link.put(b"\0\0\0\0")
    with pytest.raises(ConnectionError):
        ends.link.send(Disk(), ends.buffers)


def test_a_disk_that_cannot_be_read_is_not_the_neighbours_fault(ends: Ends) -> None:
    (request,) = chunks(4)
    ends.link.put(request)
    with pytest.raises(StorageError, match="block 1 cannot be read"):
        ends.link.send(BrokenDisk(), ends.buffers)
