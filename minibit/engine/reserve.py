"""When a peer falls back on web seeds (BEP 19), and what they are asked for: last of all neighbours.

A server for everybody is somebody's bill, and what comes from it trains nobody to share. So it is asked for
everything only while nothing comes from peers, until they bring more than it does, and before that only for
blocks that no peer shows. An origin shows little at first and holds everything, so it is waited for.
"""

from collections.abc import Container
from math import fsum
from random import Random
from typing import Final

from minibit import bitfield
from minibit.address import Address
from minibit.engine.engine import Engine

PATIENCE: Final = 10.0  # s without a chunk from a peer, or with a block that none shows


class Reserve:
    """One peer's decision. `seeds` are the addresses under which the engine knows web seeds; `now` is the
    start."""

    def __init__(self, seeds: Container[Address], now: float) -> None:
        self._seeds = seeds
        self._peers_total = 0  # bytes that came from peers
        self._moved_at = now  # when some last did
        self._covered_at = now  # when every block that we lack was last shown by a peer
        self._starved = False

    def wanted(self, engine: Engine, brought: int, now: float) -> int:
        """The blocks that web seeds are to bring; 0: they are not needed.

        `brought` is how many bytes of the share they have handed on so far; it may be ahead of the engine.
        """
        blocks, neighbours = engine.blocks, engine.neighbours.values()
        peers = [n for n in neighbours if n.address not in self._seeds]
        came = engine.downloads.total - brought
        if came > self._peers_total:
            self._peers_total, self._moved_at = came, now
        lacking = blocks.missing & ~blocks.verifying
        if not lacking:  # also before the share is known
            self._moved_at = self._covered_at = now
            return 0
        orphans = lacking
        for peer in peers:
            orphans &= 0 if peer.origin else ~peer.blocks
        if not orphans:
            self._covered_at = now
        if now - self._moved_at >= PATIENCE + engine.downloads.allowance.pause:
            self._starved = True
        elif self._starved:
            web = fsum(n.received_rate(now) for n in neighbours if n.address in self._seeds)
            self._starved = fsum(n.received_rate(now) for n in peers) <= web
        if self._starved:
            return lacking
        return orphans if now - self._covered_at >= PATIENCE else 0


def stretch(blocks: int, most: int, rng: Random) -> int:
    """Up to `most` of these blocks in a row, from anywhere by lot; fewer only where no gap is as long.

    BEP 19: one request for many blocks is kinder to a server than many requests, and peers who begin at
    different places have something to trade.
    """
    while most:
        found, width = blocks, 1  # where so many begin
        while found and width < most:
            step = min(width, most - width)
            found &= found >> step
            width += step
        if found:
            return bitfield.full(most) << bitfield.choose(found, rng)
        most //= 2
    return 0
