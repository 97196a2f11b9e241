"""Two peers that know one node of libtorrent's DHT, and nothing of each other (BEP 5)."""

from pathlib import Path

from e2e.foreigner import QUIET, libtorrent
from e2e.running import Start, write_random

from minibit.disk.share import from_path
from minibit.torrent import torrent_file
from minibit.torrent.magnet import Magnet
from minibit.torrent.torrent_file import TorrentFile

NODE = {
    "enable_dht": True,
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
}


def test_peers_meet_through_a_node_of_libtorrents(minibit: Start, tmp_path: Path) -> None:
    file = write_random(tmp_path / "seed" / "film.bin", 300_000)
    share = from_path(file, block_size=16384).metainfo
    (tmp_path / "film.torrent").write_bytes(torrent_file.encode(TorrentFile(share)))
    node = libtorrent.session(QUIET | NODE)
    dht = ("--host", "127.0.0.1", "--dht", f"127.0.0.1:{node.listen_port()}")

    ana = minibit("peer", "ana", 0, "--torrent", "film.torrent", "--dir", file.parent, *dht)
    ana.says("the DHT knows no peer of this share so far")
    bia = minibit("peer", "bia", 0, "--magnet", Magnet(share.info_hash), "--leave-when-done", *dht)

    assert bia.wait() == 0, str(bia)
    assert (tmp_path / "bia" / "film.bin").read_bytes() == file.read_bytes()
    del node
