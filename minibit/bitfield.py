"""Sets of blocks as plain Python ints: bit *i* is block *i*.

An int of 4,096 bits is 550 bytes; `&`, `|` and `bit_count()` on it take well under a microsecond, so
interest, availability and rarity are bit arithmetic. On the wire (BEP 3, *bitfield*) block 0 is the
*highest* bit of the first byte, so the two orders are mirror images within each byte.
"""

from collections.abc import Iterable, Iterator
from random import Random

from minibit import units
from minibit.errors import RemoteProtocolError

RUNS_NAMED = 8  # runs of blocks that one line names
FEW = 16  # of so few blocks, finding the lowest each time is quicker than a walk over all the bytes
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def full(count: int) -> int:
    """The set of all `count` blocks."""
    return (1 << count) - 1


def from_indices(indices: Iterable[int], count: int) -> int:
    """The set of the blocks named in `indices`, each in `range(count)`.

    Raises:
        ValueError: an index out of range.
    """
    marks = bytearray((count + 7) // 8)
    for index in indices:
        if not 0 <= index < count:
            raise ValueError(f"block {index} is not in 0–{count - 1}")
        marks[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(marks, "little")


def union(indices: Iterable[int]) -> int:
    """The set of these blocks, in no order: one pass over them, and one over the set."""
    known = list(indices)
    if len(known) == 1:
        return 1 << known[0]
    marks = bytearray((max(known, default=0) >> 3) + 1)
    for index in known:
        marks[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(marks, "little")


def indices(bits: int) -> Iterator[int]:
    """The blocks in `bits`, ascending."""
    if bits.bit_count() <= FEW:
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low
        return
    for position, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        while byte:
            low = byte & -byte
            yield (position << 3) + low.bit_length() - 1
            byte ^= low


def nth(bits: int, rank: int) -> int:
    """The block of `bits` with `rank` smaller ones below it; O(width), by halving on `bit_count()`."""
    base = 0
    width = bits.bit_length()
    while width > 1:
        half = width >> 1
        low = bits & ((1 << half) - 1)
        below = low.bit_count()
        if rank < below:
            bits, width = low, half
        else:
            rank -= below
            bits >>= half
            base += half
            width -= half
    return base


def lowest(bits: int, count: int) -> int:
    """The `count` lowest of `bits`, or all if there are no more."""
    if bits.bit_count() <= count:
        return bits
    return bits & ((1 << nth(bits, count)) - 1)


def listed(bits: int) -> str:
    """How many and which, as far as a line has room: "12 (0–3, 7, 9–15)"; "none" if there is none."""
    runs: list[list[int]] = []
    for index in indices(bits):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        elif len(runs) > RUNS_NAMED:
            break
        else:
            runs.append([index, index])
    named = ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs[:RUNS_NAMED])
    more = ", …" if len(runs) > RUNS_NAMED else ""
    return f"{bits.bit_count()} ({named}{more})" if runs else "none"


def choose(bits: int, rng: Random) -> int:
    """One block of `bits` (not empty), each equally likely."""
    return nth(bits, rng.randrange(bits.bit_count()))


def to_wire(bits: int, count: int) -> bytes:
    """`bits` as the payload of a *bitfield* message for a share of `count` blocks."""
    return bits.to_bytes((count + 7) // 8, "little").translate(_MIRROR)


def from_wire(data: bytes, count: int) -> int:
    """The set in a *bitfield* payload.

    Raises:
        RemoteProtocolError: wrong length for `count` blocks, or a spare bit set (BEP 3 asks to drop
            such connections).
    """
    if len(data) != (count + 7) // 8:
        raise RemoteProtocolError(
            f"bitfield of {units.count(len(data), 'byte')} for {units.count(count, 'block')}"
        )
    bits = int.from_bytes(data.translate(_MIRROR), "little")
    if bits >> count:
        raise RemoteProtocolError("bitfield has spare bits set")
    return bits
