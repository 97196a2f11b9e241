"""One process of a swarm: a `minibit` command that ends with its standard input, and what it has said."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from minibit.errors import MinibitError
from minibit.lab.nursery import Nursery, Process

TRACEBACK: Final = "Traceback (most recent call last):"
LOG_READ: Final = 64 * 1024  # bytes from its end; strategies may print
STALLED: Final = "stalled: "  # how a peer begins to say why nothing comes
ASK_SECONDS: Final = 5.0  # for processes to say goodbye and end…
INSIST_SECONDS: Final = 3.0  # …and to obey SIGTERM


class Child(Struct):
    """One process; `log` is where everything it says goes, unless we read it. `ends` is when we end it, in
    seconds since the peers were started."""

    name: str
    process: Process
    log: Path
    ends: float = float("inf")

    @property
    def last_words(self) -> str:
        """The last line that it wrote, or how it ended."""
        lines = self._written()
        return lines[-1].removeprefix("minibit: ") if lines else f"exit code {self.process.poll()}"

    @property
    def stalled(self) -> str:
        """Why nothing comes, as it last said itself; nothing if it did not."""
        said = (line.removeprefix(STALLED) for line in reversed(self._written()) if line.startswith(STALLED))
        return next(said, "")

    @property
    def traceback(self) -> str:
        """The last traceback that it wrote before its last line; nothing if it wrote none."""
        lines = self._written()
        starts = [number for number, line in enumerate(lines) if line == TRACEBACK]
        return "\n".join(lines[starts[-1] : -1] if starts else ())

    def hush(self) -> None:
        """Close its standard input: it is to end."""
        self.process.stdin.close()

    def _written(self) -> list[str]:
        """The last lines in its log, which may be long."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_READ))
                return log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return []


def spawn(nursery: Nursery, name: str, log: Path, arguments: Sequence[str], *, heard: bool = False) -> Child:
    """Start `minibit` with these arguments; what it says goes to `log`, or to us if it is `heard`.

    Raises:
        OSError: the log cannot be written.
        MinibitError: the nursery is gone.
    """
    with log.open("w") as file:
        return Child(name, nursery.spawn([*arguments, "--until-eof"], file, heard=heard), log)


def end(children: Sequence[Child]) -> None:
    """End them all: ask, insist, kill."""
    running = [child.process for child in children]
    for process in running:
        process.stdin.close()
    # Without a nursery nobody can insist; its processes obey the end of their standard input by themselves.
    with suppress(MinibitError):
        for number, patience in ((0, ASK_SECONDS), (signal.SIGTERM, INSIST_SECONDS), (signal.SIGKILL, None)):
            for process in running:
                process.send_signal(number)  # 0 only asks whether it is there
            running = _still_running(running, patience)
    for child in children:
        if child.process.stdout is not None:
            child.process.stdout.close()  # not before it has ended: a thread may still be reading it


def _still_running(processes: Sequence[Process], patience: float | None) -> list[Process]:
    """Those that have not ended after so many seconds."""
    deadline = None if patience is None else time.monotonic() + patience
    left = []
    for process in processes:
        try:
            process.wait(None if deadline is None else max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            left.append(process)
    return left
