"""TCP as a transport: it says when it is ready, it never waits, and it is silent once closed."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from minibit.net import transport as transport_module
from minibit.net.transport import MAX_UNSENT, MEASURED_SECONDS, MIN_UNSENT, TcpTransport

PATIENCE = 10.0


class Pair:
    """A transport, the other end as a plain socket, and which callbacks came."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.create_connection(server.getsockname(), timeout=5)
            self.near, _ = server.accept()
        # Small enough to be full before a test runs out of data.
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.transport = TcpTransport(self.near)
        self.data = asyncio.Event()
        self.room = asyncio.Event()
        self.transport.start(self.data.set, self.room.set)

    def fill(self) -> int:
        """Send until there is no more room; how many bytes it took."""
        total = 0
        while sent := self.transport.send([bytes(65536)] * 8):
            total += sent
        return total


@contextmanager
def paired() -> Iterator[Pair]:
    pair = Pair()
    try:
        yield pair
    finally:
        if pair.near.fileno() >= 0:
            pair.transport.close()
        pair.far.close()


def bounded(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    asyncio.run(run())


def test_a_socket_is_set_up_for_small_messages_and_does_not_wait_for_ever() -> None:
    async def look() -> None:
        with paired() as pair:
            assert not pair.near.getblocking()
            assert pair.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert pair.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000

    bounded(look)


def test_what_comes_is_told_and_read_as_far_as_there_is_room_for_it() -> None:
    async def receive() -> None:
        with paired() as pair:
            buffer = memoryview(bytearray(4))
            assert pair.transport.receive(buffer) is None
            pair.far.sendall(b"abcdef")
            await pair.data.wait()
            assert pair.transport.receive(buffer) == 4
            assert bytes(buffer) == b"abcd"
            assert pair.transport.receive(buffer) == 2
            assert bytes(buffer[:2]) == b"ef"
            assert pair.transport.receive(buffer) is None

    bounded(receive)


def test_the_end_is_told_as_nothing_to_read_any_more() -> None:
    async def end() -> None:
        with paired() as pair:
            pair.far.close()
            await pair.data.wait()
            assert pair.transport.receive(memoryview(bytearray(4))) == 0

    bounded(end)


def test_the_other_side_has_gone() -> None:
    async def vanish() -> None:
        with paired() as pair:
            pair.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset at once
            pair.far.close()
            with pytest.raises(ConnectionError):
                pair.transport.receive(memoryview(bytearray(4)))
            with pytest.raises(ConnectionError):
                pair.transport.send([b"x"])

    bounded(vanish)


def test_parts_leave_in_order() -> None:
    async def send() -> None:
        with paired() as pair:
            assert pair.transport.send([b"ab", memoryview(b"cd"), b"e"]) == 5
            assert pair.far.recv(5) == b"abcde"

    bounded(send)


def test_without_room_nothing_is_taken_and_room_is_told_to_whom_asks() -> None:
    async def stall() -> None:
        with paired() as pair:
            waiting = pair.fill()
            assert waiting > 0
            assert pair.transport.send([b"x"]) == 0
            pair.transport.ask_room(True)
            pair.transport.ask_room(True)
            await asyncio.sleep(0)
            assert not pair.room.is_set()
            while waiting:
                waiting -= len(pair.far.recv(1 << 20))
            await pair.room.wait()
            assert pair.transport.send([b"x"]) == 1

    bounded(stall)


def test_who_asks_no_more_and_who_is_closed_hears_nothing() -> None:
    async def silence() -> None:
        with paired() as pair:
            loop = asyncio.get_running_loop()
            pair.transport.ask_room(True)
            pair.transport.ask_room(False)
            assert not loop.remove_writer(pair.near)
            pair.transport.ask_room(True)
            pair.transport.close()
            assert pair.near.fileno() == -1
            assert pair.far.recv(1) == b""
            for _ in range(3):
                await asyncio.sleep(0)
            assert not pair.data.is_set()
            assert not pair.room.is_set()

    bounded(silence)


@contextmanager
def to_who_does_not_read() -> Iterator[tuple[TcpTransport, socket.socket]]:
    """A transport whose system would take megabytes, and the other end, which takes a few KiB at a time."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.connect(server.getsockname())
        near, _ = server.accept()
        transport = TcpTransport(near)
        try:
            yield transport, far
        finally:
            transport.close()


def take(transport: TcpTransport, most: int = 8 << 20) -> int:
    """Send until there is no more room, or all of that is gone; how many bytes it took."""
    total = 0
    while total < most and (sent := transport.send([bytes(65536)] * 4)):
        total += sent
    return total


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system cannot be told")
def test_a_reader_that_crawls_has_little_queued_from_the_first_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crawl() -> None:
        clock = asyncio.get_running_loop().time()
        with to_who_does_not_read() as (transport, far):
            monkeypatch.setattr(transport._loop, "time", lambda: clock)
            taken = take(transport)
            assert MIN_UNSENT <= taken < 4 * MIN_UNSENT
            read = 0
            for _ in range(20):
                clock += MEASURED_SECONDS
                read += len(far.recv(4096))
                taken += take(transport)
                assert taken - read < 4 * MIN_UNSENT, "what the system took at once was not its rate"
            monkeypatch.undo()

    bounded(crawl)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system cannot be told")
def test_of_little_that_was_sent_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[socket.socket] = []
    monkeypatch.setattr(transport_module, "_queued", lambda sock: measured.append(sock) or 0)

    async def trickle() -> None:
        clock = asyncio.get_running_loop().time()
        with paired() as pair:
            monkeypatch.setattr(pair.transport._loop, "time", lambda: clock)
            for _ in range(31):
                clock += MEASURED_SECONDS
                assert pair.transport.send([bytes(1024)]) == 1024
            assert measured == []
            for _ in range(2):  # the first one makes it `MIN_UNSENT` bytes
                clock += MEASURED_SECONDS
                pair.transport.send([bytes(1024)])
            assert measured == [pair.near]
            bound = pair.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            assert bound == MIN_UNSENT, "it left in eight seconds"
            monkeypatch.undo()

    bounded(trickle)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system cannot be told")
def test_a_fast_reader_is_allowed_more_as_soon_as_it_is_known() -> None:
    async def hurry() -> None:
        with paired() as pair:
            loop = asyncio.get_running_loop()
            bound = MIN_UNSENT
            while bound < 1 << 20:
                take(pair.transport, 65536)
                await loop.run_in_executor(None, pair.far.recv, 1 << 20)
                bound = pair.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            assert bound == MAX_UNSENT == 1 << 20

    bounded(hurry)
