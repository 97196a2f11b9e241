"""`minibit chaos`: swarms under misfortune, in virtual time, on every core."""

import platform
from functools import partial
from pathlib import Path

from minibit import __version__
from minibit.cli.running import finish
from minibit.errors import MinibitError
from minibit.eventlog.writing import claim
from minibit.lab import crew
from minibit.lab.campaign import Tally, Tried, runs, tried
from minibit.lab.faults import Mode
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.units import count


def run_chaos(
    *,
    first: int,
    seeds: int,
    modes: tuple[Mode, ...],
    jobs: int | None,
    dask: str | None,
    log: Path | None,
    as_json: bool,
) -> None:
    """Play these seeds, say what was found, and fail if anything was."""
    if log is not None:
        claim(log)
    wanted = runs(range(first, first + seeds), modes)
    tally = Tally()
    interrupt = Interrupt()

    async def work(display: Display) -> None:
        display.tell(f"{count(len(wanted), 'swarm')} under misfortune, {' and '.join(modes)} …")
        progress = display.progress("chaos")

        def done(_at: int, one: Tried) -> None:
            tally.add(one)
            if one.findings:
                display.tell("\n  ".join((f"seed {one.seed}, {one.mode}:", *one.findings)))
                if log is None:
                    display.tell(f"  again: {one.again}")
            progress(tally.runs, len(wanted))

        progress(0, len(wanted))
        try:
            await crew.spread(partial(tried, log=log), wanted, jobs=jobs, dask=dask, done=done)
        finally:  # what an interrupted one has found is worth as much
            display.freeze()
            display.final(lambda: "\n".join(tally.lines()), tally.lines)
        if log is not None:
            display.tell(f"what happened is in {log}: minibit replay {log}")
        display.document(
            {"minibit": __version__, "python": platform.python_version(), "first": first, "seeds": seeds}
            | tally.to_json()
        )

    with Display(as_json=as_json) as display:
        finish(interrupt, work(display), display, waits_for="the runs to end")
    if tally.bad:
        raise MinibitError(f"{count(len(tally.bad), 'run')} of {tally.runs} found what should not be")
