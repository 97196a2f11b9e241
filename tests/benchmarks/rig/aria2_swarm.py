"""aria2 as a contender: plain TCP, no DHT, limits as asked. It finds its peers by a tracker only, so it has
one, which lives in our process and answers at once."""

import json
import os
import shutil
import subprocess
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import inet_aton
from struct import pack
from threading import Condition, Thread
from urllib.parse import parse_qs, urlsplit

from minibit.errors import MinibitError
from minibit.torrent import bencode
from minibit.torrent.torrent_file import TorrentFile, encode
from rig.ground import free_ports
from rig.measured_process import MeasuredProcess
from rig.swarm import OPEN_SECONDS, Swarm

QUIET = [
    "--no-conf=true",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--quiet=true",
    "--show-console-readout=false",
    "--summary-interval=0",
    f"--stop-with-process={os.getpid()}",
]
SETTINGS = [
    *QUIET,
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--disable-ipv6=true",
    "--bt-force-encryption=false",
    "--seed-ratio=0.0",
    "--auto-save-interval=0",
    "--enable-rpc=true",
]


class Aria2Swarm(Swarm):
    name = "aria2"
    complete = "COMPLETE"

    @classmethod
    def absence(cls) -> str | None:
        return None if shutil.which("aria2c") else "apt-get install aria2"

    @classmethod
    def version(cls) -> str:
        said = subprocess.run(["aria2c", "--version"], capture_output=True, text=True, check=True).stdout
        return f"aria2 {said.split()[2]}"

    def open(self) -> list[MeasuredProcess]:
        self._tracker = _Tracker()
        self._torrent = self.folder / "share.torrent"
        self._torrent.write_bytes(encode(TorrentFile(self.task.metainfo, ((self._tracker.url,),))))
        self._hook = self.folder / "complete.sh"
        self._hook.write_text("#!/bin/sh\necho COMPLETE\n")  # it speaks where aria2 does
        self._hook.chmod(0o755)
        ports = free_ports(2 * (1 + self.task.peers))
        self._ports, self._calls = ports[::2], ports[1::2]
        known = ["--bt-seed-unverified=true", "--check-integrity=false", "--allow-overwrite=true"]
        origin = self._client(0, self.task.share.parent, self.task.origin_limit, known)
        self._tracker.await_seed(OPEN_SECONDS)
        return [origin]

    def launch(self, number: int) -> MeasuredProcess:
        return self._client(1 + number, self.place(number), self.task.limits[number], [])

    def sent(self) -> list[int]:
        found = []
        for port in self._calls:
            asked = {"jsonrpc": "2.0", "id": 1, "method": "aria2.tellActive", "params": [["uploadLength"]]}
            url = f"http://127.0.0.1:{port}/jsonrpc"
            with urllib.request.urlopen(url, json.dumps(asked).encode(), timeout=10) as answer:
                found.append(int(json.load(answer)["result"][0]["uploadLength"]))
        self._tracker.close()
        return found

    def _client(self, number: int, folder: Path, limit: int, more: list[str]) -> MeasuredProcess:
        own = [
            f"--dir={folder}",
            f"--listen-port={self._ports[number]}",
            f"--rpc-listen-port={self._calls[number]}",
            f"--max-overall-upload-limit={limit}",
            f"--on-bt-download-complete={self._hook}",
        ]
        command = ["aria2c", *SETTINGS, *own, *more, str(self._torrent)]
        return self.crew.start(f"aria2's {number or 'origin'}", command, heeds_input=False)


class _Tracker:
    """Tells whoever announces of everybody who did before (BEP 3, 23), all of them at 127.0.0.1."""

    def __init__(self) -> None:
        self._left: dict[int, int] = {}  # bytes, by port
        self._news = Condition()
        tracker = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = tracker._answer(urlsplit(self.path).query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/announce"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def await_seed(self, timeout: float) -> None:
        """Until somebody who lacks nothing has announced."""
        with self._news:
            if not self._news.wait_for(lambda: 0 in self._left.values(), timeout):
                raise MinibitError(f"aria2's origin did not announce within {timeout:.0f} s")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, query: str) -> bytes:
        asked = parse_qs(query, encoding="latin-1")
        port, left = int(asked["port"][0]), int(asked["left"][0])
        with self._news:
            peers = b"".join(inet_aton("127.0.0.1") + pack(">H", each) for each in self._left if each != port)
            self._left[port] = left
            self._news.notify_all()
        return bencode.encode({"interval": 1800, "peers": peers})
