"""`minibit peer`: join a swarm, fetch what it shares, help the others."""

from typing import TYPE_CHECKING

from minibit.cli.running import finish, framed
from minibit.peer.ending import Interrupt
from minibit.peer.peer import Peer, PeerSettings
from minibit.screen.display import Display
from minibit.screen.lines import plain_peer

if TYPE_CHECKING:
    from rich.console import RenderableType


def run_peer(settings: PeerSettings, *, until_eof: bool) -> None:
    """Trade until interrupted, or until complete if the settings say so."""
    interrupt = Interrupt()

    async def trade(display: Display) -> None:
        progress = display.progress("checking what is on disk")
        peer = Peer(settings, tell=display.tell, progress=progress, interrupt=interrupt)

        def table(lines: int) -> "RenderableType":
            # Read here, as the display does: what draws is not needed before there is something to draw.
            from minibit.screen.peer_table import peer_table
            from minibit.screen.sentences import recent_lines

            return peer_table(peer.view(), recent_lines(*peer.recent()), max_lines=lines)

        def frame() -> None:
            if peer.trading:
                display.show(table, lambda: [plain_peer(peer.view())])

        await framed(peer.run(), frame, display.frame_seconds)

    with Display() as display:
        goodbyes = "the goodbye and the disk"
        finish(interrupt, trade(display), display, waits_for=goodbyes, until_eof=until_eof)
