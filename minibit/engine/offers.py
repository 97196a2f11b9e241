"""What an origin shows to whom: first what the swarm lacks, to one neighbour each, then everything.

This is super-seeding (BEP 16) without its stalls. An origin that shows all it has is asked by several
neighbours for the same blocks, and its uplink carries the share several times before the last block
is out. So while some block has no copy in the swarm, a neighbour is shown only a few blocks that nobody
else has or has been offered; as soon as nothing is lacking, everyone is shown everything. What comes to a
crowd twice from its origin is time: nothing else there is as scarce as the first copy of each block.

A *grant* is a right and not an order: what a neighbour was granted is offered to it before anything else,
even while it is choked, but never what somebody in the swarm holds already. Fetched from the origin by all
to whom they were granted, overlapping grants would make it carry the share 1.3 times.

Offers follow throughput: a neighbour has as much on offer as it takes in `AHEAD_SECONDS`, at whatever rhythm
it asks. Who has had the origin for itself for a while sees everything: there is nobody to hide it for.
"""

from collections.abc import Sequence
from math import ceil, fsum
from random import Random
from typing import Final

from msgspec import Struct, field

from minibit import bitfield
from minibit.torrent.layout import Layout

FIRST_DEPTH: Final = 2  # blocks on offer to one neighbour at least
MAX_DEPTH_BYTES: Final = 16 * 1024 * 1024  # …and at most: four request windows
AHEAD_SECONDS: Final = 3.0  # …and in between, what it takes in this time
RELAY_MEMORY: Final = 3.0  # s; what was passed on so long ago counts half
DOUBT_SECONDS: Final = 1.0  # of everybody's pace are believed of a neighbour beside what it showed
ALIKE: Final = 1.5  # times as long is luck, not a difference


class Offer(Struct):
    """What one neighbour was shown. `pending` blocks were offered to it alone and are not sent yet.

    `sent` blocks went out to it whole: whether or not it ever tells of them (many clients do not tell
    those who have a block that they have it too), nobody else need be offered them while it stays.
    """

    shown: int = 0
    pending: int = 0
    sent: int = 0
    first: int = 0  # of `sent`, those that nobody else in the swarm had before
    relayed: float = 0.0  # how many of these somebody else has told of since, older ones counting less…
    busy: float = 0.0  # …in so many seconds in which it had some to pass on, counted alike…
    weighed_at: float = 0.0  # …as of then
    unsent: dict[int, int] = field(default_factory=dict)  # bytes to go of the blocks that went out in part

    def weigh(self, spread: int, now: float) -> int:
        """What was relayed long ago counts less; how many of its first copies are not among `spread` yet."""
        owing = (self.first & ~spread).bit_count()
        passed = now - self.weighed_at
        fade = 0.5 ** (passed / RELAY_MEMORY)
        self.relayed *= fade
        self.busy = self.busy * fade + (passed if owing else 0.0)
        self.weighed_at = now
        return owing


