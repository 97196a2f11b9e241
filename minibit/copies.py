"""How many copies of each block the neighbours hold, counted as they come, tell and go.

The counts are *bit-sliced*: plane *j* is an int whose bit *i* is bit *j* of the count of block *i*.
Adding a neighbour's whole bitfield is a ripple-carry addition of log2(neighbours) big-int operations;
the rarest of a set of candidates is found by walking the planes from the top. So joining, a HAVE and
a pick all cost the same with 5 or 50 neighbours, and a few microseconds at 10,000 blocks.
"""


class Copies:
    """Copies per block among neighbours; our own blocks do not count."""

    __slots__ = ("_full", "_planes")

    def __init__(self, block_count: int) -> None:
        self._full = (1 << block_count) - 1
        self._planes: list[int] = []

    def add(self, blocks: int) -> None:
        """A neighbour holds `blocks` (its whole bitfield, or one block it tells of)."""
        carry = blocks
        for level, plane in enumerate(self._planes):
            self._planes[level] = plane ^ carry
            carry &= plane
            if not carry:
                return
        if carry:
            self._planes.append(carry)

    def remove(self, blocks: int) -> None:
        """A neighbour that held `blocks` is gone; each of them was added before."""
        borrow = blocks
        for level, plane in enumerate(self._planes):
            self._planes[level] = plane ^ borrow
            borrow &= ~plane
            if not borrow:
                break
        while self._planes and not self._planes[-1]:
            self._planes.pop()

    @property
    def held(self) -> int:
        """The blocks that have at least one copy."""
        held = 0
        for plane in self._planes:
            held |= plane
        return held

    def of(self, block: int) -> int:
        """Copies of one block."""
        return sum((plane >> block & 1) << level for level, plane in enumerate(self._planes))

    def rarest(self, candidates: int) -> tuple[int, int]:
        """(fewest copies among `candidates`, which of them have that few); candidates must not be empty."""
        count = 0
        for level in range(len(self._planes) - 1, -1, -1):
            lower = candidates & ~self._planes[level]
            if lower:
                candidates = lower
            else:
                count |= 1 << level
        return count, candidates

    def between_one_and(self, most: int) -> int:
        """The blocks that have at least 1 and at most `most` copies."""
        if most < 1:
            return 0
        held = below = 0
        equal = self._full
        for level in range(max(len(self._planes), most.bit_length()) - 1, -1, -1):
            plane = self._planes[level] if level < len(self._planes) else 0
            held |= plane
            if most >> level & 1:
                below |= equal & ~plane
                equal &= plane
            else:
                equal &= ~plane
        return (below | equal) & held
