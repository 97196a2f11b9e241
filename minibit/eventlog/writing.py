"""Writes an event log. A disk that refuses ends the log with one line, never what it is a log of."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO, Final

from minibit.errors import UsageError
from minibit.events.entries import MAX_LINE, Entry, Header

BATCH: Final = 1 << 16  # bytes written at once
FLUSH_SECONDS: Final = 1.0
MAX_WAITING: Final = 100_000  # events in memory that a disk has not taken


def claim(path: Path) -> None:
    """Make sure that a log may be written to `path`: nothing is there, or an event log of an earlier run.

    Raises:
        UsageError: something else is there, or no file can be.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"--log: {str(path)!r} is not a file: choose another name")
    try:
        with path.open("ab+") as file:
            new = not file.tell()
            file.seek(0)
            ours = new or _is_header(file.readline(MAX_LINE))
        if new:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"--log: cannot write to {str(path)!r} ({error.strerror}): choose another file"
        ) from None
    if not ours:
        raise UsageError(f"--log: {str(path)!r} is there already and no event log: choose another file")


class Writer:
    """Writes in the caller's own time, in batches.

    Args:
        tell: called with a line if the disk refuses; nothing is written from then on.
    """

    def __init__(self, path: Path, header: Header, *, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._waiting = [header.encode()]
        self._size = 0
        self._file: BinaryIO | None = None
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            self._give_up(str(error.strerror))

    def write(self, entry: Entry) -> None:
        """Put this event on the log."""
        self.write_line(entry.encode())

    def write_line(self, line: str) -> None:
        """Put an event on the log that is a line already."""
        if self._file is None:
            return
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand to the system what was written."""
        data = memoryview("".join(self._waiting).encode("utf-8", "replace"))
        self._waiting.clear()
        self._size = 0
        try:
            while self._file is not None and data:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._give_up(str(error.strerror))

    def close(self) -> None:
        """Write the rest; what is written after is lost."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _give_up(self, reason: str) -> None:
        self._tell(f"cannot write the event log {self._path} any more ({reason}): going on without it")
        if self._file is not None:
            self._file.close()
            self._file = None


class Scribe:
    """Writes in a thread of its own, about once a second: `write` never waits for a disk.

    It has to be started, and then closed.
    """

    def __init__(self, path: Path, header: Header, *, tell: Callable[[str], None]) -> None:
        self._path = path
        self._header = header
        self._tell = tell
        self._entries: deque[Entry] = deque()
        self._lost = False
        self._ended = Event()
        self._thread = Thread(target=self._work, name="minibit-log")

    def start(self) -> None:
        """Begin; what was written before is kept for this."""
        self._thread.start()

    def write(self, entry: Entry) -> None:
        """Put this event on the log, soon."""
        if len(self._entries) < MAX_WAITING:
            self._entries.append(entry)
        elif not self._lost:
            self._lost = True
            self._tell(f"the disk is too slow for the event log {self._path}: events are missing in it")

    def close(self) -> None:
        """Write the rest, and wait for that."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        writer = Writer(self._path, self._header, tell=self._tell)
        ended = False
        while not ended:
            ended = self._ended.wait(FLUSH_SECONDS)
            for _ in range(len(self._entries)):
                writer.write(self._entries.popleft())
            writer.flush()
        writer.close()


def _is_header(line: bytes) -> bool:
    try:
        Header.decode(line)
    except ValueError:
        return False
    return True
