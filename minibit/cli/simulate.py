"""`minibit swarm --simulate`: a swarm in virtual time, as fast as it goes or at a speed to watch."""

import asyncio
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from minibit import __version__
from minibit.cli.running import finish
from minibit.disk.share import left_out
from minibit.errors import MinibitError
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import to_document
from minibit.lab.simulated_log import SimulatedLog
from minibit.lab.simulator import Simulation
from minibit.peer.ending import Interrupt
from minibit.screen.display import FRAME_SECONDS, Display
from minibit.screen.lines import plain_summary, plain_swarm
from minibit.screen.swarm_table import summary_table, swarm_table
from minibit.units import count

EVENTS_PER_TURN: Final = 200  # between two looks at the clock: in a large swarm an event is long
BEHIND: Final = 1.0  # s by which a pace may lag unsaid
BREATH: Final = 0.001  # s for the loop to hear of Ctrl-C


def run_simulation(
    scenario: Scenario, skipped: Sequence[Path], *, speed: float | None, log: Path | None, as_json: bool
) -> None:
    """Play `scenario` in virtual time; `speed` is virtual seconds per second, None as fast as it goes.
    `skipped` is what of the share whose size it has is left out, which is said."""
    remarks: list[str] = []
    events = None if log is None else SimulatedLog(log, scenario, tell=remarks.append)
    simulation = Simulation(scenario, events)
    if events is not None:
        events.keep_time(simulation.clock)
    interrupt = Interrupt()
    fault = ""

    async def watch(display: Display) -> None:
        nonlocal fault
        if scenario.about:
            display.tell(f"{scenario.name}: {scenario.about}")
        if skipped:
            display.tell(left_out(skipped))
        display.tell(f"simulating {count(scenario.peers, 'peer')}, seed {scenario.seed} …")
        began = time.monotonic()
        try:
            if speed is None:
                await _hurry(simulation, display)
            else:
                await _keep_pace(simulation, display, speed)
        finally:
            display.freeze()
            if events is not None:
                events.close(simulation.now)
                for line in remarks or [f"what happened is in {log}: minibit replay {log}"]:
                    display.tell(line)
        summary = simulation.summary()
        display.final(lambda: summary_table(summary), lambda: plain_summary(summary))
        display.tell(
            f"simulated: {simulation.clock.events:,} events in {time.monotonic() - began:.1f} s; "
            "no byte was moved"
        )
        display.document(
            summary.to_json()
            | {
                "minibit": __version__,
                "python": platform.python_version(),
                "scenario": to_document(scenario),
            }
        )
        fault = "" if summary.identical else simulation.lacking

    with Display(as_json=as_json) as display:
        finish(interrupt, watch(display), display, waits_for="the event log")
    if fault:
        raise MinibitError(f"after {simulation.now:.0f} simulated seconds this swarm cannot finish: {fault}")


async def _hurry(simulation: Simulation, display: Display) -> None:
    progress = display.progress("simulating")
    shown = 0.0
    while not simulation.over:
        simulation.run(float("inf"), EVENTS_PER_TURN)
        if time.monotonic() - shown > FRAME_SECONDS:
            shown = time.monotonic()
            progress(*simulation.progress)
            await asyncio.sleep(BREATH)
    progress(1, 1)


async def _keep_pace(simulation: Simulation, display: Display, speed: float) -> None:
    began = time.monotonic()
    next_frame = 0.0
    while not simulation.over:
        passed = time.monotonic() - began
        in_time = simulation.run(speed * passed, EVENTS_PER_TURN)
        if passed >= next_frame or simulation.over:
            next_frame = passed + FRAME_SECONDS
            _draw(simulation, pace_kept(speed, simulation.now, passed), display)
        await asyncio.sleep(FRAME_SECONDS / 10 if in_time else BREATH)


def _draw(simulation: Simulation, note: str, display: Display) -> None:
    now = simulation.now
    display.show(
        lambda lines: swarm_table(simulation.status(), elapsed=now, note=note, max_lines=lines),
        lambda: plain_swarm(simulation.status(), elapsed=now),
    )


def pace_kept(speed: float, now: float, passed: float) -> str:
    """At which pace virtual time passes, and whether that is the one that was asked for."""
    if speed * (passed - BEHIND) <= now:
        return f"simulated, {speed:g} × real time"
    return f"simulated, {now / passed:.1f} × real time: {speed:g} × is more than this machine can do"
