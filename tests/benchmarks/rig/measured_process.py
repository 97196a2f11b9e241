"""One process that a benchmark started: what it says, when, and what it costs; and all of them together."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import IO, Any, Self

from minibit.errors import MinibitError
from minibit.lab.nursery import Nursery

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 5.0  # s for a process to end when its standard input does, and again when it is told to
LAST_LINES = 5  # of what it said, in an error


class MeasuredProcess:
    """A running process whose standard output we read; `process` is a Popen, or a nursery's."""

    def __init__(self, name: str, process: Any) -> None:
        self.name = name
        self.process = process
        self.pid: int = process.pid
        self.launched = time.monotonic()
        self._said: list[tuple[float, str]] = []
        self._news = Condition()
        self._over = False
        self._listener = Thread(target=self._listen, args=(process.stdout,), daemon=True)
        self._listener.start()

    def said(self, beginning: str, timeout: float) -> tuple[float, str]:
        """The first line that begins like that, and when it was said; waits for it.

        Raises:
            MinibitError: it was not said in time, or will not be any more.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = next((each for each in self._said if each[1].startswith(beginning)), None)
                left = deadline - time.monotonic()
                if found is not None:
                    return found
                if self._over or left <= 0:
                    last = " / ".join(line for _, line in self._said[-LAST_LINES:]) or "nothing"
                    how = "ended" if self._over else f"took more than {timeout:.0f} s"
                    raise MinibitError(f"{self.name} {how} without saying {beginning!r}; it said: {last}")
                self._news.wait(left)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def cpu(self) -> float:
        """Seconds of processor, in the kernel too, its own and of children it waited for (proc(5), stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def peak(self) -> float:
        """The most memory that it has held at once, in MiB (proc(5), VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise MinibitError(f"{self.name} has ended before it was measured")

    def end(self) -> None:
        """End of input; the crew insists if that is not enough."""
        with suppress(OSError):  # it has ended already
            self.process.stdin.close()

    def hear_out(self) -> None:
        """Wait for the last of what it says, after its end."""
        self._listener.join(PATIENCE)

    def _listen(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                with self._news:
                    self._said.append((time.monotonic(), line.rstrip()))
                    self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


class Crew:
    """The processes of one run; a context manager that leaves none of them behind."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._members: list[MeasuredProcess] = []
        self._nursery: Nursery | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in reversed(self._members):  # peers first, so that their goodbyes are heard
            member.end()
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + PATIENCE
            for member in self._members:
                with suppress(ProcessLookupError, MinibitError):
                    if number:
                        member.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired, MinibitError):
                    member.process.wait(max(0.01, deadline - time.monotonic()))
            running = [member for member in self._members if _runs(member)]
            for member in self._members:
                if member not in running:
                    member.hear_out()
            self._members = running
        if self._nursery is not None:
            self._nursery.close()

    def start(self, name: str, command: Sequence[str], *, heeds_input: bool = True) -> MeasuredProcess:
        """Start `command`. One that does not end with its input is told to end by a signal at once."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us, who end them in our own order
        )
        return self._join(_Signalled(name, process) if not heeds_input else MeasuredProcess(name, process))

    def fork(self, name: str, nursery: Nursery, arguments: Sequence[str]) -> MeasuredProcess:
        """Start `minibit` with these arguments from a nursery, as `minibit swarm` does."""
        with (self._logs / f"{name}.log").open("w") as log:
            return self._join(MeasuredProcess(name, nursery.spawn(arguments, log, heard=True)))

    def nursery(self, command: Sequence[str]) -> Nursery:
        """A nursery that has read its modules and ends with this crew."""
        self._nursery = Nursery(command)
        with (self._logs / "nursery.log").open("w") as log:
            self._nursery.spawn(["--version"], log).wait()
        return self._nursery

    def _join(self, member: MeasuredProcess) -> MeasuredProcess:
        self._members.append(member)
        return member


class _Signalled(MeasuredProcess):
    """One that does not care for its standard input."""

    def end(self) -> None:
        super().end()
        self.process.send_signal(signal.SIGTERM)


def _runs(member: MeasuredProcess) -> bool:
    try:
        return member.process.poll() is None
    except MinibitError:  # nobody can tell any more, and its input has ended
        return False
