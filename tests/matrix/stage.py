"""One swarm of one cell: an origin with its tracker, peers and foreign clients, on machines of their own.

The side that a foreign client meets is MiniBit, or libtorrent in its place, to compare with.
"""

import filecmp
import json
import shutil
import socket
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from e2e import running
from matrix import clients
from matrix.clients import Client, Job, Libtorrent
from matrix.lan import Host, Lan, Loopback, Program

from minibit.snapshot import SwarmStatus
from minibit.torrent import torrent_file

HERE: Final = Path(__file__).parent
PORT: Final = 5000
SAMPLE: Final = 4096  # bytes that are looked at, here and there, before a copy is read as a whole
PATIENCE: Final = 90.0  # s for anything


class CellError(Exception):
    """What was to happen did not."""


@dataclass
class Copy:
    """A copy of the share, there or coming, by a program that was started then."""

    name: str
    folder: Path
    program: Program
    since: float


class Stage:
    """One swarm that shares the file `share`, below `folder`.

    Args:
        client: the foreign client that this is about.
        minibit: whether it meets MiniBit, or else libtorrent.
    """

    def __init__(
        self, ground: Lan | Loopback, folder: Path, share: Path, client: Client, *, minibit: bool
    ) -> None:
        self.foreign = client
        self.minibit = minibit
        self.families = "4"  # of the hosts to come
        self.urls: list[str] = []  # of the tracker, one for each family
        self.origin: list[Program] = []
        self._own = False  # whether the tracker has an origin of MiniBit's
        self._ground = ground
        self._folder = folder
        self.share = share
        self._programs: list[Program] = []
        self.torrent = folder / "share.torrent"
        self.by_magnet = False  # whether those to come are given a magnet link
        folder.mkdir(parents=True)

    def host(self) -> Host:
        return self._ground.host(self.families)

    def serve(self, *options: str, gives: bool = True) -> None:
        """A tracker, and an origin if it is to give."""
        host = self.host()
        if self.minibit and gives:
            port = 0 if host.shared else PORT
            anywhere = host.ip if host.shared else "::" if "6" in self.families else "0.0.0.0"
            words = ["tracker", "--json", "--share", str(self.share), "--host", anywhere, "--port", str(port)]
            tracker = self._minibit(host, "origin", *words, *options)
            self.origin.append(tracker)
            self.wait(lambda: "}" in tracker.said, "a tracker")
            port = int(json.loads(tracker.said.splitlines()[0])["url"].rpartition(":")[2])
            self.urls = [f"http://{place}:{port}" for place in host.places]
            self.torrent.write_bytes(running.torrent(self.urls[0]))
            self._own = True
            return
        bare = [sys.executable, str(HERE / "bare_tracker.py"), str(self.share), host.ip, str(self.torrent)]
        tracker = self.run(host, "tracker", lambda _: bare)
        self.origin.append(tracker)
        self.wait(lambda: tracker.said.endswith("\n"), "a tracker")
        self.urls = [tracker.said.strip()]
        if gives:
            seed = self._start(Libtorrent(), "seed", self.host(), complete=True)
            self.origin.append(seed.program)
            self.listed(1)

    def peer(self, name: str, *, complete: bool = False) -> Copy:
        """Somebody of the side's who fetches, or has all from the start, and stays."""
        host, folder = self.host(), self.folder_of(name)
        if not self.minibit:
            return self._start(Libtorrent(), name, host, complete=complete)
        if complete:
            shutil.copy(self.share, folder)
        if self.by_magnet:
            where = ("--magnet", self.magnet)
        elif self._own:
            where = ("--tracker", self.urls[-1])
        else:
            where = ("--torrent", str(self.torrent))
        words = ("peer", name, "0", *where, "--dir", str(folder))
        return Copy(name, folder, self._minibit(host, name, *words), time.monotonic())

    def client(self, name: str, *, complete: bool = False, secretive: bool = False) -> Copy:
        """The foreign client, which fetches, or has all from the start."""
        return self._start(self.foreign, name, self.host(), complete=complete, secretive=secretive)

    def on(self, host: Host, name: str) -> Copy:
        """The foreign client on this host; what it has of before is in its folders."""
        return self._start(self.foreign, name, host)

    def run(self, host: Host, name: str, words: Callable[[Path], list[str]]) -> Program:
        """A program on this host; `words` is told which folder is its own."""
        state = self._folder / f"{name}.state"
        state.mkdir(exist_ok=True)
        environment = {"PYTHONPATH": str(HERE.parent.parent)}
        return self._kept(host.run(words(state), state / "said.txt", folder=state, environment=environment))

    @property
    def magnet(self) -> str:
        """The link of the share, with the first of its trackers and no name."""
        told = torrent_file.parse(self.torrent.read_bytes())
        tracker = urllib.parse.quote(told.tiers[0][0], safe="")
        return f"magnet:?xt=urn:btih:{told.metainfo.info_hash.hex()}&tr={tracker}"

    def listed(self, complete: int) -> None:
        """Wait until the tracker knows of so many clients, beside the origin, that have everything."""

        def enough() -> bool:
            view = self.view()
            rows = [row for row in view.peers if row.blocks.bit_count() == view.block_count]
            return len(rows) >= complete

        self.wait(enough, f"{complete} complete at the tracker")

    def view(self) -> SwarmStatus:
        return running.status(self.urls[0])

    @property
    def given(self) -> int:
        """Bytes that the origin has given."""
        origin = self.view().origin
        return 0 if origin is None else origin.figures.uploaded

    def folder_of(self, name: str) -> Path:
        """Where a copy by that name is to be; made now, so that something can be in it before."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def seconds(self, copies: Iterable[Copy]) -> float:
        """How long the last of these took since it was started; every one is the share, byte by byte."""
        last = 0.0
        for copy in copies:
            self.wait(lambda copy=copy: self._whole(copy), f"{copy.name}'s copy")
            last = max(last, time.monotonic() - copy.since)
        return last

    def wait(self, look: Callable[[], object], what: str) -> None:
        """Until `look()` is true.

        Raises:
            CellError: that takes too long, or a program has ended meanwhile.
        """
        end = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > end:
                raise CellError(f"{what}: not within {PATIENCE:.0f} s")
            for program in self._programs:
                if program.failed:
                    raise CellError(
                        f"{what}: {program.log.parent.name} ended with {program.process.returncode}"
                    )
            time.sleep(0.05)

    def close(self) -> None:
        """End every program that this started: nothing more is wanted of it, not even a goodbye."""
        for program in self._programs:
            program.kill()
        self._ground.close()

    def _whole(self, copy: Copy) -> bool:
        path = copy.folder / self.share.name
        size = self.share.stat().st_size
        if not path.exists() or path.stat().st_size != size:
            return False
        with path.open("rb") as theirs, self.share.open("rb") as ours:
            for at in [0, size - SAMPLE, *(Random(7).randrange(size) for _ in range(64))]:
                theirs.seek(at)
                ours.seek(at)
                if theirs.read(SAMPLE) != ours.read(SAMPLE):
                    return False
        return filecmp.cmp(path, self.share, shallow=False)

    def _start(
        self, client: Client, name: str, host: Host, *, complete: bool = False, secretive: bool = False
    ) -> Copy:
        folder = self.folder_of(name)
        if complete:
            shutil.copy(self.share, folder)
        port = _free_port(host) if host.shared else None
        source = self.magnet if self.by_magnet else str(self.torrent)
        job = Job(source, folder, self._folder / f"{name}.state", port, secretive)
        since = time.monotonic()
        return Copy(name, folder, self._kept(clients.start(client, host, job)), since)

    def _minibit(self, host: Host, name: str, *words: str) -> Program:
        return self.run(host, name, lambda _: [sys.executable, "-m", "minibit", *words])

    def _kept(self, program: Program) -> Program:
        self._programs.append(program)
        return program


def _free_port(host: Host) -> int:
    with closing(socket.create_server((host.ip, 0))) as free:
        return int(free.getsockname()[1])
