"""A transport with nothing behind it: what was sent is noted, and room is what a test says it is."""

from collections import deque
from collections.abc import Callable, Sequence

from minibit.net.transport import MAX_PARTS


class FakeTransport:
    """Takes at most `room` bytes at a time (0: it is full); `sent` is all that it took.

    `coming` is what the other side has sent, a piece for each read; b"" is the end of the connection.
    """

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.sent = bytearray()
        self.calls: list[int] = []  # bytes taken by each call
        self.coming: deque[bytes] = deque()
        self.asked = False
        self.hearing = True
        self.closed = False
        self.broken = False
        self.on_data: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None

    def start(self, on_data: Callable[[], None], on_room: Callable[[], None]) -> None:
        self.on_data, self.on_room = on_data, on_room

    def receive(self, buffer: memoryview) -> int | None:
        if not self.coming:
            return None
        data = self.coming.popleft()
        buffer[: len(data)] = data
        return len(data)

    def send(self, parts: Sequence[bytes | memoryview]) -> int:
        assert not self.closed
        assert len(parts) <= MAX_PARTS
        if self.broken:
            raise ConnectionResetError
        taken = b"".join(parts)[: self.room]
        self.sent += taken
        self.calls.append(len(taken))
        return len(taken)

    def ask_data(self, wanted: bool) -> None:
        self.hearing = wanted

    def ask_room(self, wanted: bool) -> None:
        self.asked = wanted

    def close(self) -> None:
        self.closed = True
