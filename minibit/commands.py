"""What each command does, between the options and the rooms that do the work: it wires and it shows.

A swarm starts many of these processes at once: only a tracker pays for importing a web server.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from minibit import sample, strategies
from minibit.errors import MinibitError, TrackerUnreachableError
from minibit.interrupt import Interrupt
from minibit.live import Display
from minibit.peer import Peer
from minibit.peer import Settings as PeerSettings
from minibit.peer_table import peer_table
from minibit.plain import plain_peer, plain_summary, plain_swarm
from minibit.registration import is_loopback
from minibit.share import Share, from_path
from minibit.sheet import Sheet
from minibit.snapshot import SwarmView
from minibit.swarm.place import prepare
from minibit.swarm.processes import Settings as SwarmSettings
from minibit.swarm.processes import SwarmProcesses
from minibit.tables import status_table, summary_table, swarm_table
from minibit.tracker_client import TrackerClient
from minibit.units import rate, size

FRAME_SECONDS: Final = 0.25
WATCH_SECONDS: Final = 1.0
WORTH_SAYING: Final = 1 << 30  # bytes that nobody wants written unannounced
ELSEWHERE: Final = "192.0.2.1"  # RFC 5737: no machine's address, so its route is the one to anywhere


def run_tracker(
    *,
    share: Path | None,
    host: str,
    port: int,
    origin_port: int,
    grant: tuple[float, float],
    block_size: int | None,
    upload_limit: float,
    choking: str,
    seed: int | None,
    as_json: bool,
    until_eof: bool,
) -> None:
    """Hash the share, then serve it until interrupted."""
    from minibit.tracker.service import Settings, TrackerService
    from minibit.tracker.tracker import own_address_towards

    interrupt = Interrupt()
    settings = Settings(host, port, origin_port, grant, upload_limit, choking, seed)

    async def serve(display: Display) -> None:
        shared = await asyncio.to_thread(_hashed, share, block_size, display, interrupt)
        layout, name = shared.metainfo.layout, shared.metainfo.name
        for path in shared.skipped:
            display.tell(f"left out {path}: only regular files are shared")
        service = TrackerService(shared, settings)
        listening = False

        def ready(tracker_port: int, origin: int) -> None:
            nonlocal listening
            listening = True
            everywhere = host in ("0.0.0.0", "::", "")
            place = (own_address_towards(ELSEWHERE) if everywhere else host) or "127.0.0.1"
            url = f"http://[{place}]:{tracker_port}" if ":" in place else f"http://{place}:{tracker_port}"
            display.tell(f"tracker on {url}, origin on port {origin}")
            display.tell(
                f"sharing {name}: {size(layout.total_size)}, {layout.block_count} blocks of "
                f"{size(layout.block_size)}, info hash {shared.metainfo.info_hash.hex()}"
            )
            option = "" if url == "http://127.0.0.1:5000" else f" --tracker {url}"
            display.tell(f"to join: minibit peer NAME PORT{option}")
            display.tell(f"   like: minibit peer ana 5001{option}")
            if host == "localhost" or is_loopback(host):
                display.tell("only this machine can join; --host 0.0.0.0 lets others in")
            display.document(
                {
                    "url": url,
                    "origin_port": origin,
                    "share": name,
                    "total_size": layout.total_size,
                    "block_size": layout.block_size,
                    "block_count": layout.block_count,
                    "info_hash": shared.metainfo.info_hash.hex(),
                }
            )

        def frame() -> None:
            if listening:
                display.show(
                    lambda lines: swarm_table(service.view(), max_lines=lines),
                    lambda: plain_swarm(service.view()),
                )

        await _framed(service.run(ready), frame)

    with Display(as_json=as_json) as display:
        _finish(interrupt, serve(display), until_eof=until_eof)


def run_peer(settings: PeerSettings, *, until_eof: bool) -> None:
    """Trade until interrupted, or until complete if the settings say so."""
    interrupt = Interrupt()

    async def trade(display: Display) -> None:
        progress = display.progress("checking what is on disk")
        peer = Peer(settings, tell=display.tell, progress=progress, interrupt=interrupt)

        def frame() -> None:
            if peer.trading:
                display.show(
                    lambda lines: peer_table(peer.view(), max_lines=lines),
                    lambda: [plain_peer(peer.view())],
                )

        await _framed(peer.run(), frame)

    with Display() as display:
        _finish(interrupt, trade(display), until_eof=until_eof)


def run_status(url: str, *, watch: bool, as_json: bool) -> None:
    """Show the swarm once, or until interrupted."""
    interrupt = Interrupt()

    async def look(display: Display) -> None:
        client = TrackerClient(url, name="status", bt_id=bytes(20), port=1)
        try:
            view, silent = await asyncio.to_thread(client.status), False
            if not watch:
                display.document(view.to_json())
                display.final(lambda: status_table(view), lambda: plain_swarm(view))
            while watch:
                display.show(partial(_status, view), partial(plain_swarm, view))
                await asyncio.sleep(WATCH_SECONDS)
                try:
                    view, silent = await asyncio.to_thread(client.status), False
                except TrackerUnreachableError as error:  # a tracker that was there may come back
                    if not silent:
                        display.tell(f"{error} Watching for it to come back")
                    silent = True
        finally:
            client.close()

    with Display(as_json=as_json) as display:
        _finish(interrupt, look(display))


def _status(view: SwarmView, lines: int) -> Sheet:
    return status_table(view, max_lines=lines)


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
    seed: int | None,
    as_json: bool,
) -> None:
    """Run a swarm of processes, verify its copies, and leave nothing running."""
    strategies.picking(picking)
    strategies.choking(choking)
    interrupt = Interrupt()
    source = _source(share)
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
        seed=seed,
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
        if directory is not None:
            display.tell(f"files and logs are in {folder}")
        else:
            display.tell("the copies were in a temporary folder and are removed; --dir DIR keeps them")

    try:
        with Display(as_json=as_json) as display:
            _finish(interrupt, watch(display))
    finally:
        if directory is None:
            shutil.rmtree(folder, ignore_errors=True)
    if not complete:
        raise SystemExit(1)


def _source(share: Path | None) -> Path:
    return sample.cached_sample() if share is None else share


def _hashed(share: Path | None, block_size: int | None, display: Display, interrupt: Interrupt) -> Share:
    shown = display.progress("hashing")

    def progress(done: int, total: int) -> None:
        if interrupt.event.is_set():  # a thread cannot be cancelled, and the process waits for it
            raise MinibitError("interrupted while hashing")
        shown(done, total)

    if share is None and block_size is None:
        block_size = sample.SAMPLE_BLOCK_SIZE
    return from_path(_source(share), block_size=block_size, progress=progress)


def _finish(interrupt: Interrupt, work: Coroutine[Any, Any, None], *, until_eof: bool = False) -> None:
    """Run `work`; an interruption ends the process with its exit code, after everything was tidied."""
    code = asyncio.run(interrupt.guard(work, until_eof=until_eof))
    if code:
        raise SystemExit(code)


async def _framed(work: Coroutine[Any, Any, None], frame: Callable[[], None]) -> None:
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
