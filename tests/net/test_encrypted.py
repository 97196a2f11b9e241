"""Two encrypted transports, joined by hand: what one sends the other receives, however little fits."""

import asyncio
from collections.abc import Callable

import pytest
from fakes.transports import FakeTransport

from minibit.errors import RemoteProtocolError
from minibit.net.encrypted import EncryptedTransport
from minibit.wire.encryption import Encryption
from minibit.wire.opening import LEGIBLE

SHARE = bytes(range(20))


class Side:
    """One end: its transport over a fake one, and what was received."""

    def __init__(self, encryption: Encryption, *, dialled: bool, room: int = 1 << 30) -> None:
        self.inner = FakeTransport(room)
        self.transport = EncryptedTransport(self.inner, SHARE, encryption, dialled=dialled)
        self.received = b""
        self.rooms = 0
        self.transport.start(self._data, self._room)

    def _data(self) -> None:
        buffer = memoryview(bytearray(100_000))
        count = self.transport.receive(buffer)
        if count:
            self.received += bytes(buffer[:count])

    def _room(self) -> None:
        self.rooms += 1

    def carry_to(self, other: "Side") -> bool:
        """The loop says there is room, and what was sent arrives; returns whether anything did."""
        if self.inner.asked:
            self.inner.on_room()
        sent = bytes(self.inner.sent)
        self.inner.sent.clear()
        for start in range(0, len(sent), 50_000):
            other.inner.coming.append(sent[start : start + 50_000])
            other.inner.on_data()
        return bool(sent)


def running(work: Callable[[], None]) -> None:
    async def run() -> None:
        work()
        await asyncio.sleep(0)

    asyncio.run(run())


def settle(one: Side, other: Side) -> None:
    while one.carry_to(other) | other.carry_to(one):
        pass


def send(side: Side, other: Side, data: bytes) -> None:
    """All of it, as a link does: what did not leave is sent again when there is room."""
    while data:
        sent = side.transport.send([data[:30_000], data[30_000:60_000]])
        data = data[sent:]
        side.transport.ask_room(bool(data))
        settle(side, other)
    settle(side, other)


@pytest.mark.parametrize("room", [1 << 30, 1000])
@pytest.mark.parametrize("encryption", Encryption)
def test_what_one_sends_the_other_receives(encryption: Encryption, room: int) -> None:
    def trade() -> None:
        one = Side(encryption, dialled=True, room=room)
        other = Side(encryption, dialled=False, room=room)
        settle(one, other)
        there, back = bytes(range(256)) * 1000, b"and back" * 10_000
        send(one, other, there)
        send(other, one, back)
        assert other.received == there
        assert one.received == back

    running(trade)


def test_there_is_no_room_before_both_have_agreed_and_then_it_is_said() -> None:
    def wait() -> None:
        one, other = Side(Encryption.PREFER, dialled=True), Side(Encryption.PREFER, dialled=False)
        for side in (one, other):
            assert side.transport.send([b"too soon"]) == 0
            side.transport.ask_room(True)
        settle(one, other)
        assert one.rooms
        assert other.rooms
        assert one.received == other.received == b""

    running(wait)


def test_who_begins_in_the_clear_is_answered_in_the_clear() -> None:
    def listen() -> None:
        side = Side(Encryption.PREFER, dialled=False)
        for piece in (LEGIBLE[:7], LEGIBLE[7:] + b"more"):
            side.inner.coming.append(piece)
            side.inner.on_data()
        assert side.received == LEGIBLE + b"more"
        assert side.transport.send([b"as ", b"it is"]) == 8
        assert side.inner.sent == b"as it is"

    running(listen)


def test_what_does_not_fit_the_buffer_is_told_in_the_next_turn() -> None:
    async def turns() -> None:
        inner = FakeTransport()
        transport = EncryptedTransport(inner, SHARE, Encryption.ALLOW, dialled=False)
        told: list[int] = []
        transport.start(lambda: told.append(1), lambda: None)
        inner.coming.append(LEGIBLE)
        small = memoryview(bytearray(LEGIBLE))[:20]
        assert transport.receive(small) == 20
        inner.coming.append(b"later")
        assert transport.receive(small) == 5
        await asyncio.sleep(0)
        assert told == []

    asyncio.run(turns())


def test_a_broken_opening_is_the_other_side_s_fault() -> None:
    def listen() -> None:
        side = Side(Encryption.REQUIRE, dialled=False)
        side.inner.coming.append(LEGIBLE)
        with pytest.raises(RemoteProtocolError, match="in the clear"):
            side.inner.on_data()

    running(listen)


def test_a_connection_that_breaks_while_sealed_bytes_wait_is_told_to_whoever_receives() -> None:
    def fail() -> None:
        side = Side(Encryption.PREFER, dialled=True)
        side.inner.broken = True
        side.inner.coming.append(b"")
        side.inner.on_room()
        assert not side.inner.asked
        assert not side.inner.coming

    running(fail)


def test_closing_closes_what_is_inside() -> None:
    def close() -> None:
        side = Side(Encryption.ALLOW, dialled=False)
        side.transport.close()
        assert side.inner.closed

    running(close)
