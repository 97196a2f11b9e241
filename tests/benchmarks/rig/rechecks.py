"""Contenders that check a copy on the disk: each finds it in its folder and knows nothing of it."""

import hashlib
import os
import shlex
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from minibit.torrent.metainfo import Metainfo
from minibit.torrent.torrent_file import TorrentFile, encode
from rig.aria2_swarm import QUIET, Aria2Swarm
from rig.libtorrent_swarm import LibtorrentSwarm, start
from rig.measured_process import Crew
from rig.minibit_swarm import MINIBIT, MinibitSwarm, open_tracker

LIMIT_SECONDS = 1800.0
WHOLE = "complete: every block was on disk"


@dataclass(frozen=True)
class Copy:
    """A whole copy of `share`, under its name in `folder`, for processes of `crew`."""

    share: Path
    metainfo: Metainfo
    folder: Path
    crew: Crew

    def torrent(self) -> Path:
        """The share's torrent, which names no tracker."""
        path = self.folder / "share.torrent"
        path.write_bytes(encode(TorrentFile(self.metainfo)))
        return path


class Recheck(ABC):
    """One contender; its name, absence and version are those of its swarm."""

    name: ClassVar[str]
    label: ClassVar[str]

    @classmethod
    def absence(cls) -> str | None:
        return None

    @classmethod
    def version(cls) -> str:
        return cls.label

    @abstractmethod
    def check(self, copy: Copy) -> dict[str, float]:
        """Check it; the `seconds`, `cpu` seconds and `peak` MiB that it took, as far as they are known."""


def hashing_seconds(block_size: int, blocks: int) -> float:
    """What SHA-1 of so many blocks takes one core, from memory."""
    block = os.urandom(block_size)
    begun = time.monotonic()
    for _ in range(blocks):
        hashlib.sha1(block).digest()
    return time.monotonic() - begun


class OneCore(Recheck):
    """What bounds everybody who has one core: as many bytes in memory, a block at a time, in one thread."""

    name = "one core's SHA-1"
    label = "hashlib's"

    def check(self, copy: Copy) -> dict[str, float]:
        layout, before = copy.metainfo.layout, time.process_time()
        seconds = hashing_seconds(layout.block_size, layout.block_count)
        return {"seconds": seconds, "cpu": time.process_time() - before}


class MinibitRecheck(Recheck):
    """`minibit peer`, from its launch; `sharing`: seconds that `minibit tracker` took to stand by."""

    name = MinibitSwarm.name
    label = MinibitSwarm.version().partition(",")[0]

    def check(self, copy: Copy) -> dict[str, float]:
        begun = time.monotonic()
        _, url = open_tracker(copy.crew, copy.share, copy.metainfo.layout.block_size)
        sharing = time.monotonic() - begun
        where = ["--tracker", url, "--dir", str(copy.folder), "--until-eof"]
        peer = copy.crew.start("MiniBit", [*MINIBIT, "peer", "ana", "0", *where])
        at, _ = peer.said(WHOLE, LIMIT_SECONDS)
        taken = {"seconds": at - peer.launched, "cpu": peer.cpu(), "peak": peer.peak()}
        return taken | {"sharing": sharing}


class LibtorrentRecheck(Recheck):
    """From the moment that a session is given the torrent until it seeds."""

    name = LibtorrentSwarm.name

    @classmethod
    def absence(cls) -> str | None:
        return LibtorrentSwarm.absence()

    @classmethod
    def version(cls) -> str:
        return LibtorrentSwarm.version().rpartition(",")[0]

    def check(self, copy: Copy) -> dict[str, float]:
        seed = start(copy.crew, "recheck", copy.torrent(), copy.folder)
        begun, _ = seed.said("OPEN", LIMIT_SECONDS)
        at, _ = seed.said("READY", LIMIT_SECONDS)
        return {"seconds": at - begun, "cpu": seed.cpu(), "peak": seed.peak()}


class Aria2Recheck(Recheck):
    """`--check-integrity --hash-check-only`, from its launch to its end."""

    name = Aria2Swarm.name

    @classmethod
    def absence(cls) -> str | None:
        return Aria2Swarm.absence()

    @classmethod
    def version(cls) -> str:
        return Aria2Swarm.version()

    def check(self, copy: Copy) -> dict[str, float]:
        what = ["--check-integrity=true", "--hash-check-only=true", f"--dir={copy.folder}"]
        command = shlex.join(["aria2c", *QUIET, *what, str(copy.torrent())])
        # A shell outlives it, to say that it has ended well and what it used.
        shell = copy.crew.start("aria2", ["sh", "-c", f"{command} && echo CHECKED && read wait"])
        at, _ = shell.said("CHECKED", LIMIT_SECONDS)
        return {"seconds": at - shell.launched, "cpu": shell.cpu()}
