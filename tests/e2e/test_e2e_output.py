"""Standard output and terminals that take nothing, or little: one line or silence, the right exit code, no
process left."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from e2e.running import PROC, Descendant, Track, children_of, write_random

SOON = 50.0  # seconds, on a machine that is busy with something else
FULL = Path("/dev/full")
COMMANDS = {
    "tracker": ("tracker", "--port", "0"),
    "swarm": ("swarm", "--peers", "1"),
    "json": ("swarm", "--peers", "1", "--json"),
    "help": ("--help",),
    "command's help": ("swarm", "--help"),
    "version": ("--version",),
    "nothing": (),
}

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts `minibit …` on a small share, its output wherever the test says; none outlives the test."""
    share = write_random(tmp_path / "film.bin", 100_000)
    started: list[subprocess.Popen[bytes]] = []

    def start(arguments: tuple[str, ...], *, closed: tuple[int, ...] = (), **streams: object) -> object:
        words = [sys.executable, "-m", "minibit", *arguments]
        if arguments[:1] in (("tracker",), ("swarm",)):
            words += ["--share", str(share)]
        options = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": tmp_path} | streams
        if closed:
            shut = " ".join({0: "<&-", 1: ">&-", 2: "2>&-"}[number] for number in closed)
            words = ["sh", "-c", f'exec "$@" {shut}', "sh", *words]
        process = subprocess.Popen(words, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start  # type: ignore[misc]
    for process in started:
        process.kill()
        process.communicate()


def complaints(process: "subprocess.Popen[bytes]") -> bytes:
    """What it said on standard error by its end, without the progress that a slow machine sees."""
    return re.sub(rb"^[a-z ]+: \d+%\n", b"", process.communicate(timeout=SOON)[1] or b"", flags=re.MULTILINE)


@pytest.mark.parametrize("command", ["tracker", "swarm"])
def test_a_reader_that_leaves_ends_a_command_in_silence(run: Run, command: str) -> None:
    """`minibit tracker | head -1`."""
    process = run(COMMANDS[command], stdout=subprocess.PIPE)
    assert process.stdout is not None
    while not process.stdout.readline().startswith(b"origin 100%"):
        assert process.poll() is None
    children = children_of(process.pid) if PROC.exists() else set[Descendant]()
    process.stdout.close()
    assert process.wait(SOON) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert not any(child.alive for child in children)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_never_came(run: Run, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = run(COMMANDS[command], stdout=writer)
    os.close(writer)
    assert complaints(process) == b""
    assert process.returncode == 141


@needs_full
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_under_the_output_is_told_in_one_line(run: Run, command: str) -> None:
    with FULL.open("wb") as full:
        process = run(COMMANDS[command], stdout=full)
        err = complaints(process)
    assert err == b"minibit: cannot write to standard output (No space left on device)\n"
    assert process.returncode == 1


@needs_full
def test_errors_that_nobody_can_be_told_keep_their_exit_code(run: Run) -> None:
    with FULL.open("wb") as full:
        assert run(("fly",), stdout=subprocess.PIPE, stderr=full).wait(SOON) == 2
    for closed in ((2,), (1, 2), (0, 1, 2)):
        assert run(("fly",), closed=closed, stderr=None).wait(SOON) == 2


@pytest.mark.parametrize("closed", [(1,), (0, 1), (1, 2), (0, 1, 2)])
def test_output_that_was_closed_from_the_start_goes_nowhere(run: Run, closed: tuple[int, ...]) -> None:
    for arguments in (("--version",), COMMANDS["json"]):
        process = run(arguments, closed=closed)
        assert complaints(process) == b""
        assert process.returncode == 0


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_output_of_few_letters(run: Run, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for command, last in (("swarm", b"--dir DIR keeps them"), ("command's help", b"--log swarm.jsonl")):
        out, err = run(COMMANDS[command], stdout=subprocess.PIPE).communicate(timeout=SOON)
        assert err == b""
        assert out.rstrip().endswith(last)
    assert json.loads(run(COMMANDS["json"], stdout=subprocess.PIPE).communicate(timeout=SOON)[0])["identical"]


def test_watching_ends_with_its_reader(run: Run, track: Track, tmp_path: Path) -> None:
    tracker = track(write_random(tmp_path / "other.bin", 100_000))
    process = run(("status", "--watch", "--tracker", tracker.url), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(SOON) == 141


class Terminal:
    """A terminal with one command on it; `shown` is every byte that it was sent."""

    def __init__(self, words: list[str], kind: str, folder: Path) -> None:
        self.shown = b""
        self._end, end = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            words, stdin=end, stdout=end, stderr=end, cwd=folder, env=environment | {"TERM": kind}
        )
        os.close(end)

    def shows(self, pattern: bytes, patience: float = SOON) -> None:
        """Wait until it does."""
        limit = time.monotonic() + patience
        while not re.search(pattern, self.shown):
            assert time.monotonic() < limit, f"never showed {pattern!r}: {self.shown!r}"
            self._read(0.2)

    def ends(self) -> int:
        """The command's exit code."""
        limit = time.monotonic() + SOON
        while self.process.poll() is None:  # a terminal that nobody reads would keep it from ending
            assert time.monotonic() < limit, f"did not end: {self.shown!r}"
            self._read(0.05)
        self._read(0.1)
        return self.process.wait()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    @property
    def cursor(self) -> bool:
        return self.shown.rfind(b"\x1b[?25h") >= self.shown.rfind(b"\x1b[?25l")

    def _read(self, patience: float) -> None:
        while select.select([self._end], [], [], patience)[0]:
            try:
                self.shown += os.read(self._end, 65536)
            except OSError:  # the last process on it has ended
                return


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    share = write_random(tmp_path / "film.bin", 200_000)
    words = [sys.executable, "-m", "minibit", "swarm", "--peers", "1", "--share", str(share)]
    words += ["--upload-limit", "50K"]
    with closing(Terminal(words, "dumb", tmp_path)) as terminal:
        terminal.shows(rb"swarm 0:0\d complete 0/\d")
        terminal.shows(b"swarm complete 1/1")
        assert terminal.ends() == 0
        assert b"\x1b" not in terminal.shown


SLOW = """
import sys, time
from minibit.disk.storage import Storage
real = Storage.close
def close(storage):
    time.sleep(60)
    real(storage)
Storage.close = close
from minibit.__main__ import main
main()
"""


def test_ctrl_c_while_a_slow_disk_closes(track: Track, tmp_path: Path) -> None:
    """The first says what it waits for, the second waits no more; the cursor is shown from the first on."""
    tracker = track(write_random(tmp_path / "film.bin", 200_000), "--upload-limit", "20K")
    words = [sys.executable, "-c", SLOW, "peer", "ana", "0", "--tracker", tracker.url]
    with closing(Terminal(words, "xterm", tmp_path)) as terminal:
        terminal.shows(b"rarest block")
        assert not terminal.cursor
        terminal.process.send_signal(signal.SIGINT)
        terminal.shows(b"ending: waiting for the goodbye and the disk; Ctrl-C again ends at once")
        assert terminal.cursor
        assert terminal.process.poll() is None
        terminal.process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert terminal.ends() == 130
        assert time.monotonic() - begun < 20
        assert terminal.cursor


def test_ctrl_c_in_the_middle_of_hashing_gives_the_cursor_back(tmp_path: Path) -> None:
    with (tmp_path / "film.bin").open("wb") as file:
        file.truncate(4 << 30)
    words = [sys.executable, "-m", "minibit", "tracker", "--port", "0", "--share", "film.bin"]
    with closing(Terminal(words, "xterm", tmp_path)) as terminal:
        terminal.shows(b"hashing")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ends() == 130
        assert terminal.cursor
        assert b"Traceback" not in terminal.shown
