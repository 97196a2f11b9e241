"""Magnet links without a tracker: what is shared goes from libtorrent to MiniBit and back (BEP 9)."""

import os
from pathlib import Path

from e2e.foreigner import Foreigner
from e2e.running import Start, contents, eventually, write_random

from minibit.address import PeerAddress
from minibit.disk.share import from_path
from minibit.torrent import torrent_file
from minibit.torrent.magnet import Magnet
from minibit.torrent.torrent_file import TorrentFile

FILES = 300  # whose names alone make metadata of two pieces


def test_what_is_shared_is_learned_from_peers_and_told_to_others(
    minibit: Start, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    source = tmp_path / "source" / "collection"
    for number in range(FILES):
        write_random(source / f"a file with a long name, number {number}", 1_001, seed=number)
    share = from_path(source, block_size=16384).metainfo
    assert len(share.info) > 16384

    def link(port: int) -> str:
        return str(Magnet(share.info_hash, peers=(PeerAddress("", "127.0.0.1", port),)))

    seed = Foreigner(torrent_file.encode(TorrentFile(share)), source.parent)
    foreigners.append(seed)
    arguments = ("peer", "ana", 0, "--host", "127.0.0.1")
    ana = minibit(*arguments, "--magnet", link(seed.port))
    port = int(ana.says(r"listening on port (\d+)")[1])
    ana.says("complete: all ")
    ana.says("it is in ")
    kept = f"{share.info_hash.hex()}.torrent"
    assert contents(tmp_path / "ana" / "collection") == contents(source)
    assert sorted(os.listdir(tmp_path / "ana")) == sorted(["collection", kept])

    seed.close()
    foreigners.remove(seed)
    leech = Foreigner(link(port), tmp_path / "foreign")
    foreigners.append(leech)
    eventually(lambda: leech.done, "libtorrent has it all from a magnet link and a MiniBit peer")
    copied = tmp_path / "foreign" / "collection"
    eventually(lambda: contents(copied) == contents(source), "libtorrent has written it")

    ana.end()  # and nobody is left who could tell the metadata again
    again = minibit(*arguments, "--magnet", link(port), "--leave-when-done")
    assert again.wait() == 0, str(again)
    again.says("every block was on disk already")
