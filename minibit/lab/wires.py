"""Connections between simulated peers: what is said arrives in order, late, and as fast as lines allow.

A connection has two ends. What an end says leaves it as far as there is room in flight, as in a TCP window:
on a slow line it is small, for `net.transport` has the system hold no more than a moment's worth;
a neighbour that is slow to take keeps its sender waiting, and control messages wait behind data. Lines are
shared: an uplink serves its connections by turns; what becomes of it there is `intake`'s matter.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from minibit.lab.clock import Clock
from minibit.wire import messages as m

WINDOW: Final = 256 * 1024  # bytes of payload in flight on a connection, each way, at most…
MIN_WINDOW: Final = 48 * 1024  # …and at least; in between, as live, about…
WINDOW_SECONDS: Final = 0.25  # …what it carries in this time
MEASURED_SECONDS: Final = 0.25  # how long is looked at that
LONG: Final = 5.0  # seconds for which a line is busy with one item: that is a slow line
_SIZES: Final = {m.Request: 17, m.Cancel: 17, m.RejectRequest: 17, m.AllowedFast: 9}

Said = m.Handshake | m.Message
Item = tuple[Sequence[Said], int]
"""Messages that travel together, and the bytes of payload in them."""


class Host(Protocol):
    """Whose end it is."""

    silent: bool  # whether nothing reaches it nor leaves it, and nobody is told

    def arrives(self, end: "End", item: Item, when: float) -> None:
        """This item will be at its door then."""

    def stirs(self, end: "End") -> None:
        """A part of an item is there."""

    def ready(self, end: "End") -> None:
        """There is room on this connection: it is to be pumped."""

    def lost(self, end: "End") -> None:
        """The other side has closed this connection."""


class End:
    """One end of a connection, `host`'s number `key`; `there` is the other end."""

    __slots__ = (
        "_in_flight",
        "_measured_at",
        "_passed",
        "_waking",
        "_window",
        "clock",
        "cut",
        "held",
        "host",
        "key",
        "last",
        "latency",
        "open",
        "queue",
        "released",
        "there",
        "uplink",
    )

    there: "End"

    def __init__(self, host: Host, key: int, clock: Clock, uplink: "Uplink | None", latency: float) -> None:
        self.host = host
        self.key = key
        self.clock = clock
        self.uplink = uplink
        self.latency = latency
        self.open = True
        self.cut = False  # whether nothing arrives here
        self.held: list[Item] = []  # what would have arrived
        self.last = 0  # the slot of the last arrival here: nothing overtakes
        self.queue: deque[Item] = deque()  # what has not left
        self.released: deque[tuple[float, int]] = deque()  # when room in flight comes back, and how much
        self._in_flight = 0
        self._window = WINDOW if uplink is None else MIN_WINDOW
        self._passed, self._measured_at = 0, clock.now  # bytes that were taken since then
        self._waking = False

    def say(self, messages: Sequence[Said]) -> None:
        """Send these after all that was said before."""
        if self.queue:
            self.queue.append((messages, 0))
        elif self.uplink is None:
            self.there.host.arrives(self.there, (messages, 0), self.clock.now + self.latency)
        else:
            self.uplink.carry(self, (messages, 0))

    def give(self, pieces: Iterable[m.Piece]) -> None:
        """Send this data after all that was said before, once this end is pumped."""
        self.queue.extend(((piece,), len(piece.data)) for piece in pieces)

    def pump(self) -> int:
        """Let leave what there is room for; how many bytes of payload did."""
        now, released = self.clock.now, self.released
        while released and released[0][0] <= now:
            self._passed += released[0][1]
            self._in_flight -= released.popleft()[1]
        self._measure(now)
        left = 0
        while self.queue and self._in_flight < self._window:
            item = self.queue.popleft()
            self._in_flight += item[1]
            left += item[1]
            if self.uplink is None:
                self.there.host.arrives(self.there, item, now + self.latency)
            else:
                self.uplink.carry(self, item)
        if self.queue and released and not self._waking:
            self._waking = True
            self.clock.at(released[0][0], self._wake)
        return left

    def _measure(self, now: float) -> None:
        """The window follows what this connection carries, which shares its line with others."""
        seconds = now - self._measured_at
        if self.uplink is None:
            self._window = WINDOW
        elif seconds >= MEASURED_SECONDS:
            worth = int(self._passed / seconds * WINDOW_SECONDS)
            self._window = min(max(1 << worth.bit_length(), MIN_WINDOW), WINDOW)
            self._passed, self._measured_at = 0, now

    def release(self, payload: int) -> None:
        """The other side has taken so many bytes: one latency later there is room for more."""
        when = self.clock.now + self.latency
        self.released.append((when, payload))
        if self.queue and not self._waking:
            self._waking = True
            self.clock.at(when, self._wake)

    def mend(self) -> list[Item]:
        """What is said arrives again; returns what would have arrived meanwhile."""
        self.cut = False
        held, self.held = self.held, []
        return held

    def close(self) -> None:
        """Nothing is said any more; what is on its way arrives."""
        self.open = False
        self.queue.clear()

    def _wake(self) -> None:
        self._waking = False
        if self.open:
            self.host.ready(self)


class Uplink:
    """A peer's line outwards: its connections by turns, one item each.

    A chunk is many packets, so a word of who has nothing else under way does not wait for those of others.
    """

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self.rate = rate
        self._turns: deque[End] = deque()  # who has something waiting
        self._waiting: dict[End, deque[Item]] = {}
        self._busy = False
        self._slipped = 0.0  # seconds that such words took of what has left or is leaving

    def carry(self, end: End, item: Item) -> None:
        """Bring this item to the other end."""
        waiting = self._waiting.get(end)
        if waiting is None and self._busy and not item[1]:
            seconds = weight(item) / self.rate
            self._slipped += seconds
            end.there.host.arrives(end.there, item, self._clock.now + seconds + end.latency)
            return
        if waiting is None:
            waiting = self._waiting[end] = deque()
            self._turns.append(end)
        waiting.append(item)
        if not self._busy:
            self._next()

    def drop(self) -> None:
        """What waits here is lost."""
        self._turns.clear()
        self._waiting.clear()

    def _next(self) -> None:
        if not self._turns:
            self._busy = False
            return
        self._busy = True
        end = self._turns.popleft()
        waiting = self._waiting[end]
        item = waiting.popleft()
        if waiting:
            self._turns.append(end)
        else:
            del self._waiting[end]
        seconds = self._slipped + weight(item) / self.rate
        self._slipped = 0.0
        if seconds >= LONG:  # packet by packet, all who wait get on meanwhile
            for each in self._waiting:
                each.there.host.stirs(each.there)
        leaves = self._clock.now + seconds
        end.there.host.arrives(end.there, item, leaves + end.latency)
        self._clock.at(leaves, self._next)


def weight(item: Item) -> int:
    """The bytes that an item takes on a line."""
    messages, payload = item
    if payload:
        return payload + 13 * len(messages)
    return sum(map(_size, messages))


def _size(message: Said) -> int:
    if isinstance(message, m.Haves):
        return 9 * message.blocks.bit_count()
    return _SIZES.get(type(message)) or len(message.encode())
