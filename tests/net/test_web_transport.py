"""A web seed as a transport: ranges fetched in a thread, one at a time, and how it ends."""

import asyncio
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from fakes.nodes import bounded, until

from minibit.errors import RemoteProtocolError, TrackerUnreachableError
from minibit.net import web_transport
from minibit.net.web_transport import WebTransport
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection
from minibit.wire.web_remote import WebRemote

LAYOUT = Layout(4 * CHUNK_SIZE, CHUNK_SIZE)
HASH = b"#" * 20


class Shelf:
    """A source that notes what is read; it waits for `gate` before the last byte, and fails if told to."""

    def __init__(self, failure: str = "") -> None:
        self.reads: list[tuple[int, int]] = []
        self.failure = failure
        self.gate = Event()
        self.gate.set()
        self.aborted = self.closed = False

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        self.reads.append((offset, length))
        if self.failure:
            raise TrackerUnreachableError(self.failure)
        yield bytes(length - 1)
        self.gate.wait(20)
        yield b"!"

    def abort(self) -> None:
        self.aborted = True
        self.gate.set()

    def close(self) -> None:
        self.closed = True


class Near:
    """Whoever owns the transport: says messages, hears what comes, notes how it ended."""

    def __init__(self, shelf: Shelf, *more: int) -> None:
        self.shelf = shelf
        self.left = list(more)
        remote = WebRemote(LAYOUT, HASH, b"w" * 20, "web seed")
        self.transport = WebTransport(remote, shelf, lambda: self.left.pop(0) if self.left else 0)
        self.connection = Connection(LAYOUT)
        self.heard: list[Any] = []
        self.end: str | None = None
        self._rest = b""
        self.transport.start(self._readable, lambda: None)
        self.says(m.Handshake(HASH, b"e" * 20))
        self._readable()
        self.says(m.HaveNone(), m.Interested())

    def says(self, *messages: Any) -> None:
        data = b"".join(map(self.connection.send, messages))
        assert self.transport.send([data[:3], memoryview(data)[3:]]) == len(data)

    def asks(self, *blocks: int) -> None:
        self.says(*(m.Request(block, 0, CHUNK_SIZE) for block in blocks))

    @property
    def pieces(self) -> list[int]:
        return [each.index for each in self.heard if isinstance(each, m.Piece)]

    def _readable(self) -> None:
        buffer = memoryview(bytearray(5000))
        try:
            count = self.transport.receive(buffer)
        except RemoteProtocolError as error:
            self.end = str(error)
            self.transport.close()
            return
        if count == 0:
            self.end = "hung up"
            self.transport.close()
        elif count:
            self._rest += bytes(buffer[:count])
            heard, used = self.connection.receive(memoryview(self._rest))
            self.heard += heard
            self._rest = self._rest[used:]


def test_chunks_come_and_more_blocks_are_shown_when_all_are_asked_for() -> None:
    async def fetch() -> None:
        near = Near(Shelf(), 0b0011, 0b1100)
        near.transport.show_more()
        await until(lambda: m.Haves(0b0011) in near.heard)
        near.asks(1, 0)
        await until(lambda: len(near.pieces) == 2)
        assert near.shelf.reads == [(0, 2 * CHUNK_SIZE)]
        assert near.pieces == [0, 1]
        shown = [each.blocks for each in near.heard if isinstance(each, m.Haves)]
        assert shown == [0b0011, 0b1100]
        near.asks(3)
        await until(lambda: len(near.pieces) == 3)
        near.transport.close()
        await until(lambda: near.shelf.closed)

    bounded(fetch)


def test_nothing_is_told_while_nobody_wants_to_hear() -> None:
    async def fetch() -> None:
        near = Near(Shelf())
        near.transport.ask_data(False)
        near.asks(0)
        await until(lambda: near.transport.remote.brought)
        await asyncio.sleep(0)
        assert near.pieces == []
        near.transport.ask_data(True)
        await until(lambda: near.pieces == [0])
        near.transport.close()

    bounded(fetch)


def test_a_failure_is_told_after_what_came_before_it() -> None:
    async def fetch() -> None:
        near = Near(Shelf("it answered 404"))
        near.asks(0)
        await until(lambda: near.end)
        assert near.end == "it answered 404"
        assert any(isinstance(each, m.Unchoke) for each in near.heard)
        assert near.transport.closed
        assert not near.transport.left

    bounded(fetch)


def test_who_sends_nothing_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_transport, "STUCK_SECONDS", 0.05)

    async def fetch() -> None:
        near = Near(Shelf())
        near.shelf.gate.clear()
        near.asks(0)
        await until(lambda: near.end)
        assert near.end == "nothing came for 0.05 s"
        assert near.shelf.aborted

    bounded(fetch)


def test_we_leave_as_if_the_other_side_hung_up() -> None:
    async def fetch() -> None:
        near = Near(Shelf())
        near.shelf.gate.clear()
        near.asks(0)
        near.transport.leave()
        await until(lambda: near.end)
        assert near.end == "hung up"
        assert near.transport.left
        await until(lambda: near.shelf.closed)
        near.transport.show_more()
        assert near.pieces == []

    bounded(fetch)
