"""Encryption in earnest: libtorrent, which insists on it, downloads from MiniBit and feeds it.

It is told to hang up on whoever speaks in the clear, both ways, and MiniBit is at its default settings: it
dials in the clear first, and finds out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.running import Start, Track, contents, eventually, torrent, write_random

if os.environ.get("MINIBIT_REQUIRE_FOREIGN"):
    import libtorrent
else:
    libtorrent = pytest.importorskip(
        "libtorrent",
        reason="NOT TESTED WITH ENCRYPTION: libtorrent is not installed (pip install -e '.[test]')",
    )

SECRETIVE = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,  # everybody is at 127.0.0.1
    "ssrf_mitigation": False,  # and so is the tracker
    "stop_tracker_timeout": 1,
    "in_enc_policy": 0,  # pe_forced
    "out_enc_policy": 0,
    "allowed_enc_level": 2,  # pe_rc4: not even the plain that may follow an encrypted opening
}


class Secretive:
    """One libtorrent session with one torrent, that requires encryption."""

    def __init__(self, metainfo: bytes, folder: Path) -> None:
        self._session = libtorrent.session(SECRETIVE)
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(libtorrent.bdecode(metainfo))
        parameters.save_path = str(folder)
        self._handle = self._session.add_torrent(parameters)

    @property
    def done(self) -> bool:
        return bool(self._handle.status().is_seeding)

    def close(self) -> None:
        self._session.remove_torrent(self._handle)
        del self._handle, self._session


@pytest.fixture
def secretive() -> Iterator[list[Secretive]]:
    sessions: list[Secretive] = []
    yield sessions
    for session in sessions:
        session.close()


def test_a_client_that_requires_encryption_downloads(
    track: Track, tmp_path: Path, secretive: list[Secretive]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_003)
    tracker = track(share, "--block-size", "64K")
    folder = tmp_path / "foreign"
    foreigner = Secretive(torrent(tracker.url), folder)
    secretive.append(foreigner)
    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    assert contents(folder) == {"film.bin": share.read_bytes()}


def test_a_client_that_requires_encryption_feeds_a_peer(
    minibit: Start, track: Track, tmp_path: Path, secretive: list[Secretive]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_003)
    # At a byte per second the origin gives the one chunk that its limiter lets pass at first.
    tracker = track(share, "--block-size", "64K", "--upload-limit", "1", "--encryption", "require")
    foreigner = Secretive(torrent(tracker.url), share.parent)
    secretive.append(foreigner)
    eventually(lambda: foreigner.done, "libtorrent has checked its copy")
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url, "--leave-when-done")
    assert ana.wait(30) == 0
    assert (tmp_path / "ana" / "film.bin").read_bytes() == share.read_bytes()
