"""A stream that takes everything, whatever the real one is like."""

import errno
import io
import os
from typing import cast

import pytest

from minibit.screen.outlet import Outlet


class Broken(io.StringIO):
    """A stream that refuses with `number`, when written to or only when flushed."""

    def __init__(self, number: int, *, late: bool = False) -> None:
        super().__init__()
        self.number, self.late, self.attempts = number, late, 0

    def write(self, text: str) -> int:
        if self.late:
            return super().write(text)
        self.attempts += 1
        raise OSError(self.number, os.strerror(self.number))

    def flush(self) -> None:
        if self.late:
            self.attempts += 1
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 141), (errno.ENOSPC, 1), (errno.EIO, 1)])
def test_a_stream_that_breaks_is_told_of_once_and_never_raises(number: int, code: int, late: bool) -> None:
    stream = Broken(number, late=late)
    outlet, told = Outlet(stream), []
    outlet.on_failure = lambda: told.append(outlet.code)
    assert outlet.code == 0
    for _ in range(3):
        assert outlet.write("words") == 5
        outlet.flush()
    assert outlet.failure is not None
    assert outlet.failure.errno == number
    assert (told, stream.attempts) == ([code], 1)


def test_what_a_full_disk_left_in_the_buffer_fails_nobody_later() -> None:
    """Else the interpreter's own flush at the end prints a traceback, and makes the exit code 120."""
    with open("/dev/full", "w") as full:
        outlet = Outlet(full)
        outlet.write("words")
        outlet.flush()
        assert outlet.code == 1
        full.flush()


@pytest.mark.parametrize(
    ("encoding", "spelled"),
    [
        ("utf-8", "cé … 2 × 5–7 ★ ?"),
        ("latin-1", "cé ... 2 x 5-7 * ?"),
        ("ascii", "c? ... 2 x 5-7 * ?"),
    ],
)
def test_what_a_stream_cannot_spell_is_spelled_in_ascii(encoding: str, spelled: str) -> None:
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, encoding=encoding))
    outlet.write("cé … 2 × 5–7 ★ ?")
    outlet.flush()
    assert raw.getvalue().decode(encoding) == spelled
    assert outlet.failure is None


def test_a_file_name_of_no_encoding_is_printed_all_the_same() -> None:
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, encoding="utf-8"))
    outlet.write(os.fsdecode(b"film\xff.bin"))
    outlet.flush()
    assert raw.getvalue() == b"film?.bin"


def test_a_stream_in_memory_has_every_letter() -> None:
    outlet = Outlet(cast(io.TextIOWrapper, io.StringIO()))
    assert (outlet.encoding, outlet.isatty(), outlet.spells("★")) == ("utf-8", False, True)
