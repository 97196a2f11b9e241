"""How a command's work runs: on a loop, shown meanwhile, ended by a signal, its exit code in the end."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from minibit.net.pace import PacedLoop
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display

GARBAGE: Final = 20_000  # new objects before it is looked for; Python's 700 are a few messages
PATIENCE: Final = 0.5  # s of tidying that nobody need be told of


def finish(
    interrupt: Interrupt,
    work: Coroutine[Any, Any, None],
    display: Display,
    *,
    waits_for: str,
    until_eof: bool = False,
) -> None:
    """Run `work`; an interruption ends the process with its exit code, after everything was tidied.

    The terminal is as it was from the moment of the interruption on; if tidying takes longer than that
    should, a line says that it waits for `waits_for`. Work whose output nobody can read is interrupted too.
    """

    def ending() -> None:
        display.settle()
        said = f"ending: waiting for {waits_for}; Ctrl-C again ends at once"
        asyncio.get_running_loop().call_later(PATIENCE, display.tell, said)

    interrupt.on_end = ending
    # What the modules are made of stays to the end: no search for garbage need pass through it again.
    # What runs for long makes some.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    display.outlet.on_failure = lambda: interrupt.end_soon(display.outlet.code)
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        code = runner.run(interrupt.guard(work, until_eof=until_eof))
    if code:
        raise SystemExit(code)


async def framed(work: Coroutine[Any, Any, None], frame: Callable[[], None], seconds: float) -> None:
    """Do `work`, and call `frame` every so many seconds meanwhile, and once at the end."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            frame()
            await asyncio.wait([task], timeout=seconds)
        frame()
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    task.result()


async def to_the_end(work: Callable[[], None]) -> None:
    """`work`, done in a thread and waited for even by those who are cancelled meanwhile, or just before."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled = False
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            cancelled = True
    done.result()
    if cancelled:
        raise asyncio.CancelledError
