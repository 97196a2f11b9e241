"""`minibit status`: the swarm as its tracker knows it."""

import asyncio
from functools import partial
from typing import Final

from minibit.cli.running import finish
from minibit.errors import TrackerUnreachableError
from minibit.peer.ending import Interrupt
from minibit.peer.tracker_client import TrackerClient
from minibit.screen.display import Display
from minibit.screen.lines import plain_swarm
from minibit.screen.sheet import Sheet
from minibit.screen.swarm_table import status_table
from minibit.snapshot import SwarmStatus

REFRESH_SECONDS: Final = 1.0


def run_status(url: str, *, watch: bool, as_json: bool) -> None:
    """Show the swarm once, or until interrupted."""
    interrupt = Interrupt()

    async def look(display: Display) -> None:
        client = TrackerClient(url)
        try:
            view, silent = await client.status(), False
            if not watch:
                display.document(view.to_json())
                display.final(lambda: status_table(view), lambda: plain_swarm(view))
            while watch:
                display.show(partial(_status, view), partial(plain_swarm, view))
                await asyncio.sleep(REFRESH_SECONDS)
                try:
                    view, silent = await client.status(), False
                except TrackerUnreachableError as error:  # a tracker that was there may come back
                    if not silent:
                        display.tell(f"{error} Watching for it to come back")
                    silent = True
        finally:
            client.close()

    with Display(as_json=as_json) as display:
        finish(interrupt, look(display), display, waits_for="the tracker's answer")


def _status(view: SwarmStatus, lines: int) -> Sheet:
    return status_table(view, max_lines=lines)
