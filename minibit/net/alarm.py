"""One timer that is set again and again, mostly to the same time or a later one, which then costs nothing."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` on the running loop, at the earliest time that it was set to since it last rang."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Ring at this time of the loop, or earlier if that was asked for."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._rang)

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rang(self) -> None:
        self._timer = None
        self._ring()
