"""Virtual time: what is to happen when, in an order that depends on nothing else.

Two things at the same moment happen in the order in which they were asked for.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Clock:
    """A heap of events. `now` is seconds since the start; `events` have happened so far."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._order = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action(*arguments)` at `when`, or now if that is past."""
        self._order += 1
        heappush(self._heap, (when, self._order, action, arguments))

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + seconds, action, *arguments)

    def run(self, until: float, most: int, done: Callable[[], bool]) -> bool:
        """Let time pass until `until`, for at most `most` events, or until `done`; whether `until` came."""
        heap = self._heap
        for _ in range(most):
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return True
            when, _, action, arguments = heappop(heap)
            if when > self.now:
                self.now = when
            self.events += 1
            action(*arguments)
            if done():
                return False
        return False
