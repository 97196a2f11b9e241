"""Valid inputs spoilt a little, over and over: plain random mutation, fast enough for millions of inputs.

Nothing here knows a format: a target brings its seeds, and the words that its format is made of.
"""

from collections.abc import Sequence
from random import Random

MAX_INPUT = 4096  # bytes; what needs more than that to go wrong has a test of its own

# Numbers at which parsers go wrong, as text and as they stand on the wire.
NUMBERS = (
    *(b"0", b"-1", b"1", b"-0", b"00", b"255", b"256", b"65535", b"65536", b"2147483648", b"4294967295"),
    *(b"9223372036854775807", b"18446744073709551616", b"9" * 40, b"1e9", b"1e999", b"NaN", b"0.5"),
    *(b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\2\0\0"),
)


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], rng: Random) -> bytes:
    """One of `seeds` with one to four changes, the same for the same `rng`."""
    data = bytearray(_one_of(seeds, rng))
    for _ in range(1 + int(4 * rng.random() ** 2)):
        at, kind = int(rng.random() * (len(data) + 1)), int(rng.random() * 8)
        size = 1 + int(16 * rng.random() ** 2)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(8 * rng.random())
        elif kind == 1 and at < len(data):
            data[at] = int(256 * rng.random())
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        elif kind == 4:
            data[at:at] = _one_of(words, rng)
        elif kind == 5:
            word = _one_of(words, rng)
            data[at : at + len(word)] = word
        elif kind == 6:
            other = _one_of(seeds, rng)
            data[at:] = other[int(rng.random() * len(other)) :]
        elif size > 12:  # seldom: most formats refuse what is cut off at once
            del data[at:]
    return bytes(data[:MAX_INPUT])


def _one_of(choices: Sequence[bytes], rng: Random) -> bytes:
    return choices[int(rng.random() * len(choices))]
