"""The clients of other people, as nouns: how each is started with one torrent, at its default settings.

A job is the same for all: fetch what this torrent is of into a folder, or check what is there, and share it
until told to end. Whether a copy is complete is seen on the disk, not asked of the client.
"""

import json
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from matrix.lan import Host, Program

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """`source` is a .torrent's path or a magnet link, `folder` where the share is or is to be, `state` the
    client's own folder.

    `port` is None where the client's default is free; `secretive`: it is to insist on encryption.
    """

    source: str
    folder: Path
    state: Path
    port: int | None = None
    secretive: bool = False


class Client(ABC):
    """One client. `fits_loopback`: it trades with peers at 127.0.0.1, which most do not."""

    name: ClassVar[str]
    program: ClassVar[str]
    fits_loopback: ClassVar[bool] = False

    @abstractmethod
    def words(self, job: Job) -> list[str]:
        """The command line; files that it needs are made in `job.state`."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """What it needs in its environment."""
        return {"HOME": str(job.state)}


class Libtorrent(Client):
    """libtorrent's own Python binding, a session at its defaults."""

    name = "libtorrent"
    program = sys.executable
    fits_loopback = True

    def words(self, job: Job) -> list[str]:
        options = {"port": job.port, "secretive": job.secretive}
        session = HERE / "libtorrent_session.py"
        return [self.program, str(session), job.source, str(job.folder), json.dumps(options)]


class Aria2(Client):
    name = "aria2"
    program = "aria2c"
    fits_loopback = True

    def words(self, job: Job) -> list[str]:
        words = [self.program, "--no-conf", f"--dir={job.folder}", "--seed-ratio=0.0", "--summary-interval=0"]
        if job.port is not None:  # and 127.0.0.1 is its only address there
            words += [f"--listen-port={job.port}", "--interface=127.0.0.1", "--disable-ipv6=true"]
            words += ["--enable-dht=false", "--enable-dht6=false"]
        if job.secretive:
            words += ["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]
        if any(job.folder.iterdir()):
            words += ["--check-integrity=true"]
        return [*words, job.source]


class Transmission(Client):
    name = "Transmission"
    program = "transmission-daemon"

    def words(self, job: Job) -> list[str]:
        settings = {"encryption": 2} if job.secretive else {}
        (job.state / "settings.json").write_text(json.dumps(settings))
        watched = job.state / "watched"
        watched.mkdir(exist_ok=True)
        words = [self.program, "-f", "-g", str(job.state), "-w", str(job.folder), "-c", str(watched)]
        if job.source.startswith("magnet:"):
            return [sys.executable, str(HERE / "transmission_magnet.py"), job.source, *words]
        shutil.copy(job.source, watched)
        return words


class Rtorrent(Client):
    name = "rtorrent"
    program = "rtorrent"

    def words(self, job: Job) -> list[str]:
        (job.state / "session").mkdir(exist_ok=True)
        words = [self.program, "-n", "-o", "system.daemon.set=true", "-d", str(job.folder)]
        if job.secretive:
            words += ["-O", "protocol.encryption.set=allow_incoming,try_outgoing,require,require_RC4"]
        return [*words, "-s", str(job.state / "session"), job.source]

    def environment(self, job: Job) -> Mapping[str, str]:
        return {**super().environment(job), "TERM": "xterm"}


class Qbittorrent(Client):
    name = "qBittorrent"
    program = "qbittorrent-nox"

    def words(self, job: Job) -> list[str]:
        configuration = job.state / "qBittorrent" / "config"
        configuration.mkdir(parents=True, exist_ok=True)
        secretive = "[BitTorrent]\nSession\\Encryption=1\n" if job.secretive else ""
        settings = configuration / "qBittorrent.conf"
        if not settings.exists():
            settings.write_text(f"[LegalNotice]\nAccepted=true\n{secretive}")
        where = [f"--profile={job.state}", f"--save-path={job.folder}"]
        return [self.program, *where, "--skip-dialog=true", job.source]


class Webtorrent(Client):
    name = "webtorrent"
    program = "webtorrent"

    def words(self, job: Job) -> list[str]:
        return [
            self.program,
            "download",
            job.source,
            "--out",
            str(job.folder),
            "--keep-seeding",
            "--quiet",
        ]


CLIENTS: tuple[Client, ...] = (
    Libtorrent(),
    Aria2(),
    Transmission(),
    Qbittorrent(),
    Rtorrent(),
    Webtorrent(),
)


def installed(client: Client) -> bool:
    return shutil.which(client.program) is not None


def version(client: Client) -> str:
    """Its version, as it says itself; "" if it does not."""
    if isinstance(client, Libtorrent):
        words = [client.program, "-c", "import libtorrent; print(libtorrent.__version__)"]
    elif isinstance(client, Rtorrent):
        words = [client.program, "-h"]
    else:
        words = [client.program, "--version"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    numbers = (word.strip("v.,") for word in (said.stdout + said.stderr).split())
    return next((word for word in numbers if word[:1].isdigit() and "." in word), "")


def start(client: Client, host: Host, job: Job) -> Program:
    """The client at work; what it says is in its state folder."""
    for folder in (job.folder, job.state):
        folder.mkdir(parents=True, exist_ok=True)
    log = job.state / "said.txt"
    return host.run(client.words(job), log, folder=job.state, environment=client.environment(job))
