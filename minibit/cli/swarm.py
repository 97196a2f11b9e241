"""`minibit swarm`: a whole swarm on this machine, watched, and every copy verified; or simulated."""

import asyncio
import platform
import shutil
import tempfile
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

from minibit import __version__, registry
from minibit.cli.running import finish, to_the_end
from minibit.cli.simulate import run_simulation
from minibit.disk import sample
from minibit.disk.share import left_out, survey
from minibit.errors import MinibitError, StrategyError, UsageError
from minibit.eventlog.writing import claim
from minibit.lab.casting import refined, refuse_live
from minibit.lab.nursery import Nursery
from minibit.lab.place import prepare, write_share
from minibit.lab.processes import SwarmProcesses, SwarmSettings
from minibit.lab.scenario import Scenario, plain
from minibit.lab.scenario_file import listed, load, to_document
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.lines import plain_summary, plain_swarm
from minibit.screen.swarm_table import summary_table, swarm_table
from minibit.text import one_line
from minibit.units import count, rate, size

DEFAULT_PEERS: Final = 5
SAMPLE_UPLOAD: Final = 1 << 20  # bytes per second: slow enough to watch
MAX_SEED: Final = 1_000_000  # of those that are drawn: a person may have to type it
WORTH_SAYING: Final = 1 << 30  # bytes that nobody wants written unannounced


def list_scenarios(*, as_json: bool) -> None:
    """Say which scenarios ship with MiniBit."""
    with Display(as_json=as_json) as display:
        width = max(len(name) for name, _ in listed())
        display.final(lambda: "", lambda: ())
        for name, about in listed():
            display.tell(f"{name:{width}}  {about}")
        display.document({"scenarios": [{"name": name, "about": about} for name, about in listed()]})


def run_swarm(
    nursery: Nursery | None,
    *,
    scenario: str | None,
    peers: int | None,
    share: Path | None,
    directory: Path | None,
    upload_limit: float | None,
    download_limit: float | None,
    picking: str | None,
    choking: str | None,
    grant: tuple[float, float] | None,
    block_size: int | None,
    stall_timeout: float | None,
    seed: int | None,
    log: Path | None,
    as_json: bool,
    speed: float | None,
) -> None:
    """Run a swarm of processes from `nursery`, verify its copies, and leave nothing running; or simulate it.

    What is None is as the scenario says, or, without one, as it is by default.
    """
    if log is not None:
        claim(log)
    length, skipped = (None, ()) if share is None else survey(share)
    if scenario is not None:
        played = refined(
            load(scenario),
            peers=peers,
            upload=upload_limit,
            download=download_limit,
            picking=picking,
            choking=choking,
            grant=grant,
            size=length,
            block_size=block_size,
            seed=seed,
        )
    else:
        default_rate = SAMPLE_UPLOAD if share is None else 0.0
        drawn = SystemRandom().randrange(MAX_SEED) if seed is None else seed
        played = plain(
            peers or DEFAULT_PEERS,
            sample.SAMPLE_SIZE if length is None else length,
            block_size or (sample.SAMPLE_BLOCK_SIZE if share is None else None),
            upload=default_rate if upload_limit is None else upload_limit,
            download=download_limit or 0.0,
            picking=picking or "rarest-first",
            choking=choking or "tit-for-tat",
            grant=grant or (0.3, 0.5),
            seed=drawn,
        )
    for kind in played.classes:
        registry.picking(kind.picking)
        registry.choking(kind.choking)
    registry.choking(played.origin.choking)
    if nursery is None:
        run_simulation(played, skipped, speed=speed, log=log, as_json=as_json)
        return
    refuse_live(played)
    kept = block_size if share is not None and scenario is None else played.block_size
    # A scenario has a seed, given or not; a swarm without one draws as each process pleases.
    kept_seed = seed if scenario is None else played.seed
    _run_processes(
        nursery,
        played,
        share,
        directory,
        kept,
        kept_seed,
        stall_timeout=stall_timeout,
        log=log,
        as_json=as_json,
    )


