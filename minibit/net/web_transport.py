"""A web seed (BEP 19) as a transport: what would go to a neighbour becomes HTTP, done in a thread.

How a range is fetched is unknown here: `Source` does that. One range is fetched at a time, and no more is
held than the engine has asked for.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

from minibit.errors import MinibitError, RemoteProtocolError
from minibit.net.transport import Buffer
from minibit.wire.web_remote import Run, WebRemote

STUCK_SECONDS: Final = 20.0  # how long nothing of a range may come, 16 KiB at a time


class Source(Protocol):
    """Where the bytes of the share come from; it waits, so it is called in a thread."""

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """These bytes of the share, in pieces as they come.

        Raises:
            MinibitError: they cannot be had, and why.
        """

    def close(self) -> None:
        """Let go of what was held for the next call."""

    def abort(self) -> None:
        """Break off a call of `read`; called in another thread."""


class WebTransport:
    """The near end of a connection to `remote`, whose bytes come from `source`.

    `more` gives the blocks that the engine is to be shown besides, when it has asked for all it was shown.
    `failure` is why it ended by itself, "" unless it did; `left` whether we ended it, `closed`
    whether it is over.
    """

    def __init__(self, remote: WebRemote, source: Source, more: Callable[[], int]) -> None:
        self.remote = remote
        self._more = more
        self.failure = ""
        self.closed = False
        self._source = source
        self.left = False
        self._loop = asyncio.get_running_loop()
        self._runs: SimpleQueue[Run | None] = SimpleQueue()
        self._fetching = False
        self._stuck: asyncio.TimerHandle | None = None
        self._on_data: Callable[[], None] = lambda: None
        self._hearing = True
        self._wake: asyncio.Handle | None = None

    def start(self, on_data: Callable[[], None], on_room: Callable[[], None]) -> None:
        del on_room  # there is always room: what we say is short
        self._on_data = on_data
        Thread(target=self._fetch_all, name="web-seed", daemon=True).start()
        self._look()

    def receive(self, buffer: memoryview) -> int | None:
        """As `Transport.receive`.

        Raises:
            RemoteProtocolError: the server is of no use, and why.
        """
        said = self.remote.said
        if not said:
            if self.failure:
                raise RemoteProtocolError(self.failure)
            return 0 if self.left else None
        count = min(len(said), len(buffer))
        buffer[:count] = said[:count]
        del said[:count]
        self._look()
        return count

    def send(self, parts: Sequence[Buffer]) -> int:
        data = b"".join(parts)
        self.remote.hear(data)
        self._go_on()
        return len(data)

    def ask_data(self, wanted: bool) -> None:
        self._hearing = wanted
        self._look()

    def ask_room(self, wanted: bool) -> None:
        """There is always room, so nobody has to be told."""

    def show_more(self) -> None:
        """Offer the engine more blocks, unless it has still to be given what it asked for."""
        if self.remote.idle and not self.closed:
            self.remote.show(self._more())
            self._look()

    def leave(self) -> None:
        """End the connection as if the other side did."""
        self.left = True
        self._look()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for handle in (self._wake, self._stuck):
                if handle is not None:
                    handle.cancel()
            self._runs.put(None)
            self._source.abort()

    # --- on the loop

    def _look(self) -> None:
        """See to it that `on_data` is called while there is something to receive."""
        waiting = bool(self.remote.said or self.failure or self.left)
        if waiting and self._hearing and self._wake is None and not self.closed:
            self._wake = self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._wake = None
        if self._hearing:
            self._on_data()

    def _go_on(self) -> None:
        self._look()
        if not (self._fetching or self.closed or self.failure):
            run = self.remote.next_run()
            if run is not None:
                self._fetching = True
                self._patience()
                self._runs.put(run)
                self.show_more()

    def _patience(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
        self._stuck = self._loop.call_later(
            STUCK_SECONDS, self._fail, f"nothing came for {STUCK_SECONDS:g} s"
        )

    def _came(self, data: bytes) -> None:
        if not self.closed:
            self.remote.came(data)
            self._patience()
            self._look()

    def _done(self) -> None:
        self._fetching = False
        if self._stuck is not None:
            self._stuck.cancel()
        self._go_on()

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self._look()

    # --- in the thread

    def _fetch_all(self) -> None:
        while (run := self._runs.get()) is not None:
            try:
                for data in self._source.read(run.offset, run.length):
                    if self.closed:
                        break
                    self._post(partial(self._came, data))
                else:
                    self._post(self._done)
            except MinibitError as error:
                self._post(partial(self._fail, str(error)))
        self._source.close()

    def _post(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)
