"""What an origin shows to whom: first what the swarm lacks, to one neighbour each, then everything.

This is super-seeding (BEP 16) without its stalls. An origin that shows all it has is asked by several
neighbours for the same blocks, and its uplink carries the share several times before the last block
is out. So while some block has no copy in the swarm, a neighbour is shown its grant and a few blocks
that nobody else has or has been offered; as soon as nothing is lacking, everyone is shown everything.
A neighbour that empties its offers quickly is offered twice as many: a fast link never waits.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from minibit import bitfield
from minibit.torrent.layout import Layout

FIRST_DEPTH: Final = 2  # blocks on offer to one neighbour at first
MAX_DEPTH_BYTES: Final = 16 * 1024 * 1024  # …and at most: four request windows
FAST: Final = 0.5  # s; whoever empties its offers sooner than this is offered twice as many


@dataclass(slots=True)
class Offer:
    """What one neighbour was shown. `pending` blocks were offered to it alone and are not sent yet.

    `sent` blocks went out to it whole: whether or not it ever tells of them (many clients do not tell
    those who have a block that they have it too), nobody else need be offered them while it stays.
    """

    shown: int = 0
    pending: int = 0
    sent: int = 0
    unsent: dict[int, int] = field(default_factory=dict)  # bytes to go of the blocks that went out in part
    depth: int = FIRST_DEPTH
    refilled: float = float("-inf")


class Offers:
    """The offers to all neighbours that do not see everything yet."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._full = bitfield.full(layout.block_count)
        self._max_depth = max(FIRST_DEPTH, MAX_DEPTH_BYTES // layout.block_size)
        self._open: dict[int, Offer] = {}

    def greet(self, key: int) -> None:
        """A neighbour came: it sees nothing but what it is granted and offered from now on."""
        self._open[key] = Offer()

    def grant(self, key: int, blocks: int) -> int:
        """A neighbour is to see these blocks too; returns those that it did not."""
        offer = self._open.get(key)
        if offer is None:
            return 0
        new = blocks & ~offer.shown
        offer.shown |= blocks
        return new

    def lacking(self, swarm: int) -> int:
        """The blocks that nobody in the swarm has, was sent or is offered; `swarm` is all that it holds."""
        for offer in self._open.values():
            swarm |= offer.pending | offer.sent
        return self._full & ~swarm

    def sent(self, key: int, block: int, length: int) -> None:
        """`length` bytes of `block` are on their way to this neighbour."""
        offer = self._open.get(key)
        if offer is None:
            return
        unsent = offer.unsent.pop(block, self._layout.block_length(block)) - length
        if unsent > 0:
            offer.unsent[block] = unsent
        else:
            offer.sent |= 1 << block
            offer.pending &= ~(1 << block)

    def received(self, key: int, blocks: int) -> None:
        """This neighbour holds `blocks`."""
        offer = self._open.get(key)
        if offer is not None:
            offer.pending &= ~blocks

    def withdraw(self, key: int) -> None:
        """This neighbour was choked: what it has not fetched is offered to others."""
        offer = self._open.get(key)
        if offer is not None:
            offer.pending = 0

    def refill(self, key: int, holds: int, swarm: int, now: float, rng: Random) -> list[int]:
        """The blocks to show to an unchoked neighbour now; the fewer it has pending, the more."""
        offer = self._open[key]
        if offer.pending.bit_count() * 2 > offer.depth:
            return []
        if now - offer.refilled < FAST:
            offer.depth = min(offer.depth * 2, self._max_depth)
        offer.refilled = now
        lacking = self.lacking(swarm) & ~holds
        chosen = []
        while lacking and offer.pending.bit_count() < offer.depth:
            block = bitfield.choose(lacking, rng)
            lacking ^= 1 << block
            offer.pending |= 1 << block
            if not offer.shown >> block & 1:
                chosen.append(block)
        for block in chosen:
            offer.shown |= 1 << block
        return chosen

    def tempt(self, key: int, holds: int, swarm: int, rng: Random) -> int | None:
        """A block to show to a choked neighbour that sees nothing it could want: else it would never
        become interested, and never be unchoked. It is not reserved for that neighbour."""
        offer = self._open[key]
        if offer.shown & ~(holds | offer.sent):
            return None
        lacking = self.lacking(swarm)
        if not lacking:
            return None
        block = bitfield.choose(lacking, rng)
        offer.shown |= 1 << block
        return block

    def reveal(self, key: int) -> int:
        """This neighbour is to see everything from now on; returns what it had not been shown."""
        return self._full & ~self._open.pop(key).shown

    def forget(self, key: int) -> None:
        """This neighbour left."""
        self._open.pop(key, None)

    @property
    def neighbours(self) -> list[int]:
        """Those who do not see everything yet."""
        return list(self._open)
