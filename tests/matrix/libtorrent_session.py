"""One libtorrent session at its default settings, alone in its process: `TORRENT FOLDER OPTIONS`.

It shares until it is told to end, and then says goodbye to the tracker.
"""

import json
import signal
import sys

import libtorrent

SECRETIVE = {"in_enc_policy": 0, "out_enc_policy": 0, "allowed_enc_level": 2}
HERE = {  # several on one machine: each at a port, and everybody at 127.0.0.1
    "allow_multiple_connections_per_ip": True,
    "ssrf_mitigation": False,
    "prefer_udp_trackers": False,  # it keeps one connection id per IP address (BEP 15)
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
}


def main() -> None:
    torrent, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    settings: dict[str, object] = {"stop_tracker_timeout": 1}
    if options["port"] is not None:
        settings |= {**HERE, "listen_interfaces": f"127.0.0.1:{options['port']}"}
    if options["secretive"]:
        settings |= SECRETIVE
    session = libtorrent.session(settings)
    if torrent.startswith("magnet:"):
        parameters = libtorrent.parse_magnet_uri(torrent)
    else:
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(torrent)
    parameters.save_path = folder
    session.add_torrent(parameters)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        session.pause()


main()
