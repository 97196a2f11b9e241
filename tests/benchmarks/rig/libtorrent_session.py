"""One libtorrent session, alone in its process; its argument is what it is to do, in JSON.

It says `OPEN` before it looks at what is in its folder, and `READY port` when it stands by. Lines to its
standard input: `DIAL port …` connects it to peers at 127.0.0.1, `SENT?` is answered `SENT bytes`. It says
`COMPLETE` when everything is verified and written: libtorrent calls itself finished before its cache is on
the disk, so that is waited for.
"""

import json
import sys
import time
from threading import Thread
from typing import Any

import libtorrent as lt

# Plain TCP as everybody here speaks it; large buffers and deep queues are libtorrent's best on this path,
# by measurement. Many peers live at one address, and unchoking stays at its default.
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "out_enc_policy": 2,
    "in_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
    "listen_interfaces": "127.0.0.1:0",
    "alert_mask": int(lt.alert.category_t.status_notification | lt.alert.category_t.storage_notification),
    "send_buffer_watermark": 8 << 20,
    "send_buffer_low_watermark": 1 << 20,
    "send_buffer_watermark_factor": 200,
    "recv_socket_buffer_size": 4 << 20,
    "send_socket_buffer_size": 4 << 20,
    "max_out_request_queue": 4000,
    "max_allowed_in_request_queue": 4000,
    "hashing_threads": 1,
    "aio_threads": 2,
}


def session(limit: int) -> lt.session:
    """A session that sends at most `limit` bytes per second; 0 is no limit."""
    made = lt.session(SETTINGS | ({"upload_rate_limit": limit} if limit else {}))
    if limit:  # loopback is a local network, to which limits do not apply unless they are told to
        everybody = lt.ip_filter()
        everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << int(lt.session.global_peer_class_id))
        made.set_peer_class_filter(everybody)
    return made


def obey(handle: lt.torrent_handle) -> None:
    for line in sys.stdin:
        order, *words = line.split()
        if order == "DIAL":
            for port in words:
                handle.connect_peer(("127.0.0.1", int(port)))
        else:
            print("SENT", handle.status().total_payload_upload, flush=True)


def await_alert(owner: lt.session, kind: type) -> None:
    while True:
        owner.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in owner.pop_alerts()):
            return


def report(owner: lt.session, handle: lt.torrent_handle) -> None:
    await_alert(owner, lt.torrent_finished_alert)
    handle.flush_cache()
    await_alert(owner, lt.cache_flushed_alert)
    print("COMPLETE", flush=True)


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    owner = session(task["limit"])
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(task["torrent"])
    parameters.save_path = task["folder"]
    parameters.trackers = []
    if task["super_seeding"]:
        parameters.flags |= lt.torrent_flags.super_seeding
    print("OPEN", flush=True)
    handle = owner.add_torrent(parameters)
    states = lt.torrent_status
    wanted = states.seeding if task["seed"] else states.downloading
    while handle.status().state != wanted:
        time.sleep(0.02)
    owner.pop_alerts()
    if not task["seed"]:
        Thread(target=report, args=(owner, handle), daemon=True).start()
    print("READY", owner.listen_port(), flush=True)
    obey(handle)


if __name__ == "__main__":
    main()
