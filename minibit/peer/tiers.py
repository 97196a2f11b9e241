"""Which of a torrent's trackers to ask next (BEP 12), and which to leave alone for a while.

Time and chance are arguments.
"""

from random import Random
from typing import Final

FIRST_PAUSE: Final = 15.0  # s in which a tracker that failed is not asked again; doubled each time…
LONGEST_PAUSE: Final = 30 * 60.0  # …up to this


class Tiers:
    """A torrent's trackers, tier by tier; within a tier they stand in a random order at first, and whoever
    answers goes to its front, so that all peers come to meet at one."""

    def __init__(self, tiers: tuple[tuple[str, ...], ...], rng: Random) -> None:
        self._tiers = [rng.sample(tier, len(tier)) for tier in tiers]
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._tiers)

    def due(self, now: float) -> list[str]:
        """Those to be asked now, in order, until one answers."""
        return [url for tier in self._tiers for url in tier if self._due.get(url, now) <= now]

    def next_due(self) -> float:
        """When the first of those that failed may be asked again."""
        return min(self._due.values(), default=float("inf"))

    def answered(self, url: str) -> None:
        """This one did: it goes first in its tier."""
        self._failures.pop(url, None)
        self._due.pop(url, None)
        for tier in self._tiers:
            if url in tier:
                tier.remove(url)
                tier.insert(0, url)

    def failed(self, url: str, now: float) -> None:
        """This one did not, or refused."""
        failures = self._failures[url] = self._failures.get(url, 0) + 1
        self._due[url] = now + min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
