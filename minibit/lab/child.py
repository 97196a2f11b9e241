"""One process of a swarm: a `minibit` command that ends with its standard input, and what it has said."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

TRACEBACK: Final = "Traceback (most recent call last):"
LOG_READ: Final = 64 * 1024  # bytes from its end; strategies may print
STALLED: Final = "stalled: "  # how a peer begins to say why nothing comes
ASK_SECONDS: Final = 5.0  # for processes to say goodbye and end…
INSIST_SECONDS: Final = 3.0  # …and to obey SIGTERM


@dataclass(slots=True)
class Child:
    """One process; `log` is where everything it says goes, unless we read it. `ends` is when we end it, in
    seconds since the peers were started."""

    name: str
    process: "subprocess.Popen[str]"
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
        _close(self.process.stdin)

    def _written(self) -> list[str]:
        """The last lines in its log, which may be long."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_READ))
                return log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return []


def spawn(name: str, log: Path, arguments: Sequence[str], stdout: int | None = None) -> Child:
    """Start `minibit` with these arguments; what it says goes to `log`, or on to `stdout`.

    Raises:
        OSError: the log cannot be written.
    """
    with log.open("w") as file:
        process = subprocess.Popen(
            # Unbuffered, so that what a strategy prints is in the log whatever ends the process; and without
            # the current folder on the path, where a user's random.py would stand in for Python's own.
            [sys.executable, "-u", "-P", "-m", "minibit", *arguments, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=file if stdout is None else stdout,
            stderr=file,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; we pass it on in our own order
        )
    return Child(name, process, log)


def end(children: Sequence[Child]) -> None:
    """End them all: ask, insist, kill."""
    running = [child.process for child in children]
    for process in running:
        _close(process.stdin)
    for number, patience in ((0, ASK_SECONDS), (signal.SIGTERM, INSIST_SECONDS), (signal.SIGKILL, None)):
        for process in running:
            process.send_signal(number)  # 0 only asks whether it is there
        deadline = None if patience is None else time.monotonic() + patience
        left = []
        for process in running:
            try:
                process.wait(None if deadline is None else max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                left.append(process)
        running = left
    for child in children:
        _close(child.process.stdout)  # not before it has ended: a thread may still be reading it


def _close(pipe: IO[str] | None) -> None:
    if pipe is not None:
        pipe.close()
