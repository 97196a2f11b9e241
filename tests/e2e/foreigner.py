"""libtorrent as a stranger in the swarm: one session on loopback, closed to all but what a test is about."""

import os
from pathlib import Path

import pytest

if os.environ.get("MINIBIT_REQUIRE_FOREIGN"):
    import libtorrent
else:
    libtorrent = pytest.importorskip(
        "libtorrent",
        reason="NOT TESTED AGAINST A FOREIGN CLIENT: libtorrent is not installed (pip install -e '.[test]')",
    )

QUIET = {
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
    # It keeps one connection id per IP address in a process, also for another tracker there (BEP 15).
    "prefer_udp_trackers": False,
}


class Foreigner:
    """One libtorrent session with one torrent (a file's bytes, or a magnet link), and these settings."""

    def __init__(self, torrent: bytes | str, folder: Path, **settings: object) -> None:
        self._session = libtorrent.session(QUIET | settings)
        if isinstance(torrent, str):
            parameters = libtorrent.parse_magnet_uri(torrent)
        else:
            parameters = libtorrent.add_torrent_params()
            parameters.ti = libtorrent.torrent_info(libtorrent.bdecode(torrent))
        parameters.save_path = str(folder)
        self._handle = self._session.add_torrent(parameters)

    @property
    def done(self) -> bool:
        return bool(self._handle.status().is_seeding)

    @property
    def port(self) -> int:
        return int(self._session.listen_port())

    @property
    def uploaded(self) -> int:
        return int(self._handle.status().total_payload_upload)

    def dial(self, address: tuple[str, int]) -> None:
        """Tell it of this peer."""
        self._handle.connect_peer(address)

    def close(self) -> None:
        self._session.remove_torrent(self._handle)
        del self._handle, self._session
