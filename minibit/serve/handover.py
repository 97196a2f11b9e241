"""Values that other threads hand to a loop, in order, one in each of its turns.

The loop is woken once for all that wait: to wake it is a system call, and takes the interpreter from whoever
hands the next one over.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """`take` is called on `loop` with each value that was put; a closed loop takes none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[T], None]) -> None:
        self._loop = loop
        self._take = take
        self._waiting: deque[T] = deque()

    def put(self, value: T) -> None:
        """Any thread may call, one at a time."""
        self._waiting.append(value)
        if len(self._waiting) == 1:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._next)

    def _next(self) -> None:
        if not self._waiting:  # two were called for: the last one was taken while another was put
            return
        value = self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._next)
        self._take(value)
