"""Which blocks each peer holds, which it was dealt, and how many copies the rarest block has.

The grant (DESIGN): a uniformly random size between 30 and 50 % of all blocks, uniformly random blocks,
once per peer. The distributor knows peers only as keys; who they are and whether they are active is
`peer_manager`'s matter, and serving a granted block is the origin's.
"""

import math
from collections import OrderedDict
from random import Random
from typing import Final

from msgspec import Struct

from minibit import bitfield
from minibit.copies import Copies
from minibit.errors import UsageError
from minibit.tracker.peer_manager import MAX_ACTIVE

HOLDINGS_BUDGET: Final = 256 << 20  # bytes for bitfields: blocks, grant and a remembered grant per peer

Key = str | bytes


class _Holder(Struct):
    blocks: int = 0
    granted: int = 0
    counted: bool = True


class BlockDistributor:
    """Deals blocks and keeps count of them, for a share of `block_count` blocks.

    A peer that reports any set of blocks costs a few operations on whole ints, however many blocks
    changed (`Copies`): no stranger can make the tracker count block by block.
    """

    def __init__(
        self, block_count: int, low: float = 0.30, high: float = 0.50, remembered: int = MAX_ACTIVE
    ) -> None:
        if not 0 <= low <= high <= 1:
            raise UsageError(f"a grant of {low:.0%}–{high:.0%} is not possible: use two parts of 0–100 %")
        self._all = bitfield.full(block_count)
        self._count = block_count
        self._smallest, self._largest = _sizes(block_count, low, high)
        self._holders: dict[Key, _Holder] = {}
        self._departed: OrderedDict[Key, int] = OrderedDict()
        self._remembered = remembered
        self._copies = Copies(block_count)
        self.complete = 0  # holders of every block

    def grant(self, key: Key, rng: Random) -> int:
        """Deals `key` its blocks and returns them, or 0 if it has been dealt some already."""
        holder = self._join(key)
        if holder.granted:
            return 0
        size = rng.randint(self._smallest, self._largest)
        holder.granted = bitfield.from_indices(rng.sample(range(self._count), size), self._count)
        return holder.granted

    def granted(self, key: Key) -> int:
        """The grant of an active `key`; 0 if it has none."""
        return self._holders[key].granted if key in self._holders else 0

    def hold(self, key: Key, blocks: int, *, counted: bool = True) -> None:
        """`key` holds exactly `blocks`; they count as copies unless `counted` is false (the origin's)."""
        holder = self._join(key)
        before = holder.blocks if holder.counted else 0
        after = blocks if counted else 0
        self._copies.add(after & ~before)
        self._copies.remove(before & ~after)
        self.complete += (blocks == self._all) - (holder.blocks == self._all)
        holder.blocks, holder.counted = blocks, counted

    def held(self, key: Key) -> int:
        """What `key` holds; nothing if it is unknown."""
        return self._holders[key].blocks if key in self._holders else 0

    def drop(self, key: Key) -> None:
        """`key` left: its copies are gone, and its grant waits for it.

        However often a peer says goodbye and comes back, it is dealt blocks once.
        """
        if key not in self._holders:
            return
        self.hold(key, 0)
        if granted := self._holders.pop(key).granted:
            self._departed[key] = granted
            while len(self._departed) > self._remembered:
                self._departed.popitem(last=False)

    def copies(self, block: int) -> int:
        """How many counted peers hold `block`."""
        return self._copies.of(block)

    @property
    def rarest_copies(self) -> int:
        """How many counted peers hold the block that the fewest of them hold."""
        return self._copies.rarest(self._all)[0]

    def _join(self, key: Key) -> _Holder:
        if key not in self._holders:
            self._holders[key] = _Holder(granted=self._departed.pop(key, 0))
        return self._holders[key]


def _sizes(count: int, low: float, high: float) -> tuple[int, int]:
    """The smallest and the largest grant: `low` rounded up and `high` rounded down, so that both hold.

    In a share too small for a whole block to lie between them, the largest rules, but never below one
    block; a `high` of 0 grants nothing.
    """
    if not high:
        return 0, 0
    # 0.55 * 100 is 55.00000000000001: rounding first keeps such dust from counting as a block.
    largest = max(1, math.floor(round(high * count, 6)))
    smallest = max(1, math.ceil(round(low * count, 6)))
    return min(smallest, largest), largest


def capacity(block_count: int) -> int:
    """How many peers may be active in a share of `block_count` blocks."""
    per_peer = 3 * (block_count // 8 + 1)
    return min(MAX_ACTIVE, HOLDINGS_BUDGET // per_peer)
