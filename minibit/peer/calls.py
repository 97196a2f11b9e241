"""Calls that block, in a thread of their own and awaited on the loop, with replies bounded in bytes and time.

Whom they go to, over which library, and what they mean, is unknown here.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from minibit.errors import TrackerUnreachableError
from minibit.text import one_line, plain_text

LATE: Final = "it did not finish in time"
PART: Final = 64 * 1024  # bytes of a body that are read at a time

T = TypeVar("T")


class Calls:
    """Calls to `place`, one at a time."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._worker: _Worker | None = None

    async def within(self, seconds: float, work: Callable[[], T]) -> T:
        """`work`, done in the thread, which is left behind if that takes too long or is cancelled.

        A socket's timeout bounds the silence between two bytes, not how long names, headers and bodies take.

        Raises:
            TrackerUnreachableError: it takes too long.
        """
        self._worker = self._worker or _Worker()
        try:
            async with asyncio.timeout(seconds):
                return await self._worker.do(work)
        except TimeoutError:
            self.close()
            raise silence(self._place, LATE) from None
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Lets the thread end; a later call would start another one."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class _Worker:
    """A daemon thread that does one piece of work after another, until its `end()`."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name="tracker-calls", daemon=True).start()

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` gives or raises; a result that nobody waits for any more is dropped."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def tell(report: Callable[[Any], None], value: object) -> None:
            if not outcome.done():
                report(value)

        def attempt() -> None:
            try:
                told = partial(tell, outcome.set_result, work())
            except Exception as error:
                told = partial(tell, outcome.set_exception, error)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(told)

        self._work.put(attempt)
        return await outcome

    def end(self) -> None:
        """The thread ends when its current work is done; returns at once."""
        self._work.put(None)

    def _run(self) -> None:
        while attempt := self._work.get():
            attempt()


def bounded(parts: Iterable[bytes], encoding: str | None, limit: int, seconds: float) -> bytes:
    """A body that comes in these parts, of at most `limit` bytes, if it does within so many seconds.

    Args:
        encoding: what its `Content-Encoding` says.

    Raises:
        ValueError: it is none that we asked for, too long, or comes too slowly; and what `parts` raises.
    """
    # Compressed replies were not asked for, and are how a small reply becomes a large one.
    if encoding not in (None, "identity"):
        raise ValueError("a compressed reply")
    content, end = bytearray(), time.monotonic() + seconds
    for part in parts:
        content += part
        if time.monotonic() >= end:
            raise ValueError(LATE)  # and nobody waits for it any more
        if len(content) > limit:
            raise ValueError(f"a reply of more than {limit // (1024 * 1024)} MiB")
    return bytes(content)


def silence(url: str, why: str) -> TrackerUnreachableError:
    return TrackerUnreachableError(
        one_line(f"no answer from the tracker at {url} ({why}): is it running there?")
    )


def cause(error: BaseException) -> str:
    """The plain reason at the bottom of the pile of exceptions that a library makes of it."""
    if any(isinstance(below, TimeoutError) for below in causes(error)):
        return "timed out"
    for below in causes(error):
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
    return plain_text(str(error), 120)


def causes(error: BaseException) -> Iterator[BaseException]:
    below: BaseException | None = error
    while below is not None:
        yield below
        below = below.__cause__ or below.__context__
