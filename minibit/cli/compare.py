"""`minibit compare`: strategies held against each other over paired runs."""

import asyncio
import csv
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from minibit import __version__
from minibit.cli.options import NURSERY
from minibit.cli.running import finish, to_the_end
from minibit.cli.spreading import spread
from minibit.errors import MinibitError, UsageError
from minibit.lab.casting import refined, refuse_live
from minibit.lab.contest import Contest, contenders, document, report, standings, table
from minibit.lab.nursery import Nursery
from minibit.lab.place import prepare, write_share
from minibit.lab.processes import SwarmProcesses, SwarmSettings
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import load
from minibit.lab.trial import Looks, Trial, simulated, trial
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.plots import plot, plottable
from minibit.screen.report_table import report_lines, report_table
from minibit.units import count

LIVE_STALL_SECONDS: Final = 120.0


def run_compare(
    *,
    scenario: str,
    picking: str | None,
    choking: str | None,
    runs: int,
    peers: int | None,
    seed: int,
    live: bool,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    csv_file: Path | None,
    plot_file: Path | None,
) -> None:
    """Play every contender's runs, and say how they came out; `seed` is the first one's."""
    contest = Contest(
        refined(load(scenario), peers=peers), contenders(picking, choking), tuple(range(seed, seed + runs))
    )
    played = contest.scenarios()
    if live:
        for each in played:
            refuse_live(each)
    if plot_file is not None:
        plottable(plot_file)
    if csv_file is not None and not csv_file.parent.is_dir():
        raise UsageError(f"--csv: there is no folder {str(csv_file.parent)!r}: make it first")
    interrupt = Interrupt()
    complete = True

    async def hold(display: Display) -> None:
        nonlocal complete
        where = "live" if live else "simulated" if dask is None else f"simulated by {dask}"
        display.tell(
            f"{contest.scenario.name}: {count(len(contest.contenders), 'contender')}, "
            f"{count(runs, 'run')} each, {where} …"
        )
        if live:
            trials = await _live(played, display, interrupt)
        else:
            tasks = [(each, 1) for each in played]
            work = partial(simulated, version=__version__)
            trials = await spread(work, tasks, display, "comparing", jobs=jobs, dask=dask)
        standing = standings(contest, trials)
        told = report(contest, standing)
        display.final(lambda: report_table(told), lambda: report_lines(told))
        display.document(document(contest, standing, live=live))
        if csv_file is not None:
            _write(csv_file, table(standing))
            display.tell(f"a line per run is in {csv_file}")
        if plot_file is not None:
            plot(told, plot_file)
            display.tell(f"the picture is {plot_file}")
        complete = all(each.complete for each in trials)

    with Display(as_json=as_json) as display:
        finish(interrupt, hold(display), display, waits_for="the runs to end")
    if not complete:
        raise MinibitError("not every run became complete: the figures that this leaves open are dashes")


async def _live(played: Sequence[Scenario], display: Display, interrupt: Interrupt) -> list[Trial]:
    """One after another: two at once would take each other's time."""
    progress = display.progress("comparing")
    trials = []
    for number, scenario in enumerate(played):
        progress(number, len(played))
        folder = Path(tempfile.mkdtemp(prefix="minibit-compare-"))
        try:
            trials.append(await _play(scenario, folder, interrupt.event.is_set))
        finally:
            await to_the_end(partial(shutil.rmtree, folder, ignore_errors=True))
    progress(len(played), len(played))
    return trials


async def _play(scenario: Scenario, folder: Path, stop: Callable[[], bool]) -> Trial:
    source = await asyncio.to_thread(write_share, folder, "share.bin", scenario.size)
    settings = SwarmSettings(
        peers=scenario.newcomers(),
        share=source,
        folder=folder,
        block_size=scenario.block_size,
        origin=scenario.origin,
        grant="-".join(f"{100 * part:.0f}" for part in scenario.grant),
        stall_timeout=LIVE_STALL_SECONDS,
        seed=scenario.seed,
    )
    remarks: list[str] = []
    nursery = Nursery(NURSERY)
    processes = SwarmProcesses(settings, nursery, tell=remarks.append)
    prepare(folder, source, processes.names)
    looks = Looks(scenario)
    try:
        await processes.start(lambda _done, _total: None)
        await processes.watch(
            lambda view: (
                looks.look(processes.elapsed, [row.blocks for row in view.peers])
                if processes.elapsed >= looks.next
                else None
            )
        )
        summary = await processes.verify(lambda _done, _total: None, stop)
    except MinibitError as error:
        raise type(error)(f"seed {scenario.seed}: {error}") from error
    finally:
        await to_the_end(processes.stop)
        await to_the_end(nursery.close)
    return trial(scenario, summary, looks.taken)


def _write(path: Path, lines: Sequence[Sequence[object]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)
    except OSError as error:
        raise UsageError(
            f"--csv: cannot write {str(path)!r} ({error.strerror}): choose another place"
        ) from None
