"""A tracker that has no origin, for swarms without MiniBit: `SHARE IP TORRENT`. Prints its URL.

It writes the .torrent that names it to TORRENT, and serves until it is told to end.
"""

import signal
import sys
from pathlib import Path
from random import Random

from minibit.disk.share import from_path
from minibit.serve.server import TrackerServer
from minibit.serve.tracker import Tracker
from minibit.torrent import torrent_file
from minibit.torrent.torrent_file import TorrentFile


def main() -> None:
    share, ip, torrent = sys.argv[1:]
    metainfo = from_path(Path(share)).metainfo
    server = TrackerServer(Tracker(metainfo, rng=Random()), ip, 0)
    server.start()
    place = f"[{ip}]" if ":" in ip else ip
    url = f"http://{place}:{server.port}"
    tiers = ((f"{url}/announce",), (f"udp://{place}:{server.port}/announce",))
    Path(torrent).write_bytes(torrent_file.encode(TorrentFile(metainfo, tiers)))
    print(url, flush=True)
    signal.pause()


main()
