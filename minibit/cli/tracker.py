"""`minibit tracker`: hash what is shared, then serve it, with its origin."""

import asyncio
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from minibit import registry
from minibit.address import is_loopback, unmapped
from minibit.cli.running import finish, framed
from minibit.disk import sample
from minibit.disk.secret import kept_secret
from minibit.disk.share import Share, from_path, left_out
from minibit.errors import MinibitError
from minibit.eventlog.writing import claim
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.lines import plain_swarm
from minibit.screen.phrases import blocks_phrase
from minibit.screen.swarm_table import swarm_table
from minibit.serve.service import TrackerService, TrackerSettings
from minibit.serve.tracker import own_address_towards
from minibit.units import size
from minibit.wire.encryption import Encryption

TURN_SECONDS: Final = 0.0005  # that a thread computes while others wait: a list of all peers takes hundreds
ELSEWHERE: Final = "192.0.2.1"  # RFC 5737: no machine's address, so its route is the one to anywhere


def run_tracker(
    *,
    share: Path | None,
    host: str,
    port: int,
    origin_port: int,
    allow_hosts: tuple[str, ...],
    grant: tuple[float, float],
    block_size: int | None,
    upload_limit: float,
    encryption: Encryption,
    web_seed: bool,
    choking: str,
    seed: int | None,
    log: Path | None,
    as_json: bool,
    until_eof: bool,
) -> None:
    """Hash the share, then serve it until interrupted."""
    # The loop that answers announces gives its turn away at every system call, and waits to have it back.
    sys.setswitchinterval(TURN_SECONDS)
    interrupt = Interrupt()
    settings = TrackerSettings(
        host,
        port,
        origin_port,
        grant,
        upload_limit,
        choking,
        seed,
        encryption=encryption,
        web_seed=web_seed,
        allow_hosts=allow_hosts,
        log=log,
    )
    if log is not None:
        claim(log)

    async def serve(display: Display) -> None:
        shared = await asyncio.to_thread(_hashed, share, block_size, display, interrupt)
        layout, name = shared.metainfo.layout, shared.metainfo.name
        if shared.skipped:
            display.tell(left_out(shared.skipped))
        kept = replace(settings, secret=await asyncio.to_thread(kept_secret))
        service = TrackerService(shared, kept, tell=display.tell)
        listening = False

        def ready(tracker_port: int, origin: int) -> None:
            nonlocal listening
            listening = True
            everywhere = host in ("0.0.0.0", "::", "")
            place = unmapped((own_address_towards(ELSEWHERE) if everywhere else host) or "127.0.0.1")
            reached = f"[{place}]:{tracker_port}" if ":" in place else f"{place}:{tracker_port}"
            url, magnet = f"http://{reached}", str(service.magnet(reached))
            display.tell(f"tracker on {url}, origin on port {origin}")
            display.tell(
                f"sharing {name}: {size(layout.total_size)}, "
                f"{blocks_phrase(layout.block_count, layout.block_size)}, "
                f"info hash {shared.metainfo.info_hash.hex()}"
            )
            option = "" if url == "http://127.0.0.1:5000" else f" --tracker {url}"
            display.tell(f"to join: minibit peer NAME PORT{option}")
            display.tell(f"   like: minibit peer ana 5001{option}")
            display.tell(f"   or, with any client: {magnet}")
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
                    "magnet": magnet,
                }
            )

        def frame() -> None:
            if listening:
                display.show(
                    lambda lines: swarm_table(service.view(), max_lines=lines),
                    lambda: plain_swarm(service.view()),
                )

        await framed(service.run(ready), frame, display.frame_seconds)

    # What a strategy prints is no part of the document.
    with Display(as_json=as_json) as display, redirect_stdout(sys.stderr if as_json else sys.stdout):
        registry.choking(choking)  # nobody waits for the hashes to hear that there is no such strategy
        answers = "the last answers and the disk"
        finish(interrupt, serve(display), display, waits_for=answers, until_eof=until_eof)


def _hashed(share: Path | None, block_size: int | None, display: Display, interrupt: Interrupt) -> Share:
    shown = display.progress("hashing")

    def progress(done: int, total: int) -> None:
        if interrupt.event.is_set():  # a thread cannot be cancelled, and the process waits for it
            raise MinibitError("interrupted while hashing")
        shown(done, total)

    if share is None and block_size is None:
        block_size = sample.SAMPLE_BLOCK_SIZE
    return from_path(
        sample.cached_sample() if share is None else share, block_size=block_size, progress=progress
    )
