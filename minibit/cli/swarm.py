"""`minibit swarm`: a whole swarm on this machine, watched, and every copy verified."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from random import SystemRandom
from typing import Final

from minibit import registry
from minibit.cli import options
from minibit.cli.running import finish
from minibit.cli.simulate import run_simulation
from minibit.disk import sample
from minibit.disk.share import size_of
from minibit.eventlog.writing import claim
from minibit.lab.place import prepare
from minibit.lab.processes import SwarmProcesses, SwarmSettings
from minibit.lab.scenario import plain
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.lines import plain_summary, plain_swarm
from minibit.screen.swarm_table import summary_table, swarm_table
from minibit.units import rate, size

MAX_SEED: Final = 1_000_000  # of those that are drawn: a person may have to type it
WORTH_SAYING: Final = 1 << 30  # bytes that nobody wants written unannounced


def run_swarm(
    *,
    peers: int,
    share: Path | None,
    directory: Path | None,
    upload_limit: float,
    picking: str,
    choking: str,
    grant: str,
    block_size: int | None,
    stall_timeout: float | None,
    seed: int | None,
    log: Path | None,
    as_json: bool,
    simulate: bool,
    speed: float | None,
) -> None:
    """Run a swarm of processes, verify its copies, and leave nothing running; or simulate it."""
    registry.picking(picking)
    registry.choking(choking)
    if log is not None:
        claim(log)
    if simulate:
        run_simulation(
            plain(
                peers,
                sample.SAMPLE_SIZE if share is None else size_of(share),
                block_size or (sample.SAMPLE_BLOCK_SIZE if share is None else None),
                upload=upload_limit,
                picking=picking,
                choking=choking,
                grant=options.grant_parts(grant),
                seed=SystemRandom().randrange(MAX_SEED) if seed is None else seed,
            ),
            speed=speed,
            log=log,
            as_json=as_json,
        )
        return
    interrupt = Interrupt()
    source = sample.cached_sample() if share is None else share
    folder = directory or Path(tempfile.mkdtemp(prefix="minibit-swarm-"))
    settings = SwarmSettings(
        peers=peers,
        share=source,
        folder=folder,
        block_size=block_size or (sample.SAMPLE_BLOCK_SIZE if share is None else None),
        upload_limit=upload_limit,
        picking=picking,
        choking=choking,
        grant=grant,
        stall_timeout=stall_timeout,
        seed=seed,
        log=log,
    )
    limited = f"each upload limited to {rate(upload_limit)}" if upload_limit else ""
    note = f"{limited}, slow enough to watch; --share PATH goes unlimited" if share is None else limited
    complete = False

    async def watch(display: Display) -> None:
        nonlocal complete
        processes = SwarmProcesses(settings, tell=display.tell)
        writes = prepare(folder, source, processes.names)
        if writes > WORTH_SAYING:
            display.tell(f"the copies will take {size(writes)} in {folder}")
        display.tell(f"starting a tracker with {source.name} and {peers} peers …")
        try:
            await processes.start(display.progress("hashing"))
            await processes.watch(
                lambda view: display.show(
                    lambda lines: swarm_table(view, elapsed=processes.elapsed, note=note, max_lines=lines),
                    lambda: plain_swarm(view, elapsed=processes.elapsed),
                )
            )
            display.freeze()
            progress = display.progress("verifying every copy")
            summary = await processes.verify(progress, interrupt.event.is_set)
            complete = summary.identical
            display.final(lambda: summary_table(summary), lambda: plain_summary(summary))
            display.document(summary.to_json())
        finally:
            await asyncio.shield(asyncio.to_thread(processes.stop))
            if log is not None:
                display.tell(f"what happened is in {log}: minibit replay {log}")
        if directory is not None:
            display.tell(f"files and logs are in {folder}")
        else:
            display.tell("the copies were in a temporary folder and are removed; --dir DIR keeps them")

    try:
        with Display(as_json=as_json) as display:
            finish(interrupt, watch(display))
    finally:
        if directory is None:
            shutil.rmtree(folder, ignore_errors=True)
    if not complete:
        raise SystemExit(1)
