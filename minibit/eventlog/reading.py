"""Reads an event log as far as it goes, and says what it passed over.

A log may be growing, cut off in the middle, of another version, or a stranger's: nothing in it is trusted,
and no line is longer in memory than `MAX_LINE`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from minibit.errors import UsageError
from minibit.events.entries import MAX_LINE, SCHEMA, Entry, Header
from minibit.units import count

TIMED: Final = re.compile(rb'\{"t":([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)(?=,"peer":")')  # as we write it
TAIL: Final = 1 << 16  # bytes at the end in which the last event is looked for first


class Reader:
    """An open log; a context manager. `header` is what it says of itself.

    Raises:
        UsageError: it cannot be read, or is no event log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r} ({error.strerror}): name an event log") from None
        try:
            self.header = Header.decode(self._file.readline(MAX_LINE + 1))
        except (ValueError, OSError):
            self._file.close()
            raise UsageError(f"{str(path)!r} is no event log: name a file that --log has written") from None
        self.start = self._file.tell()
        self._read_up_to = self.start  # lines before it have been counted
        self._unknown = 0
        self._malformed = 0
        self._cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def entries(self, offset: int | None = None) -> Iterator[tuple[Entry, int]]:
        """Every event from `offset` on, by default from the first, each with the offset of what follows."""
        for line, after in self._lines(self.start if offset is None else offset):
            new, self._read_up_to = after > self._read_up_to, max(after, self._read_up_to)
            try:
                entry = Entry.decode(line)
            except ValueError:
                self._malformed += new
                continue
            if entry is None:
                self._unknown += new
            else:
                yield entry, after

    def moments(self) -> Iterator[tuple[float, str]]:
        """Every event as it was written: its time, and its line without it, for who only moves lines."""
        for line, _ in self._lines(self.start):
            if found := TIMED.match(line):
                yield float(found[1]), line[found.end() :].decode(errors="replace")
            else:
                self._malformed += 1

    def _lines(self, offset: int) -> Iterator[tuple[bytes, int]]:
        """Every whole line from there on, with the offset of the next one."""
        while True:
            self._file.seek(offset)
            line = self._file.readline(MAX_LINE + 1)
            if not line.endswith(b"\n"):
                if len(line) <= MAX_LINE:
                    self._cut = bool(line)
                    return
                while line and not line.endswith(b"\n"):  # an absurd line is passed over, never held
                    line = self._file.readline(MAX_LINE + 1)
            offset = self._file.tell()
            yield line, offset

    def last(self) -> float:
        """When the last event happened, in seconds since the start; 0 if none did."""
        size, tail = self._file.seek(0, 2), TAIL
        while True:
            self._file.seek(max(self.start, size - tail))
            lines = self._file.read(tail).split(b"\n")
            for line in reversed(lines[1 if size - tail > self.start else 0 : -1]):
                try:
                    entry = Entry.decode(line)
                except ValueError:
                    continue
                if entry is not None:
                    return entry.t
            if size - tail <= self.start or tail > 2 * MAX_LINE:
                return 0.0
            tail *= 4

    def remarks(self) -> list[str]:
        """What a reader of what was read so far should know: what was passed over, and why."""
        said = []
        if self.header.schema != SCHEMA:
            said.append(
                f"{self._path.name} is of version {self.header.schema} and MiniBit {self.header.version}; "
                f"this one reads version {SCHEMA}: shown as far as that goes"
            )
        if self._unknown:
            said.append(
                f"passed over {count(self._unknown, 'event')} of kinds that this MiniBit does not know"
            )
        if self._malformed:
            said.append(
                f"passed over {count(self._malformed, 'line that is no event', 'lines that are no events')}"
            )
        if self._cut:
            said.append(f"{self._path.name} ends in the middle of a line: shown as far as it goes")
        return said
