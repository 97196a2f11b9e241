"""Transfer rates: one meter to measure them, one token bucket to limit them. Time is an argument."""

from typing import Final

SLOTS: Final = 20


class RateMeter:
    """Bytes per second over a sliding window of `window` seconds, in 20 slots.

    Adding is O(1) however long nothing happened, and an idle meter falls to 0 after one window.
    BEP 3's reciprocity looks back 20 s; a display wants about 5 s.
    """

    __slots__ = ("_slot", "_slots", "_start", "_sum", "_width")

    def __init__(self, window: float, now: float) -> None:
        self._width = window / SLOTS
        self._slots = [0] * SLOTS
        self._slot = int(now / self._width)
        self._start = self._slot
        self._sum = 0

    def add(self, count: int, now: float) -> None:
        """`count` bytes moved at `now`."""
        slot = int(now / self._width)
        if slot != self._slot:
            self._advance(slot)
        self._slots[slot % SLOTS] += count
        self._sum += count

    def rate(self, now: float) -> float:
        """Bytes per second, averaged over the window, or over the meter's age while it is younger."""
        if not self._sum:
            return 0.0
        slot = int(now / self._width)
        if slot != self._slot:
            self._advance(slot)
        slots = min(SLOTS, slot - self._start + 1)
        return self._sum / (slots * self._width)

    def _advance(self, slot: int) -> None:
        for stale in range(self._slot + 1, min(slot, self._slot + SLOTS) + 1):
            self._sum -= self._slots[stale % SLOTS]
            self._slots[stale % SLOTS] = 0
        self._slot = max(self._slot, slot)


class TokenBucket:
    """A limit of `rate` bytes per second that forgives pauses of up to `burst` bytes; 0 is no limit.

    A taker may overdraw, and then waits until the debt is paid: no chunk is too large for
    a bucket, and the long-run average is exact. Of its `burst`, `saved` may be used from the
    start; all, if that is not said.
    """

    __slots__ = ("_burst", "_tokens", "_updated", "rate")

    def __init__(self, rate: float, burst: float, now: float, *, saved: float | None = None) -> None:
        self.rate = rate
        self._burst = burst
        self._tokens = burst if saved is None else saved
        self._updated = now

    def ready(self, now: float) -> bool:
        """Whether something may be taken now."""
        self._refill(now)
        return not self.rate or self._tokens > 0

    def take(self, count: int) -> None:
        """`count` bytes are used; fewer than 0 are given back."""
        if self.rate:
            self._tokens = min(self._burst, self._tokens - count)

    def ready_at(self, now: float) -> float:
        """When something may be taken: `now`, or later."""
        self._refill(now)
        if not self.rate or self._tokens > 0:
            return now
        return now + (1 - self._tokens) / self.rate

    def _refill(self, now: float) -> None:
        if self.rate and now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self.rate)
            self._updated = now
