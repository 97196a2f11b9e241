"""A huge share that takes hardly any room: holes, and islands of random bytes at the places that matter."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

from rig.ground import PART

ISLAND = 3 << 20  # bytes


def islands(length: int) -> list[int]:
    """Where they begin: at both ends, in the middle, and across what 32 and 31 bits can count."""
    wanted = (0, (1 << 31) - ISLAND // 2, (1 << 32) - ISLAND // 2, length // 2, length - ISLAND)
    return sorted({begin for begin in wanted if 0 <= begin <= length - ISLAND})


def write(path: Path, length: int, *, only_first: bool = False) -> None:
    """The share; or a copy that lacks all islands but the first, by which it is known as one."""
    with path.open("wb") as file:
        file.truncate(length)
        for begin in islands(length)[: 1 if only_first else None]:
            file.seek(begin)
            file.write(Random(begin).randbytes(ISLAND))


def identical(one: Path, other: Path) -> bool:
    """Whether both hold the same bytes, of which most are holes in both."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        for begin, end in sorted({*extents(a.fileno()), *extents(b.fileno())}):
            for at in range(begin, end, PART):
                size = min(PART, end - at)
                if os.pread(a.fileno(), size, at) != os.pread(b.fileno(), size, at):
                    return False
    return True


def extents(file: int) -> Iterator[tuple[int, int]]:
    """Where an open file is not a hole (lseek(2), SEEK_DATA)."""
    at, length = 0, os.fstat(file).st_size
    while at < length:
        try:
            begin = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # ENXIO: holes up to the end
            return
        at = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, at
