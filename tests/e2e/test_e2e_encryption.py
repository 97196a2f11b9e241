"""Encryption in earnest: libtorrent, which insists on it, downloads from MiniBit and feeds it.

It is told to hang up on whoever speaks in the clear, both ways, and MiniBit is at its default settings: it
dials in the clear first, and finds out.
"""

from pathlib import Path

from e2e.foreigner import Foreigner
from e2e.running import Start, Track, await_contents, eventually, torrent, write_random

SECRETIVE = {
    "in_enc_policy": 0,  # pe_forced
    "out_enc_policy": 0,
    "allowed_enc_level": 2,  # pe_rc4: not even the plain that may follow an encrypted opening
}


def test_a_client_that_requires_encryption_downloads(
    track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_003)
    tracker = track(share, "--block-size", "64K")
    folder = tmp_path / "foreign"
    foreigner = Foreigner(torrent(tracker.url), folder, **SECRETIVE)
    foreigners.append(foreigner)
    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    await_contents(folder, {"film.bin": share.read_bytes()})


def test_a_client_that_requires_encryption_feeds_a_peer(
    minibit: Start, track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_003)
    # At a byte per second the origin gives the one chunk that its limiter lets pass at first.
    tracker = track(share, "--block-size", "64K", "--upload-limit", "1", "--encryption", "require")
    foreigner = Foreigner(torrent(tracker.url), share.parent, **SECRETIVE)
    foreigners.append(foreigner)
    eventually(lambda: foreigner.done, "libtorrent has checked its copy")
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url, "--leave-when-done")
    assert ana.wait(30) == 0
    assert (tmp_path / "ana" / "film.bin").read_bytes() == share.read_bytes()
