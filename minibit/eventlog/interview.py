"""A running peer is asked what it remembers: over a socket in a folder that only its own user can enter.

Whoever connects is handed an event log and hung up on; nothing that he says is read. No port is opened, so
nobody on another machine, and no other user of this one, can ask.
"""

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from types import TracebackType
from typing import Final, Self

from minibit.errors import MinibitError

MAX_ANSWERED: Final = 4  # who are told at a time; the next ones are hung up on
TELL_SECONDS: Final = 10.0
ASK_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 0.5  # for so long one answer serves all who ask
MAX_ANSWER: Final = 64 << 20  # bytes that we take for an answer


def meeting_place(info_hash: str, port: int) -> Path:
    """Where the peer of this share that listens on `port` of this machine can be asked."""
    return Path(gettempdir()) / f"minibit-{os.getuid()}" / f"{info_hash[:12]}-{port}"


class Interview:
    """Answers with what `recall` gives, an event log as text, within `async with`.

    Args:
        tell: called with a line if nobody can ask.
    """

    def __init__(self, place: Path, recall: Callable[[], str], *, tell: Callable[[str], None]) -> None:
        self._place = place
        self._recall = recall
        self._tell = tell
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._said = b""
        self._said_at = float("-inf")

    async def __aenter__(self) -> Self:
        try:
            _enter(self._place.parent)
            try:
                # Not serving yet: cancelled within this call, we would lose a socket that listens.
                server = await asyncio.start_unix_server(self._asked, _free(self._place), start_serving=False)
            except OSError:  # a path too long for a socket, say
                _leave(self._place.parent)
                raise
            try:
                await server.start_serving()
            except BaseException:
                self._close(server)
                raise
            self._server = server
        except OSError as error:
            self._tell(f"minibit why cannot ask this peer while it runs ({error.strerror or error})")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._close(self._server)

    def _close(self, server: asyncio.Server) -> None:
        server.close()
        with suppress(FileNotFoundError):
            self._place.unlink()
        _leave(self._place.parent)
        for task in self._answering:
            task.cancel()

    def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002
        if len(self._answering) >= MAX_ANSWERED:
            writer.transport.abort()
            return
        task = asyncio.ensure_future(self._answer(writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at > FRESH_SECONDS:
            self._said, self._said_at = self._recall().encode("utf-8", "replace"), now
        writer.write(self._said)
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):  # he has left, or does not listen
            writer.transport.abort()


async def ask(place: Path, who: str) -> bytes:
    """What the peer there remembers, as an event log.

    Raises:
        MinibitError: nobody answers there.
    """
    answer = bytearray()
    try:
        async with asyncio.timeout(ASK_SECONDS):
            _enter(place.parent)
            reader, writer = await asyncio.open_unix_connection(place)
            try:
                while part := await reader.read(1 << 16):
                    answer += part
                    if len(answer) > MAX_ANSWER:
                        raise OSError("an endless answer")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        raise MinibitError(
            f"{who} cannot be asked from here: that takes its own machine and its own user; elsewhere, start "
            "it with --log FILE, and ask minibit why FILE"
        ) from None
    return bytes(answer)


def _enter(folder: Path) -> None:
    """Make sure that this folder is ours alone: the one above it belongs to everybody.

    Raises:
        OSError: it is somebody else's, or open to others.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{folder} is not this user's alone")


def _leave(folder: Path) -> None:
    with suppress(OSError):  # others of ours are in it, or it was never made
        folder.rmdir()


def _free(place: Path) -> Path:
    """`place`, cleared of what a peer that was killed has left there.

    Raises:
        OSError: somebody alive is there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(place))
        except FileNotFoundError:
            return place
        except ConnectionRefusedError:
            place.unlink()
            return place
    raise OSError(f"somebody answers at {place} already")
