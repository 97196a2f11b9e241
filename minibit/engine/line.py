"""What waits to leave by an uplink without a limit: what the shell was handed and has not sent, to all.

Each neighbour has a bound of its own, but they share one line. Where each of them may have a second's worth
waiting, an origin has long said what leaves next when the first copy of a block is asked for: in virtual time
it carried the share 1.4 times on a line of 1 MiB/s, and 2.6 times where others were slower. So no more is
handed over than the line carries in a moment, and who comes first is decided as late as can be.
"""

from typing import Final

from minibit.engine.rates import RateMeter
from minibit.torrent.layout import CHUNK_SIZE

AHEAD_SECONDS: Final = 0.1  # what leaves in this time may wait to leave…
MIN_AHEAD: Final = 2 * CHUNK_SIZE  # …and so many bytes at least
STUCK_SECONDS: Final = 1.0  # who has taken nothing for so long holds up nobody else
METER_SECONDS: Final = 2.0


class Line:
    """What waits to leave, by neighbour; sizes are in bytes."""

    def __init__(self, now: float) -> None:
        self._waiting: dict[int, tuple[int, float]] = {}  # how much, and since when nothing of it has left
        self._flow = RateMeter(METER_SECONDS, now)

    def rate(self, now: float) -> float:
        """Bytes per second that leave."""
        return self._flow.rate(now)

    def handed(self, key: int, size: int, now: float) -> None:
        """The shell has so much more to send to this neighbour."""
        waiting, since = self._waiting.get(key, (0, now))
        self._waiting[key] = waiting + size, since

    def left(self, key: int, size: int, now: float) -> None:
        """So much has left for this neighbour."""
        self._flow.add(size, now)
        waiting, _ = self._waiting.pop(key, (0, now))
        if waiting > size:
            self._waiting[key] = waiting - size, now

    def forget(self, key: int) -> None:
        """This neighbour is gone, and what waited for it too."""
        self._waiting.pop(key, None)

    def free(self, now: float) -> bool:
        """Whether more may be handed over."""
        if not self._waiting:
            return True
        ahead = sum(size for size, since in self._waiting.values() if now < since + STUCK_SECONDS)
        return ahead < max(MIN_AHEAD, self.rate(now) * AHEAD_SECONDS)

    def free_at(self, now: float) -> float:
        """When to look again, if nothing leaves before: `now` if it is free."""
        if self.free(now):
            return now
        ends = (since + STUCK_SECONDS for _, since in self._waiting.values())
        return min(end for end in ends if end > now)
