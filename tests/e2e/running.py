"""Real `minibit` processes for end-to-end tests: started, heard, and ended by their own ids, always.

Every wait is bounded, and what a process said stands in the failure when a wait was in vain. Linux's
/proc tells which processes a command has started; the tests that need it are skipped elsewhere.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any, TypeVar

from minibit.snapshot import SwarmRow, SwarmStatus

T = TypeVar("T")

PATIENCE = 30.0  # seconds any one step may take, on a machine that is busy with something else
PROC = Path("/proc")


class Command:
    """One `python -m minibit …`; `out` and `err` are the lines it has said so far."""

    def __init__(self, arguments: Iterable[object], folder: Path, *, python: str = sys.executable) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.out: list[str] = []
        self.err: list[str] = []
        self._news = Condition()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MINIBIT_")}
        self.process = subprocess.Popen(
            [python, "-m", "minibit", *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        pipes = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._readers = [Thread(target=self._read, args=each, daemon=True) for each in pipes]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """The first line on standard output that `pattern` is found in, waited for."""
        end = time.monotonic() + patience
        seen = 0
        with self._news:
            while True:
                for line in self.out[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.out)
                ended = not any(reader.is_alive() for reader in self._readers)
                if ended or time.monotonic() > end:
                    raise AssertionError(f"never said {pattern!r}: {self}")
                self._news.wait(0.2)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code, once it has ended by itself and all it said is here."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {patience} s: {self}") from None
        self._hear_out()
        return code

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def interrupted(self) -> list[str]:
        """Ctrl-C ends it with exit code 130; returns what it then said on standard error."""
        said = len(self.err)
        self.send(signal.SIGINT)
        code = self.wait()
        assert code == 130, self
        return self.err[said:]

    def kill(self) -> None:
        """What `kill -9` does; returns when it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._hear_out()

    def end(self) -> None:
        """Make sure that it is gone, by force if it does not obey; a swarm takes its processes with it."""
        self.process.terminate()
        try:
            self.process.wait(12.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._hear_out()

    def children(self) -> set["Descendant"]:
        """For a swarm: its processes that still run, without the nursery that they come from."""
        return {child for nursery in children_of(self.pid) for child in children_of(nursery[0])}

    def tracker_of_peers(self) -> str:
        """For a swarm: the URL that its peers were given, once they are started."""

        def url() -> str | None:
            words = [child.words for child in self.children()]
            return next((w[w.index("--tracker") + 1] for w in words if "--tracker" in w), None)

        return eventually(url, f"{self} starts peers")

    def _hear_out(self) -> None:
        for reader in self._readers:
            reader.join(5.0)

    def _read(self, pipe: IO[bytes], lines: list[str]) -> None:
        with pipe:
            for raw in pipe:
                with self._news:
                    lines.append(raw.decode().rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def __str__(self) -> str:
        said = "\n".join([*self.out[-15:], "--- stderr:", *self.err[-25:]])
        return f"minibit {' '.join(self.arguments)} [{self.process.returncode}]\n{said}"


class Descendant(tuple[int, str]):
    """A process id together with when it was born: ids come again."""

    def __new__(cls, pid: int, born: str) -> "Descendant":
        return super().__new__(cls, (pid, born))

    @property
    def alive(self) -> bool:
        return any((pid, born) == self for pid, _, born in _processes())

    @property
    def words(self) -> list[str]:
        """Its command line."""
        try:
            return (PROC / str(self[0]) / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # it has just ended
            return []

    def kill(self) -> None:
        os.kill(self[0], signal.SIGKILL)


def children_of(parent: int) -> set[Descendant]:
    """The processes that it has started and that still run."""
    return {Descendant(pid, born) for pid, starter, born in _processes() if starter == parent}


def _processes() -> list[tuple[int, int, str]]:
    """Every process that runs: id, parent's id, birth."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if fields[0] not in "ZX":
            found.append((int(entry.name), int(fields[1]), fields[19]))
    return found


def await_blocks(url: str, least: int, *names: str) -> None:
    """Wait until each of these peers holds at least so many blocks."""

    def enough() -> bool:
        held = {row.name: row.blocks.bit_count() for row in status(url).peers}
        return all(held.get(name, 0) >= least for name in names)

    eventually(enough, f"{names} hold {least} blocks")


class Tracker:
    """A running `minibit tracker`; `document` is what its `--json` said."""

    def __init__(self, command: Command) -> None:
        self.command = command
        command.says(r"^\{")
        self.document: dict[str, Any] = json.loads(command.out[0])
        self.url: str = self.document["url"]
        self.port = int(self.url.rpartition(":")[2])

    def view(self) -> SwarmStatus:
        """What `/status` says now."""
        return status(self.url)

    def row(self, name: str) -> SwarmRow | None:
        return next((row for row in self.view().peers if row.name == name), None)

    def await_complete(self, *names: str, patience: float = PATIENCE) -> dict[str, SwarmRow]:
        """The rows of these peers, once every one of them holds all."""

        def complete() -> dict[str, SwarmRow] | None:
            view = self.view()
            rows = {row.name: row for row in view.peers if row.blocks.bit_count() == view.block_count}
            return rows if set(names) <= set(rows) else None

        return eventually(complete, f"{names} complete", patience)


def status(url: str) -> SwarmStatus:
    with urllib.request.urlopen(url + "/status", timeout=10) as reply:
        return SwarmStatus.from_json(json.loads(reply.read()))


def torrent(url: str) -> bytes:
    with urllib.request.urlopen(url + "/torrent", timeout=10) as reply:
        return bytes(reply.read())


def eventually(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """What `look` returns as soon as that is true."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience} s")
        time.sleep(0.05)


def write_random(path: Path, size: int, seed: int = 7) -> Path:
    """A file whose blocks are all different, and the same in every run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def await_contents(folder: Path, expected: dict[str, bytes]) -> None:
    """For clients that say that they are done a moment before all of it is written."""
    eventually(lambda: contents(folder) == expected, f"{folder} holds what was shared")


Start = Callable[..., Command]
"""What the fixture `minibit` is."""
Track = Callable[..., Tracker]
"""What the fixture `track` is."""
