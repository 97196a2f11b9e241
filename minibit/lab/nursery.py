"""Where a swarm's processes come from: one Python that has read all modules, and forks.

To start Python and read what a peer needs takes a third of a second of a processor's time, as long as a
small download; so it is done once. The process that is forked from does nothing else. It has no thread, no
loop and no open file, so whoever is forked from it is as if newly started. It does what it is asked to over
a socket, in order, and ends when that is closed: by us, or by the kernel if we are killed.
"""

import gc
import json
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

from minibit.errors import MinibitError

LOOK_SECONDS: Final = 0.01  # how often to see whether a process that is waited for has ended…
MAX_LOOK_SECONDS: Final = 0.1  # …the longer it takes, the less often
TITLE_BYTES: Final = 2048  # of a command line that `ps` can show

_LENGTH = struct.Struct(">I")


class Process:
    """A process of a nursery, with what `subprocess.Popen` has of one.

    `stdin` is the end of a pipe that it reads, `stdout` of one that it writes, if we read that.
    """

    def __init__(self, nursery: "Nursery", pid: int, stdin: IO[str], stdout: IO[str] | None) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._nursery = nursery
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or minus the signal's number that ended it; None while it runs.

        Raises:
            MinibitError: nobody can tell any more.
        """
        if self._code is None:
            self._code = self._nursery.ask("signal", self.pid, 0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; not for an event loop.

        Raises:
            TimeoutExpired: it still runs after so many seconds.
            MinibitError: as `poll`.
        """
        end = None if timeout is None else time.monotonic() + timeout
        pause = LOOK_SECONDS
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(pause)
            pause = min(2 * pause, MAX_LOOK_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it this signal, unless it has ended."""
        if self._code is None:
            self._nursery.ask("signal", self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The nursery as its owner sees it; any thread may call it.

    Args:
        command: what to run for it: a program that calls `serve`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._lock = Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            # Ctrl-C is for us: we end our processes in our own order.
            self._server = subprocess.Popen(
                [*command, " " * TITLE_BYTES],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def spawn(self, arguments: Sequence[str], log: IO[str], *, heard: bool = False) -> Process:
        """Start a process with these arguments, in a session of its own.

        What it says goes to `log`; with `heard`, its standard output is for us to read.

        Raises:
            MinibitError: the nursery is gone.
        """
        stdin, ours = os.pipe()
        words, stdout = os.pipe() if heard else (None, log.fileno())
        try:
            pid = self.ask("spawn", *arguments, descriptors=[stdin, stdout, log.fileno()])
        except BaseException:
            for descriptor in (ours, words):
                if descriptor is not None:
                    os.close(descriptor)
            raise
        finally:
            os.close(stdin)
            if heard:
                os.close(stdout)
        return Process(self, pid, open(ours, "w"), None if words is None else open(words))

    def ask(self, *words: Any, descriptors: Sequence[int] = ()) -> Any:
        """What the nursery answers.

        Raises:
            MinibitError: it is gone.
        """
        with self._lock:
            try:
                _put(self._socket, words, descriptors)
                answer = _get(self._socket)
            except OSError:
                answer = None
        if answer is None:
            raise MinibitError("the process that starts the others was ended by something else: start again")
        return answer[0][0]

    def close(self) -> None:
        """End it, at whatever it is; its processes are not ended by that."""
        self._socket.close()
        self._server.kill()
        self._server.wait()


def serve() -> list[str] | None:
    """Be the nursery whose socket is our standard input.

    Returns in each process that is forked, with the arguments that it is to run; and None in the nursery
    itself, in the end. Standard streams are then those that the process was given.
    """
    sock = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    entitle(["minibit", "nursery"])
    # What is here already is never garbage: to collect it would copy the pages that all processes share.
    gc.collect()
    gc.freeze()
    codes: dict[int, int | None] = {}
    while (asked := _get(sock)) is not None:
        (act, *words), descriptors = asked
        if act == "spawn":
            pid = os.fork()
            if not pid:
                sock.close()
                _become(descriptors)
                entitle(["minibit", *words])
                return words
            codes[pid] = None
            answer: int | None = pid
        else:
            pid, number = words
            answer = codes[pid] = codes[pid] if codes[pid] is not None else _code_of(pid)
            if answer is None and number:
                os.kill(pid, number)  # it is ours, and not waited for: nobody else has its number
        for descriptor in descriptors:
            os.close(descriptor)
        _put(sock, [answer])
    sock.close()
    return None


def entitle(words: Sequence[str]) -> None:
    """Have `ps` show this command line, as far as there is room in what the process was started with.

    A command line is a piece of a process's own memory, and Linux says which (proc(5), *stat*, arg_start).
    """
    with suppress(OSError, IndexError):  # elsewhere, or where we may not: it is but a title
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, room = int(fields[45]), int(fields[46]) - int(fields[45])
        title = "\0".join(words).encode(errors="replace")[: room - 1].ljust(room, b"\0")
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(title)


def _become(descriptors: Sequence[int]) -> None:
    """Be a process of its own, with these as standard streams."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _code_of(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _put(sock: socket.socket, words: Sequence[Any], descriptors: Sequence[int] = ()) -> None:
    body = json.dumps(words).encode()
    socket.send_fds(sock, [_LENGTH.pack(len(body))], descriptors)
    sock.sendall(body)


def _get(sock: socket.socket) -> tuple[list[Any], list[int]] | None:
    """What was put, with its descriptors; None if the other side is gone."""
    head, descriptors, _, _ = socket.recv_fds(sock, _LENGTH.size, 3)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = sock.recv(length, socket.MSG_WAITALL)
    return (json.loads(body), list(descriptors)) if len(body) == length else None
