"""What comes to a peer: through its downlink, gathered into slots of `GRAIN` seconds.

What is through within one slot is taken in at once, as by a loop that looks around that often; within a
connection nothing overtakes.
"""

from collections.abc import Callable
from typing import Final

from minibit.lab.clock import Clock
from minibit.lab.wires import End, Item, Said, weight

GRAIN: Final = 0.001  # seconds

Came = dict[int, tuple[End, list[Said], int]]
"""By connection: our end of it, what was said, and how many bytes of payload that is."""


class Intake:
    """`rate` is the downlink's bytes per second, 0 for no limit; `take` is handed what came."""

    def __init__(self, clock: Clock, rate: float, take: Callable[[Came], None]) -> None:
        self.rate = rate
        self._clock = clock
        self._take = take
        self._free = 0.0  # when all that stands at the door is through
        self._door: dict[int, list[tuple[End, Item]]] = {}  # by slot: what comes to the downlink then…
        self._hall: dict[int, Came] = {}  # …and what is through

    def expect(self, end: End, item: Item, when: float) -> None:
        """This will be at the door then."""
        slot = end.last = max(int(when / GRAIN) + 1, end.last)
        if not self.rate:
            self._enter(slot, end, item)
            return
        waiting = self._door.get(slot)
        if waiting is None:
            waiting = self._door[slot] = []
            self._clock.at(slot * GRAIN, self._open, slot)
        waiting.append((end, item))

    def _open(self, slot: int) -> None:
        for end, item in self._door.pop(slot):
            self._free = max(self._free, self._clock.now) + weight(item) / (self.rate or float("inf"))
            end.last = max(int(self._free / GRAIN) + 1, end.last)
            self._enter(end.last, end, item)

    def _enter(self, slot: int, end: End, item: Item) -> None:
        hall = self._hall.get(slot)
        if hall is None:
            hall = self._hall[slot] = {}
            self._clock.at(slot * GRAIN, self._hand_over, slot)
        entry = hall.get(end.key)
        if entry is None:
            hall[end.key] = (end, list(item[0]), item[1])
        else:
            entry[1].extend(item[0])
            if item[1]:
                hall[end.key] = (end, entry[1], entry[2] + item[1])

    def _hand_over(self, slot: int) -> None:
        self._take(self._hall.pop(slot))
