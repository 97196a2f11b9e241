"""The record of one neighbour: everything the engine knows of it, and nothing that acts.

It satisfies `strategies.view.Neighbour`, the small read-only part that strategies see.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from minibit.address import Address
from minibit.engine.rates import RateMeter
from minibit.wire.messages import Request

FIRST_WINDOW: Final = 16  # chunks asked for at once before the link has shown what it can do
MIN_WINDOW: Final = 4
MAX_WINDOW: Final = 256  # 4 MiB in flight fill a fast LAN; 256 KiB reach 40 % of it
RECIPROCITY_SECONDS: Final = 20.0
DISPLAY_SECONDS: Final = 5.0
GREETING_SECONDS: Final = 1.0  # how long a neighbour may take to say who it is before it yields…
IDLE_SECONDS: Final = 30.0  # …and how long it may be of no use


class Neighbour:
    """A peer that we have a connection to; `am_…` is our side of it, the rest is theirs."""

    def __init__(self, key: int, address: Address, *, outgoing: bool, now: float) -> None:
        self.key = key
        self.address = address
        self.outgoing = outgoing
        self.connected_at = now

        # Who it is: known after its handshake.
        self.peer_id: bytes | None = None
        self.fast = False
        self.extended = False
        self.name = ""
        self.client = ""
        self.origin = False
        self.minibit = False

        # What it holds and wants.
        self.blocks = 0
        self.known = False
        self.interested = False
        self.choking = True
        self.am_interested = False
        self.unchoked_since: float | None = None

        # Downloading from it.
        self.allowed = 0  # blocks that it serves us even while choking (BEP 6)
        self.refused = 0  # blocks that it has rejected of late, and since it last unchoked us
        self.refused_at = now
        self.window = FIRST_WINDOW
        self.queue_limit = MAX_WINDOW  # what it says it accepts (BEP 10 reqq)
        self.asked_at: float | None = None  # when it was first asked, or last answered, whichever is later
        self.snubbed = False
        self.unasked = 0

        # Uploading to it.
        self.granted = 0  # blocks that we serve even while choking it
        self.queue: deque[Request] = deque()
        self.unsent = 0  # bytes handed to the shell and not yet flushed
        self.refusals = 0  # requests of its that we refused since we last served one

        self.last_received = now
        self.last_sent = now
        self.down = RateMeter(DISPLAY_SECONDS, now)
        self.up = RateMeter(DISPLAY_SECONDS, now)
        self._down_slow = RateMeter(RECIPROCITY_SECONDS, now)
        self._up_slow = RateMeter(RECIPROCITY_SECONDS, now)

    @property
    def greeted(self) -> bool:
        """Whether its handshake has come."""
        return self.peer_id is not None

    @property
    def unchoked(self) -> bool:
        return self.unchoked_since is not None

    def received_rate(self, now: float) -> float:
        return self._down_slow.rate(now)

    def sent_rate(self, now: float) -> float:
        return self._up_slow.rate(now)

    def count_received(self, count: int, now: float) -> None:
        """`count` payload bytes came."""
        self.down.add(count, now)
        self._down_slow.add(count, now)

    def count_sent(self, count: int, now: float) -> None:
        """`count` payload bytes left."""
        self.up.add(count, now)
        self._up_slow.add(count, now)

    @property
    def label(self) -> str:
        """What people call it: its name, or its address."""
        return self.name or f"{self.address[0]}:{self.address[1]}"


def dispensable(neighbours: Iterable[Neighbour], now: float) -> Neighbour | None:
    """Who yields when there is no room for a newcomer: who has not said who it is, else who has long been
    of no use to us nor we to it; None if nobody. So nobody shuts a peer off from the swarm by filling it
    with idle connections.
    """
    idle = [n for n in neighbours if now - n.connected_at >= _probation(n)]
    return min(idle, key=lambda n: (n.greeted, n.outgoing, n.connected_at), default=None)


def _probation(neighbour: Neighbour) -> float:
    if not neighbour.greeted:
        return GREETING_SECONDS
    return float("inf") if neighbour.interested or neighbour.am_interested else IDLE_SECONDS
