"""Trackers as contenders: each started anew, for one torrent, on 127.0.0.1, HTTP and UDP on one port."""

import json
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from minibit import __version__
from minibit.disk.share import from_path
from minibit.errors import MinibitError
from rig.ground import free_ports, write_random
from rig.measured_process import Crew, MeasuredProcess

OPEN_SECONDS = 20.0
LOOK_SECONDS = 0.02
SHARE_BYTES = 1 << 20
NPM_SCRIPT = """
import Server from '{module}/server.js'
const server = new Server({{ http: true, udp: true, ws: false, stats: false }})
server.on('error', error => {{ console.error(error); process.exit(1) }})
server.on('warning', () => {{}})
server.listen({port}, {{ http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }})
"""


class Tracker(ABC):
    """One that runs; `port` and `info_hash` say where and for what."""

    name: ClassVar[str]

    def __init__(self, folder: Path, crew: Crew) -> None:
        self.folder = folder
        self.crew = crew
        share = folder / "share.bin"
        write_random(share, SHARE_BYTES)
        self.share = share
        self.info_hash = from_path(share).metainfo.info_hash
        (self.port,) = free_ports(1)
        self.process = self.start()
        self._await_open()

    @classmethod
    @abstractmethod
    def absence(cls) -> str | None:
        """What would bring it to this machine; None: it is there."""

    @classmethod
    @abstractmethod
    def version(cls) -> str: ...

    @abstractmethod
    def start(self) -> MeasuredProcess: ...

    def _await_open(self) -> None:
        deadline = time.monotonic() + OPEN_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), LOOK_SECONDS).close()
                return
            time.sleep(LOOK_SECONDS)
        raise MinibitError(f"{self.name} does not listen on port {self.port}")


class MinibitTracker(Tracker):
    """With its origin, which is one more peer."""

    name = "MiniBit"

    @classmethod
    def absence(cls) -> str | None:
        return None

    @classmethod
    def version(cls) -> str:
        return f"MiniBit {__version__}"

    def start(self) -> MeasuredProcess:
        command = ["tracker", "--json", "--port", str(self.port), "--share", str(self.share), "--until-eof"]
        process = self.crew.start(self.name, [sys.executable, "-m", "minibit", *command])
        ready = json.loads(process.said("{", OPEN_SECONDS)[1])
        assert ready["info_hash"] == self.info_hash.hex()
        return process


class NpmTracker(Tracker):
    """npm's, in Node; `place` is the folder in which it was installed, if not here or globally."""

    name = "bittorrent-tracker"
    place: Path | None = None

    @classmethod
    def module(cls) -> Path | None:
        """Where it is installed."""
        places = [cls.place] if cls.place is not None else [Path.cwd()]
        if shutil.which("npm"):
            said = subprocess.run(["npm", "root", "--global"], capture_output=True, text=True)
            places.append(Path(said.stdout.strip()).parent)
        found = (place / "node_modules" / cls.name for place in places)
        return next((path for path in found if (path / "server.js").exists()), None)

    @classmethod
    def absence(cls) -> str | None:
        if not shutil.which("node"):
            return "apt-get install nodejs npm"
        return None if cls.module() else f"npm install {cls.name} somewhere, and say where with --npm"

    @classmethod
    def version(cls) -> str:
        module = cls.module()
        assert module is not None
        return f"npm's {cls.name} {json.loads((module / 'package.json').read_text())['version']}"

    def start(self) -> MeasuredProcess:
        module = self.module()
        assert module is not None
        script = self.folder / "tracker.mjs"
        script.write_text(NPM_SCRIPT.format(module=module.resolve(), port=self.port))
        return self.crew.start(self.name, ["node", str(script)], heeds_input=False)


class Opentracker(Tracker):
    """Debian's, which serves only torrents that a file names; as root it reads that inside its own folder."""

    name = "opentracker"

    @classmethod
    def absence(cls) -> str | None:
        return None if shutil.which("opentracker") else "apt-get install opentracker"

    @classmethod
    def version(cls) -> str:
        packaged = subprocess.run(["dpkg-query", "--show", cls.name], capture_output=True, text=True).stdout
        return " ".join(packaged.split()) or cls.name

    def start(self) -> MeasuredProcess:
        (self.folder / "known").write_text(self.info_hash.hex() + "\n")
        port = ["-i", "127.0.0.1", "-p", str(self.port), "-P", str(self.port)]
        known = ["-d", str(self.folder), "-w", "known"]
        return self.crew.start(self.name, ["opentracker", *port, *known], heeds_input=False)
