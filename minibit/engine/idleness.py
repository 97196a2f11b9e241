"""Whether an uplink stands idle: what a choking manager needs to know to admit one neighbour more.

Slots are few so that blocks come whole and early, but a fast line with few to serve has nothing to send for
most of the time, and a crowd waits for it. So where nothing could be sent for a moment although somebody is
choked, one is admitted beyond the slots; while there is something to send all the time, one goes.

The moment is the longer the later we are: of fifty peers on two cores each served seventeen, for nobody had
the time to ask. With 8 times the lateness, instead of 32, they ended a tenth later.
"""

from typing import Final

from minibit.engine.lateness import Lateness

IDLE_SECONDS: Final = 0.1  # with nothing to send, before one more is admitted…
PATIENCE: Final = 32.0  # …and at least so many times our lateness: those whom we serve are as late to ask


class Idleness:
    """What an uplink did lately."""

    def __init__(self, now: float, lateness: Lateness) -> None:
        self._lateness = lateness
        self._awaited = False  # whether somebody choked would like to be served
        self._busy_at = now  # when there was last something to send, or somebody was admitted
        self._rested = False  # whether there was a pause since `rested` was last asked

    def awaits(self, now: float, *, somebody: bool) -> None:
        """Whether somebody choked would like to be served."""
        if somebody and not self._awaited:
            self._busy_at = now  # nobody has waited so far
        self._awaited = somebody

    def look(self, now: float, *, sending: bool) -> None:
        """At the end of an input: is there something to send?"""
        if sending:
            self._busy_at = now
        elif now - self._busy_at > IDLE_SECONDS / 2:
            self._rested = True

    def idle(self, now: float) -> bool:
        """Whether somebody more is to be served."""
        return self._awaited and now >= self._busy_at + self._patience

    @property
    def _patience(self) -> float:
        return max(IDLE_SECONDS, PATIENCE * self._lateness.seconds)

    def admitted(self, now: float) -> None:
        """Somebody was: what comes of it is to be seen first."""
        self._busy_at = now

    def rested(self) -> bool:
        """Whether there was nothing to send for a moment since this was last asked."""
        rested, self._rested = self._rested, False
        return rested

    def next_deadline(self, now: float) -> float:
        """When it will have been idle for long enough, if nothing happens; infinity if nobody would care."""
        return max(now, self._busy_at + self._patience) if self._awaited else float("inf")
