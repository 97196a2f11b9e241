"""One libtorrent session for the benchmark, alone in its process: `TORRENT FOLDER seed|PORT`.

Prints `LISTENING port` when it seeds. Told of a seed at 127.0.0.1:PORT, it prints `DONE seconds peak`
when everything is fetched, verified and written (libtorrent calls itself finished before its cache is
on the disk), counted from that moment; `peak` is its largest resident size in MiB.
"""

import resource
import sys
import time

import libtorrent as lt

# libtorrent's best on this path, by measurement: plain TCP, large buffers, deep request queues.
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "out_enc_policy": 2,
    "in_enc_policy": 2,
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
    "unchoke_slots_limit": 100,
}


def wait_for(session: lt.session, kind: type) -> None:
    while True:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return


def main() -> None:
    torrent, folder, role = sys.argv[1:]
    session = lt.session(SETTINGS)
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    parameters.trackers = []
    handle = session.add_torrent(parameters)
    wanted = {lt.torrent_status.seeding} if role == "seed" else {lt.torrent_status.downloading}
    while handle.status().state not in wanted:
        time.sleep(0.02)
    if role == "seed":
        print("LISTENING", session.listen_port(), flush=True)
        sys.stdin.read()
        return
    session.pop_alerts()
    started = time.monotonic()
    handle.connect_peer(("127.0.0.1", int(role)))
    wait_for(session, lt.torrent_finished_alert)
    handle.flush_cache()
    wait_for(session, lt.cache_flushed_alert)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print("DONE", f"{seconds:.3f}", peak, flush=True)


main()
