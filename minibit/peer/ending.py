"""How a command ends before its work does: Ctrl-C, SIGTERM, a closed terminal, or the end of standard input.

The last is how a peer outlives its swarm by no more than a moment, however the swarm ends: the swarm
holds the other end of a pipe, and the kernel closes it even when the swarm is killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Final

IMPATIENCE: Final = 0.5  # s: a wrapper may pass on a Ctrl-C that the terminal sent to us as well
TIDYING_SECONDS: Final = 1.0  # for what is tidied even when nothing more is waited for
GRACE_SECONDS: Final = 8.0  # how long goodbyes may take once standard input has ended


class Interrupt:
    """Asks the work of this process to end. `event` tells threads, which cannot be cancelled.

    `on_end` is called on the loop as soon as the work is asked to end, before it tidies up; `on_abandon` in a
    thread, for a second at most, when tidying up is not waited for.
    """

    def __init__(self) -> None:
        self.event = Event()
        self.code = 0
        self.on_end: Callable[[], None] = lambda: None
        self.on_abandon: Callable[[], None] | None = None
        self._interrupted = float("inf")  # when Ctrl-C was pressed first
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def guard(self, work: Coroutine[Any, Any, None], *, until_eof: bool = False) -> int:
        """Run `work` until it ends or is asked to; returns the exit code: 0, or 128 and the signal's number.

        With `until_eof`, the end of standard input ends the work too, with 0.
        """
        loop = self._loop = asyncio.get_running_loop()
        self._task = loop.create_task(work)
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup, which means it
            signals.append(signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self._signalled, number, loop.time)
        if until_eof:
            Thread(target=self._await_eof, name="minibit-eof", daemon=True).start()
        try:
            await self._task
        except asyncio.CancelledError:
            if not self.event.is_set():
                raise
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            if self.event.is_set():  # threads may keep the process for a while yet
                signal.signal(signal.SIGINT, lambda *_: self._signalled(signal.SIGINT, loop.time))
        return self.code

    def end(self, code: int = 0) -> None:
        """End the work, from the loop's thread; a second call changes nothing."""
        if not self.event.is_set():
            self.code = code
            self.event.set()
            self.on_end()
            if self._task is not None:
                self._task.cancel()

    def end_soon(self, code: int) -> None:
        """`end`, from any thread; without a loop there is no work to end."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self.end, code)

    def _signalled(self, number: signal.Signals, clock: Callable[[], float]) -> None:
        """A second Ctrl-C ends the process at once: whoever presses it has seen that goodbyes hang."""
        if number is signal.SIGINT:
            if clock() - self._interrupted >= IMPATIENCE:
                if self.on_abandon is not None:  # what hangs may be the disk, so not here
                    thread = Thread(target=self.on_abandon, name="minibit-abandon", daemon=True)
                    thread.start()
                    thread.join(TIDYING_SECONDS)
                os._exit(128 + number)
            self._interrupted = min(self._interrupted, clock())
        self.end(128 + number)

    def _await_eof(self) -> None:
        with suppress(OSError):
            while sys.stdin is not None and os.read(sys.stdin.fileno(), 4096):
                pass
        self.end_soon(0)
        self._leave_anyway()

    def _leave_anyway(self) -> None:
        # Nobody is left who could end this process if its goodbyes hang.
        Event().wait(GRACE_SECONDS)
        os._exit(1)