class Offers:
    """The offers to all neighbours that came while something was lacking."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._full = bitfield.full(layout.block_count)
        self._max_depth = max(FIRST_DEPTH, MAX_DEPTH_BYTES // layout.block_size)
        self._offers: dict[int, Offer] = {}
        self._hiding: dict[int, Offer] = {}  # the offers to those who do not see everything yet
        self._out = 0  # all that was sent whole to somebody who is here
        self._spread = 0  # what somebody has told of who did not get the first copy

    def greet(self, key: int) -> None:
        """A neighbour came: it sees nothing but what it is offered from now on."""
        self._offers[key] = self._hiding[key] = Offer()

    def lacking(self, swarm: int) -> int:
        """The blocks that nobody in the swarm has, was sent or is offered; `swarm` is all that it holds."""
        swarm |= self._out
        for offer in self._offers.values():
            swarm |= offer.pending
        return self._full & ~swarm

    def unborn(self, swarm: int) -> int:
        """The blocks of which no copy has left whole: to serve one of these is to serve a first copy."""
        return self._full & ~(swarm | self._out)

    def soonest(self, waiting: Sequence[int], now: float) -> int:
        """Who of those who wait, the first one longest, is likely to pass a first copy on soonest; of several
        who are as likely (`ALIKE`), who has waited longest: of equals each gets its part, and its grant."""
        everybody = self._offers.values()
        pace = (1 + fsum(each.relayed for each in everybody)) / (1 + fsum(each.busy for each in everybody))
        delays = {key: self._delay(key, pace, now) for key in waiting}
        bar = ALIKE * min(delays.values())
        return next(key for key in waiting if delays[key] <= bar)

    def _delay(self, key: int, pace: float, now: float) -> float:
        """How many seconds a first copy would wait at this neighbour until somebody else has it: for all that
        it holds of which nobody else has a copy, at the pace at which it has passed on others.

        Only the time in which it had something to pass on counts for that, and everybody's `pace` is mixed in
        (`DOUBT_SECONDS`): else who happened to get some would get more.
        """
        offer = self._offers.get(key)
        if offer is None:
            return float("inf")
        owing = offer.weigh(self._spread, now)
        return (1 + owing) * (offer.busy + DOUBT_SECONDS) / (offer.relayed + DOUBT_SECONDS * pace)

    def sent(self, key: int, block: int, length: int, swarm: int, now: float) -> None:
        """`length` bytes of `block` are on their way to this neighbour."""
        offer = self._offers.get(key)
        if offer is None:
            return
        unsent = offer.unsent.pop(block, self._layout.block_length(block)) - length
        if unsent > 0:
            offer.unsent[block] = unsent
            return
        bit = 1 << block
        if not (swarm | self._out) & bit:
            offer.weigh(self._spread, now)
            offer.first |= bit
        offer.sent |= bit
        offer.pending &= ~bit
        self._out |= bit

    def received(self, key: int, blocks: int, now: float) -> None:
        """This neighbour holds `blocks`."""
        offer = self._offers.get(key)
        if offer is not None:
            offer.pending &= ~blocks
            blocks &= ~offer.first
        spread = blocks & ~self._spread
        if spread:
            for each in self._offers.values():
                relayed = (each.first & spread).bit_count()
                if relayed:
                    each.weigh(self._spread, now)
                    each.relayed += relayed
            self._spread |= spread

    def withdraw(self, key: int, granted: int) -> None:
        """This neighbour was choked: what it has not fetched is offered to others, except its grant."""
        offer = self._offers.get(key)
        if offer is not None:
            offer.pending &= granted

    def refill(
        self, key: int, eligible: int, granted: int, lacking: int, rate: float, rng: Random
    ) -> tuple[int, list[int]]:
        """The blocks to offer to a neighbour now; the fewer it has pending, the more.

        Args:
            eligible: the blocks that it may be offered: what it lacks, and if it is choked, of its grant.
            granted: what goes before all else.
            lacking: what the swarm lacks.
            rate: bytes per second that it takes.

        Returns what is lacking still, and those blocks that it is to be shown.
        """
        offer = self._hiding[key]
        depth = min(max(ceil(rate * AHEAD_SECONDS / self._layout.block_size), FIRST_DEPTH), self._max_depth)
        if offer.pending.bit_count() * 2 > depth:
            return lacking, []
        chosen = []
        for candidates in (lacking & eligible & granted, lacking & eligible & ~granted):
            left = candidates
            while left and offer.pending.bit_count() < depth:
                block = bitfield.choose(left, rng)
                left ^= 1 << block
                lacking ^= 1 << block
                offer.pending |= 1 << block
                if not offer.shown >> block & 1:
                    chosen.append(block)
        for block in chosen:
            offer.shown |= 1 << block
        return lacking, chosen

    def tempt(self, key: int, holds: int, lacking: int, rng: Random) -> list[int]:
        """A block to show to a choked neighbour that sees nothing it could want: else it would never
        become interested, and never be unchoked. It is not reserved for that neighbour."""
        offer = self._hiding[key]
        if not lacking or offer.shown & ~(holds | offer.sent):
            return []
        block = bitfield.choose(lacking, rng)
        offer.shown |= 1 << block
        return [block]

    def reveal(self, key: int) -> int:
        """This neighbour is to see everything from now on; returns what it had not been shown."""
        return self._full & ~self._hiding.pop(key).shown

    def forget(self, key: int) -> None:
        """This neighbour left."""
        self._hiding.pop(key, None)
        if self._offers.pop(key, None) is not None:
            self._out = 0
            for offer in self._offers.values():
                self._out |= offer.sent

    @property
    def neighbours(self) -> list[int]:
        """Those who do not see everything yet."""
        return list(self._hiding)
