"""What every contender is given: one share, one torrent of it, and how fast each may send."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minibit.disk.share import from_path
from minibit.torrent.metainfo import Metainfo
from rig.ground import write_random


@dataclass(frozen=True)
class Task:
    """A share to bring to as many peers as there are `limits`; bytes per second, 0 is no limit.

    `bound` is the least seconds that takes (Kumar & Ross 2006); 0 if nobody is limited.
    """

    share: Path
    metainfo: Metainfo
    origin_limit: int
    limits: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.metainfo.layout.total_size

    @property
    def block_size(self) -> int:
        return self.metainfo.layout.block_size

    @property
    def peers(self) -> int:
        return len(self.limits)

    @property
    def bound(self) -> float:
        if not self.origin_limit or not all(self.limits):
            return 0.0
        everyone = self.origin_limit + sum(self.limits)
        return max(self.size / self.origin_limit, self.peers * self.size / everyone)


def prepare(folder: Path, length: int, block_size: int, tell: Callable[[str], None]) -> tuple[Path, Metainfo]:
    """A share of `length` random bytes in `folder`, and what a torrent says of it."""
    share = folder / "share" / "share.bin"
    share.parent.mkdir()
    tell("writing the share")
    write_random(share, length)
    tell("hashing the share")
    return share, from_path(share, block_size=block_size).metainfo
