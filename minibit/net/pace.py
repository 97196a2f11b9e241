"""How often a loop looks around: one that much trickles in on need not wake for every drop.

To wake costs a process as much as a dozen messages do: others have had the processor and its caches
meanwhile. So a loop may rest before it looks around; what has come by then is heard at once. Where a machine
has more to do than it can, every process is late; whoever notices that rests longer, and then there is less
to do for everybody: fifty peers on two cores else spend all their time on waking each other.

A peer whose uplink is limited sends each sixteenth of a second: it rests a quarter of that, with fewer
connections too. With half of it, eight such peers ended 1 % later.
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Final

from minibit.engine.allowance import TURN_SECONDS

MANY: Final = 13  # connections; with fewer there is not much to gather…
LIMITED_MANY: Final = 5  # …for a peer with a limit
FLOOD: Final = 128 * 1024  # bytes in one read: whoever receives so many at once does not rest
REST: Final = 0.008  # seconds; twice as much makes a crowd of fifty in virtual time 1 % slower
LIMITED_REST: Final = TURN_SECONDS / 4  # …of a peer with a limit
MAX_REST: Final = 0.1
HEED: Final = 8.0  # how many times as long as it is late of late a loop rests
WEIGHT: Final = 1 / 8  # of each rest, in what is meant by late of late


class Pace:
    """For how long to rest."""

    def __init__(self) -> None:
        self._rest = 0.0  # of who is neither flooded nor late
        self._flooded = False
        self._late = 0.0

    @property
    def rest(self) -> float:
        """Seconds, before looking around again."""
        calm = self._rest and not self._flooded
        return min(max(self._rest, HEED * self._late), MAX_REST) if calm else 0.0

    def connected(self, connections: int, *, limit: float = 0.0) -> None:
        """So many connections may bring something, and a `limit` in bytes per second is what the uplink waits
        for. Where more leaves in a rest than is a flood, resting would be what it waits for."""
        limited = 0 < limit * LIMITED_REST <= FLOOD
        if connections >= (LIMITED_MANY if limited else MANY):
            self._rest = LIMITED_REST if limited else REST
        else:
            self._rest = 0.0

    def received(self, count: int) -> None:
        """So many bytes came at once."""
        self._flooded |= count >= FLOOD

    def rested(self, late: float) -> None:
        """It is over, so many seconds later than it was to be; a process that was suspended is not busy."""
        self._late += WEIGHT * (min(max(0.0, late), MAX_REST) - self._late)

    def looked(self) -> None:
        """What came before is history."""
        self._flooded = False


class PacedSelector(selectors.DefaultSelector):
    """A selector that rests before it waits for what is ready, as its `pace` says.

    It never rests longer than it was to wait at most, so what is due at a time is done then.
    """

    def __init__(
        self,
        pace: Pace,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._pace = pace
        self._sleep = sleep
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, after `timeout` seconds at the latest; None waits for ever."""
        rest = self._pace.rest if timeout is None else min(self._pace.rest, timeout)
        self._pace.looked()
        if rest > 0:
            before = self._clock()
            self._sleep(rest)
            slept = self._clock() - before
            self._pace.rested(slept - rest)
            if timeout is not None:
                timeout = max(0.0, timeout - slept)
        return super().select(timeout)


class PacedLoop(asyncio.SelectorEventLoop):
    """A loop that rests as its `pace` says."""

    def __init__(self) -> None:
        self.pace = Pace()
        super().__init__(PacedSelector(self.pace))


def pace_of(loop: asyncio.AbstractEventLoop) -> Pace:
    """The pace of this loop; nobody heeds that of one that has none."""
    return loop.pace if isinstance(loop, PacedLoop) else Pace()
