"""A small network of machines: namespaces joined by a bridge, or loopback where that is not permitted.

`python -m tests.matrix` begins by giving itself namespaces of its own (`enclosed`), so that nothing of this
reaches another network, and whatever is left of it ends with the process.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LONGEST: Final = 240  # s that any program lives
PATIENCE: Final = 25.0  # s that one has to end by itself
OPTIONS: Final = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def enclosing() -> list[str] | None:
    """The command that runs another in namespaces of its own, None if that is not permitted here."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    command = ["unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), *OPTIONS]
    tried = subprocess.run(
        [*command, "ip", "link", "add", "tried", "type", "bridge"],
        capture_output=True,
        timeout=20,
        check=False,
    )
    return command if tried.returncode == 0 else None


class Program:
    """A program that runs on a host, in a process group of its own, for a bounded time.

    What it says is in `log`.
    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        self.words = list(words)
        self.log = log
        self._asked = False
        bounded = ["timeout", "--kill-after=5", str(LONGEST), *words]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                bounded,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=folder,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def failed(self) -> bool:
        """Whether it ended, and nobody had asked it to."""
        return not self._asked and self.process.poll() is not None

    def end(self) -> bool:
        """Ask it to end, as Ctrl-C does (`timeout` passes it on), and make sure that it has.

        Returns whether it did so by itself.
        """
        self._asked = True
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """What `kill -9` does."""
        self._asked = True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


@dataclass
class Host:
    """A machine. `shared`: others run on it too, so that ports must be chosen. `six` is its other address, if
    it has both families."""

    name: str
    ip: str
    shared: bool
    six: str | None = None
    prefix: tuple[str, ...] = ()

    @property
    def places(self) -> list[str]:
        """Its addresses as URLs write them."""
        return [f"[{ip}]" if ":" in ip else ip for ip in (self.ip, self.six) if ip is not None]

    def run(
        self, words: Sequence[str], log: Path, *, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Program:
        return Program([*self.prefix, *words], log, environment or {}, folder)


class Loopback:
    """This machine alone."""

    def host(self, families: str = "4") -> Host:
        return Host("here", "127.0.0.1" if "4" in families else "::1", shared=True)

    def close(self) -> None:
        """Nothing is left of it."""


@dataclass
class Lan:
    """Machines of their own on one bridge, which we are on too.

    Args:
        number: which of those that there are at a time, from 0.
    """

    number: int
    _hosts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bridge = f"lan{self.number}"
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self._four(254)}/24", "dev", self._bridge)
        _ip("addr", "add", f"{self._six(254)}/64", "dev", self._bridge, "nodad")
        _ip("link", "set", self._bridge, "up")

    def host(self, families: str = "4") -> Host:
        """One machine more, with an address of each of these families, "4", "6" or "46"."""
        count = len(self._hosts) + 1
        name, outside = f"lan{self.number}-{count}", f"v{self.number}-{count}"
        self._hosts.append(name)
        _ip("netns", "add", name)
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", outside, "master", self._bridge, "up")
        four, six = self._four(count), self._six(count)
        if "4" in families:
            _ip("-n", name, "addr", "add", f"{four}/24", "dev", "eth0")
        if "6" in families:
            _ip("-n", name, "addr", "add", f"{six}/64", "dev", "eth0", "nodad")
        for link in ("lo", "eth0"):
            _ip("-n", name, "link", "set", link, "up")
        ips = ([four] if "4" in families else []) + ([six] if "6" in families else [])
        inside = ("ip", "netns", "exec", name)
        return Host(name, ips[0], shared=False, six=ips[1] if len(ips) > 1 else None, prefix=inside)

    def close(self) -> None:
        """Its programs have ended."""
        for count, name in enumerate(self._hosts, 1):
            _ip("link", "del", f"v{self.number}-{count}")  # a namespace may last a moment longer
            _ip("netns", "del", name)
        _ip("link", "del", self._bridge)

    def _four(self, host: int) -> str:
        return f"10.99.{self.number}.{host}"

    def _six(self, host: int) -> str:
        return f"fd99:{self.number}::{host}"


def enclosed() -> None:
    """Make this process's own network ready: called inside `enclosing`.

    `ip netns` keeps names in /run/netns. Whoever removes that folder outside takes what is mounted there
    along, so all of /run is our own.
    """
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True, timeout=20)
    _ip("link", "set", "lo", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)
