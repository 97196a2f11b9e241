"""`minibit swarm`: a whole swarm on this machine, watched, and every copy verified."""

import platform
import shutil
import tempfile
from pathlib import Path
from typing import Final

from minibit import __version__, registry
from minibit.cli.running import finish, to_the_end
from minibit.disk import sample
from minibit.disk.share import left_out
from minibit.errors import MinibitError, StrategyError, UsageError
from minibit.lab.place import prepare
from minibit.lab.processes import SwarmProcesses, SwarmSettings
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.lines import plain_summary, plain_swarm
from minibit.screen.swarm_table import summary_table, swarm_table
from minibit.units import count, rate, size

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
    as_json: bool,
) -> None:
    """Run a swarm of processes, verify its copies, and leave nothing running."""
    registry.picking(picking)
    registry.choking(choking)
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
    )
    limited = f"each upload limited to {rate(upload_limit)}" if upload_limit else ""
    slowly = bool(limited) and share is None
    note = f"{limited}, slow enough to watch; --share PATH goes unlimited" if slowly else limited
    complete = failed = False

    async def watch(display: Display) -> None:
        nonlocal complete, failed
        processes = SwarmProcesses(settings, tell=display.tell)
        writes, skipped = prepare(folder, source, processes.names)
        if skipped:
            display.tell(left_out(skipped))
        if writes > WORTH_SAYING:
            display.tell(f"the copies will take {size(writes)} in {folder}")
        display.tell(f"starting a tracker with {source.name} and {count(peers, 'peer')} …")
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
            complete, failed = summary.identical, not summary.identical
            display.final(lambda: summary_table(summary), lambda: plain_summary(summary))
            display.document(
                summary.to_json()
                | {
                    "minibit": __version__,
                    "python": platform.python_version(),
                    "settings": settings.to_json(),
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


def _remove_copies(folder: Path, *, keep_logs: bool) -> None:
    """Remove a temporary folder, all of it or all but the logs of what went wrong."""
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for copy in folder.iterdir():
        if copy.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
