"""What is forked from a nursery is a process like any other, and never outlives what it hangs on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minibit.errors import MinibitError
from minibit.lab.child import Child, end
from minibit.lab.nursery import Nursery, Process

PATIENCE = 20.0
PROC = Path("/proc/self/cmdline")
# What each forked process does with its arguments; whatever it says is told apart by where it goes.
PROGRAM = """
import os, signal, sys, time
from minibit.lab.nursery import serve

asked = serve()
match asked:
    case ["exit", code]:
        sys.exit(int(code))
    case ["say", words]:
        print(words)
        print("aside", file=sys.stderr)
    case ["echo"]:
        print(sys.stdin.read())
    case ["rise"]:
        raise ZeroDivisionError
    case ["who"]:
        handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        descriptors = sorted(map(int, os.listdir("/proc/self/fd")))[:-1]  # the last one reads that folder
        print(os.getppid(), os.getsid(0), handled, descriptors)
    case ["hang"]:
        print("hangs", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    opened = Nursery([sys.executable, "-u", "-c", PROGRAM])
    yield opened
    opened.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def fork(nursery: Nursery, log: Path) -> Iterator[Callable[..., Process]]:
    """Forks a process; whatever the test leaves open is closed in the end."""
    forked: list[Process] = []

    def spawn(*words: str, heard: bool = False) -> Process:
        forked.append(nursery.spawn(words, file, heard=heard))
        return forked[-1]

    with log.open("w") as file:
        yield spawn
    for process in forked:
        process.stdin.close()
        if process.stdout is not None:
            process.stdout.close()


Fork = Callable[..., Process]


def test_exit_codes_come_back_also_those_of_a_traceback(fork: Fork, log: Path) -> None:
    processes = [fork("exit", "0"), fork("exit", "3"), fork("rise")]
    assert [process.wait(PATIENCE) for process in processes] == [0, 3, 1]
    assert [process.poll() for process in processes] == [0, 3, 1], "it is remembered"
    assert "ZeroDivisionError" in log.read_text()


def test_what_is_said_goes_to_the_log_or_to_who_hears_it(fork: Fork, log: Path) -> None:
    assert fork("say", "to the log").wait(PATIENCE) == 0
    heard = fork("say", "é" * 5000, heard=True)
    assert heard.stdout is not None
    assert heard.stdout.read() == "é" * 5000 + "\n"
    assert heard.wait(PATIENCE) == 0
    assert log.read_text() == "to the log\naside\naside\n"


def test_standard_input_is_a_pipe_that_nobody_else_holds(fork: Fork, log: Path) -> None:
    first = fork("echo")
    second = fork("hang")  # it is forked while the pipe is open
    first.stdin.write("bye")
    first.stdin.close()
    assert first.wait(PATIENCE) == 0
    assert "bye" in log.read_text()
    second.kill()
    assert second.wait(PATIENCE) == -signal.SIGKILL
    second.kill()  # whoever has its number now is left alone


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to see it in")
def test_it_is_as_newly_started_with_a_command_line_of_its_own(nursery: Nursery, fork: Fork) -> None:
    who = fork("who", heard=True)
    assert who.stdout is not None
    parent, session, handled, descriptors = who.stdout.read().rstrip().split(" ", 3)
    assert (int(parent), int(session)) == (nursery._server.pid, who.pid)
    assert handled == "True", "what Ctrl-C does"
    assert descriptors == "[0, 1, 2]"
    hanging = fork("hang", heard=True)
    assert hanging.stdout is not None
    assert hanging.stdout.readline() == "hangs\n"
    words = Path(f"/proc/{hanging.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    hanging.send_signal(signal.SIGTERM)
    assert hanging.wait(PATIENCE) == -signal.SIGTERM
    assert words == [b"minibit", b"hang"]


def test_waiting_has_an_end(fork: Fork) -> None:
    hanging = fork("hang")
    with pytest.raises(subprocess.TimeoutExpired):
        hanging.wait(0.0)
    hanging.kill()
    assert hanging.wait(PATIENCE) == -signal.SIGKILL


def test_a_nursery_that_is_gone_says_so_and_its_processes_hear_the_end_of_their_input(
    nursery: Nursery, fork: Fork, log: Path
) -> None:
    echo = fork("echo")
    os.kill(nursery._server.pid, signal.SIGKILL)
    nursery._server.wait(PATIENCE)
    with pytest.raises(MinibitError, match="ended by something else"):
        fork("echo")
    with pytest.raises(MinibitError):
        echo.poll()
    end([Child("echo", echo, log)])
    while log.read_text() != "\n":
        time.sleep(0.01)
