"""`minibit replay`: the table of a swarm again, from its event log."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from minibit.cli.running import finish
from minibit.eventlog.reading import Reader
from minibit.lab.replay import Replay
from minibit.peer.ending import Interrupt
from minibit.screen.display import FRAME_SECONDS, PLAIN_SECONDS, Display
from minibit.screen.keys import pressed
from minibit.screen.lines import plain_swarm
from minibit.screen.playback import Playback
from minibit.screen.sentences import stall_lines
from minibit.screen.swarm_table import swarm_table
from minibit.snapshot import SwarmStatus

END: Final = float("inf")


def run_replay(file: Path, *, speed: float, at: float | None, as_json: bool) -> None:
    """Show one moment if `at` says which, or if there is to be a document; else all of them."""
    interrupt = Interrupt()

    async def show(display: Display) -> None:
        with Reader(file) as reader:
            replay = Replay(reader)
            if at is not None or as_json:
                view = await _reach(replay, END if at is None else at)
                display.document(view.to_json() | {"stalled": replay.stalls})
                halts = stall_lines(replay.stalls)
                display.final(lambda: swarm_table(view, stalls=halts), lambda: [*plain_swarm(view), *halts])
            elif display.live:
                await _play(replay, Playback(speed), display)
            else:
                await _run_through(replay, display)
            display.freeze()
            for remark in reader.remarks():
                if as_json:
                    print(f"minibit: {remark}", file=sys.stderr)
                display.tell(remark)

    with Display(as_json=as_json) as display:
        finish(interrupt, show(display), display, waits_for="the log")


async def _reach(replay: Replay, t: float) -> SwarmStatus:
    """The swarm at `t`; a long way there does not keep a Ctrl-C waiting."""
    while not replay.go_to(t):
        await asyncio.sleep(0)
    return replay.status()


async def _run_through(replay: Replay, display: Display) -> None:
    """Lines at every other second of the log, as fast as it goes, and at its end."""
    t, ended = 0.0, False
    while not ended:
        t += PLAIN_SECONDS
        view = await _reach(replay, t)
        ended = replay.ended
        for line in (*plain_swarm(view), *stall_lines(replay.stalls)):
            display.tell(line)


async def _play(replay: Replay, playback: Playback, display: Display) -> None:
    """The table in the time of the log, as the keys have it."""
    end = replay.end()
    hurry = asyncio.Event()

    def press(key: str) -> None:
        playback.press(key, end)
        hurry.set()

    with pressed(press) as keys:
        before = time.monotonic()
        while not playback.over:
            view = await _reach(replay, playback.position)
            _draw(view, stall_lines(replay.stalls), playback.line(end, keys), display)
            if playback.position >= end and not keys:
                return
            hurry.clear()
            try:
                async with asyncio.timeout(FRAME_SECONDS):
                    await hurry.wait()
            except TimeoutError:
                end = replay.end()
            now = time.monotonic()
            playback.elapse(now - before, end)
            before = now


def _draw(view: SwarmStatus, stalls: list[str], note: str, display: Display) -> None:
    display.show(
        lambda lines: swarm_table(view, stalls=stalls, note=note, max_lines=lines), lambda: plain_swarm(view)
    )
