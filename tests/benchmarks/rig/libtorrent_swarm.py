"""libtorrent (from PyPI) as a contender. Its sessions stand by before the clock starts, each in a process of
its own, so Python's start is not on its account; they are told of each other and need no tracker."""

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from minibit.torrent.torrent_file import TorrentFile, encode
from rig.measured_process import Crew, MeasuredProcess
from rig.swarm import OPEN_SECONDS, Swarm

DRIVER = Path(__file__).parent / "libtorrent_session.py"
ANSWER_SECONDS = 10.0


def start(
    crew: Crew,
    name: str,
    torrent: Path,
    folder: Path,
    limit: int = 0,
    *,
    seed: bool = True,
    super_seeding: bool = False,
) -> MeasuredProcess:
    """A session in a process of its own; it speaks as `libtorrent_session.py` says."""
    task = {
        "torrent": str(torrent),
        "folder": str(folder),
        "limit": limit,
        "seed": seed,
        "super_seeding": super_seeding,
    }
    return crew.start(f"libtorrent's {name}", [sys.executable, str(DRIVER), json.dumps(task)])


class LibtorrentSwarm(Swarm):
    name = "libtorrent"
    complete = "COMPLETE"
    dials_at_launch = True
    super_seeding = False

    @classmethod
    def absence(cls) -> str | None:
        try:
            version("libtorrent")
        except PackageNotFoundError:
            return "pip install libtorrent, or the [test] extra"
        return None

    @classmethod
    def version(cls) -> str:
        how = "super-seeding" if cls.super_seeding else "default choking"
        return f"libtorrent {version('libtorrent')}, large buffers, deep queues, {how}"

    def open(self) -> list[MeasuredProcess]:
        self._torrent = self.folder / "share.torrent"
        self._torrent.write_bytes(encode(TorrentFile(self.task.metainfo)))
        task, how = self.task, self.super_seeding
        self._all = [
            start(self.crew, "origin", self._torrent, task.share.parent, task.origin_limit, super_seeding=how)
        ]
        for number, limit in enumerate(task.limits):
            place = self.place(number)
            self._all.append(start(self.crew, f"peer{number}", self._torrent, place, limit, seed=False))
        self._ports = [each.said("READY", OPEN_SECONDS)[1].split()[1] for each in self._all]
        return self._all[:1]

    def launch(self, number: int) -> MeasuredProcess:
        peer = self._all[1 + number]
        peer.tell("DIAL " + " ".join(self._ports[: 1 + number]))  # of each pair, the later one dials
        return peer

    def sent(self) -> list[int]:
        for each in self._all:
            each.tell("SENT?")
        return [int(each.said("SENT", ANSWER_SECONDS)[1].split()[1]) for each in self._all]


class SuperSeeding(LibtorrentSwarm):
    """Its origin shows each peer one block at a time (BEP 16): made for crowds."""

    name = "libtorrent super-seeding"
    super_seeding = True
