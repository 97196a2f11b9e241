"""How a command's work runs: on a loop, shown meanwhile, ended by a signal, its exit code in the end."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from minibit.peer.ending import Interrupt

FRAME_SECONDS: Final = 0.25


def finish(interrupt: Interrupt, work: Coroutine[Any, Any, None], *, until_eof: bool = False) -> None:
    """Run `work`; an interruption ends the process with its exit code, after everything was tidied."""
    code = asyncio.run(interrupt.guard(work, until_eof=until_eof))
    if code:
        raise SystemExit(code)


async def framed(work: Coroutine[Any, Any, None], frame: Callable[[], None]) -> None:
    """Do `work`, and call `frame` four times a second meanwhile, and once at the end."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            frame()
            await asyncio.wait([task], timeout=FRAME_SECONDS)
        frame()
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    task.result()
