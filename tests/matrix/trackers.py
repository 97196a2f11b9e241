"""Other people's trackers, as nouns, with a swarm of MiniBit peers on each, over HTTP and UDP."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Protocol

from matrix.clients import Libtorrent
from matrix.lan import Host, Lan, Loopback
from matrix.stage import CellError, Stage

from minibit.disk.share import from_path
from minibit.torrent import torrent_file
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.torrent_file import TorrentFile


class ForeignTracker(Protocol):
    """One tracker, that listens for HTTP and UDP at one port number."""

    name: ClassVar[str]
    program: ClassVar[str]
    port: ClassVar[int]

    def words(self, host: Host, share: Metainfo, state: Path) -> list[str]:
        """The command line; files that it needs are made in `state`."""


class Opentracker:
    name = "opentracker"
    program = "opentracker"
    port = 6969

    def words(self, host: Host, share: Metainfo, state: Path) -> list[str]:
        (state / "allowed").write_text(
            share.info_hash.hex() + "\n"
        )  # below the folder that it locks itself in
        place = ["-i", host.ip, "-p", str(self.port), "-P", str(self.port)]
        return [self.program, *place, "-d", str(state), "-w", "allowed"]


class BittorrentTracker:
    name = "bittorrent-tracker (npm)"
    program = "bittorrent-tracker"
    port = 8000

    def words(self, host: Host, share: Metainfo, state: Path) -> list[str]:
        del share, state
        where = ["--http-hostname", host.ip, "--udp-hostname", host.ip]
        return [self.program, "--http", "--udp", "--port", str(self.port), *where]


TRACKERS: tuple[ForeignTracker, ...] = (Opentracker(), BittorrentTracker())


def played(ground: Callable[[], Lan | Loopback], folder: Path, share: Path) -> Iterator[tuple[str, str, str]]:
    """Tracker, protocol, and what came of it: one MiniBit peer has everything, another fetches it."""
    for tracker in TRACKERS:
        if shutil.which(tracker.program) is None:
            continue
        for scheme in ("http", "udp"):
            place = folder / tracker.name.split()[0] / scheme
            stage = Stage(ground(), place, share, Libtorrent(), minibit=True)
            try:
                found = f"{_seconds(stage, tracker, scheme):.1f} s"
            except CellError as error:
                found = f"✗ {error}"
            finally:
                stage.close()
            yield tracker.name, scheme.upper(), found


def _seconds(stage: Stage, tracker: ForeignTracker, scheme: str) -> float:
    metainfo = from_path(stage.share).metainfo
    host = stage.host()
    stage.run(host, "tracker", lambda state: tracker.words(host, metainfo, state))
    url = f"{scheme}://{host.places[0]}:{tracker.port}/announce"
    stage.torrent.write_bytes(torrent_file.encode(TorrentFile(metainfo, ((url,),))))
    stage.peer("ana", complete=True)
    return stage.seconds([stage.peer("bia")])