def _run_processes(
    nursery: Nursery,
    scenario: Scenario,
    share: Path | None,
    directory: Path | None,
    block_size: int | None,
    seed: int | None,
    *,
    stall_timeout: float | None,
    log: Path | None,
    as_json: bool,
) -> None:
    interrupt = Interrupt()
    folder = directory or Path(tempfile.mkdtemp(prefix="minibit-swarm-"))
    complete = failed = False
    if directory is None:
        interrupt.on_abandon = lambda: _remove_copies(folder, keep_logs=failed)

    async def watch(display: Display) -> None:
        nonlocal complete, failed
        if share is not None:
            source = share
        elif scenario.size == sample.SAMPLE_SIZE:
            source = await asyncio.to_thread(sample.cached_sample)
        else:
            source = await asyncio.to_thread(write_share, folder, f"{scenario.name}-share.bin", scenario.size)
        settings = SwarmSettings(
            peers=scenario.newcomers(),
            share=source,
            folder=folder,
            block_size=block_size,
            origin=scenario.origin,
            grant="-".join(f"{100 * part:.0f}" for part in scenario.grant),
            stall_timeout=stall_timeout,
            seed=seed,
            log=log,
            described=_described(scenario, seed),
        )
        processes = SwarmProcesses(settings, nursery, tell=display.tell)
        writes, skipped = prepare(folder, source, processes.names)
        if skipped:
            display.tell(left_out(skipped))
        if writes > WORTH_SAYING:
            display.tell(f"the copies will take {size(writes)} in {folder}")
        display.tell(f"starting a tracker with {one_line(source.name)} and {count(scenario.peers, 'peer')} …")
        note = _note(scenario, share)
        try:
            await processes.start(display.progress("hashing"))
            name = processes.names[0]
            display.tell(f"ask meanwhile: minibit why --peer {name} --tracker {processes.url}")
            await processes.watch(
                lambda view: display.show(
                    lambda lines: swarm_table(view, elapsed=processes.elapsed, note=note, max_lines=lines),
                    lambda: plain_swarm(view, elapsed=processes.elapsed),
                )
            )
            display.freeze()
            progress = display.progress("verifying every copy")
            summary = await processes.verify(progress, interrupt.event.is_set)
            complete, failed = summary.identical, not summary.identical
            display.final(lambda: summary_table(summary), lambda: plain_summary(summary))
            display.document(
                summary.to_json()
                | {
                    "minibit": __version__,
                    "python": platform.python_version(),
                    "path": str(source),
                    "scenario": settings.described,
                }
            )
        except MinibitError as error:
            failed = isinstance(error, StrategyError) or not isinstance(error, UsageError)
            if isinstance(error, StrategyError):
                trace = error.trace.splitlines()
                display.document({"error": str(error), "traceback": trace, "logs": str(folder)})
            if failed and directory is None:
                display.tell(f"the logs are kept in {folder}; --dir DIR keeps the copies too")
            raise
        finally:
            await to_the_end(processes.stop)
            if log is not None:
                display.tell(f"what happened is in {log}: minibit replay {log}")
        if directory is not None:
            display.tell(f"files and logs are in {folder}")
        else:
            kept = f", the logs are kept in {folder}" if failed else ""
            display.tell(f"the copies were in a temporary folder and are removed{kept}; --dir DIR keeps them")

    try:
        with Display(as_json=as_json) as display:
            finish(interrupt, watch(display), display, waits_for="every process")
    finally:
        if directory is None:
            _remove_copies(folder, keep_logs=failed)
    if not complete:
        raise SystemExit(1)


def _described(scenario: Scenario, seed: int | None) -> dict[str, Any]:
    """What was played, without what a live run does not decide."""
    document = to_document(scenario) | {"seed": seed}
    for key in ("latency", "neighbours"):
        del document[key]
    return document


def _remove_copies(folder: Path, *, keep_logs: bool) -> None:
    """Remove a temporary folder, all of it or all but the logs of what went wrong."""
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for copy in folder.iterdir():
        if copy.is_dir():
            shutil.rmtree(copy, ignore_errors=True)


def _note(scenario: Scenario, share: Path | None) -> str:
    """What the live table says below."""
    if scenario.about:
        return f"{scenario.name}: {scenario.about}"
    upload = scenario.origin.upload
    if not upload:
        return ""
    limited = f"each upload limited to {rate(upload)}"
    return f"{limited}, slow enough to watch; --share PATH goes unlimited" if share is None else limited
