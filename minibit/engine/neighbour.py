"""The record of one neighbour: everything the engine knows of it, and nothing that acts.

Three parts: who it is and what it holds; its *supply*, what downloading knows of it; its *demand*, what
uploading knows. Neither half writes in the other's part. Strategies see only a small read-only part,
`strategies.view.NeighbourView`.
"""

from typing import Final

from msgspec import Struct

from minibit import bitfield
from minibit.address import Address
from minibit.engine.effects import PeerId
from minibit.engine.patience import Patience
from minibit.engine.rates import RateMeter
from minibit.engine.request_queue import RequestQueue
from minibit.errors import RemoteProtocolError

FIRST_WINDOW: Final = 16  # chunks asked for at once before the link has shown what it can do
MIN_WINDOW: Final = 4
MAX_WINDOW: Final = 256  # 4 MiB in flight fill a fast LAN; 256 KiB reach 40 % of it
RECIPROCITY_SECONDS: Final = 20.0
DISPLAY_SECONDS: Final = 5.0


class Flow:
    """Payload bytes one way: their sum, their rate now, and their average over 20 s."""

    def __init__(self, now: float) -> None:
        self.total = 0
        self._display = RateMeter(DISPLAY_SECONDS, now)
        self._average = RateMeter(RECIPROCITY_SECONDS, now)

    def add(self, count: int, now: float) -> None:
        """`count` bytes moved."""
        self.total += count
        self._display.add(count, now)
        self._average.add(count, now)

    def rate(self, now: float) -> float:
        """Bytes per second, for people to read."""
        return self._display.rate(now)

    def average(self, now: float) -> float:
        """Bytes per second over 20 s, by which BEP 3's choking repays."""
        return self._average.rate(now)


class Supply:
    """What downloading knows of a neighbour; blocks are bitfields, windows are in chunks."""

    def __init__(self, now: float) -> None:
        self.choking = True  # it chokes us
        self.interesting = False  # it holds what we miss, and we have told it so
        self.allowed = 0  # blocks that it serves us even while choking (BEP 6)
        self.refused = 0  # blocks that it has rejected of late, and since it last unchoked us
        self.refused_at = now
        self.window = FIRST_WINDOW
        self.queue_limit = MAX_WINDOW  # how many requests it says it accepts (BEP 10, reqq)
        self.asked_at: float | None = None  # when it was first asked, or last answered, whichever is later
        self.snubbed = False
        self.unasked = 0  # chunks that it sent and nobody had asked for
        self.flow = Flow(now)

    @property
    def serving(self) -> bool:
        """Whether it would serve us something that we may want."""
        return self.interesting and (not self.choking or self.allowed != 0)


class Demand:
    """What uploading knows of a neighbour."""

    def __init__(self, now: float) -> None:
        self.interested = False  # it wants something of us
        self.competes = True  # it may be given a slot for that
        self.rests_until = now  # it left a slot unused, and does not compete before
        self.rests = 0  # how often, since it was last sent anything
        self.used_at = now  # when it last asked for something, or was sent it
        self.unchoked_since: float | None = None
        self.granted = 0  # blocks that we serve even while choking it
        self.queue = RequestQueue()
        self.serving: int | None = None  # the block that is being sent, until its queued chunks are
        self.unsent = 0  # bytes handed to the shell and not yet flushed
        self.refusals = 0  # requests of its that we refused since we last served one
        self.flow = Flow(now)

    @property
    def unchoked(self) -> bool:
        return self.unchoked_since is not None


class Early(Struct):
    """What a neighbour told of its blocks while nobody here knew how many there are.

    Bounded by what a connection lets pass.
    """

    everything: bool = False
    wire: bytes | None = None  # the payload of its *bitfield*
    haves: int = 0

    def __bool__(self) -> bool:
        return self.everything or self.wire is not None or bool(self.haves)

    def blocks(self, count: int) -> int:
        """The blocks it meant, now that there are `count`.

        Raises:
            RemoteProtocolError: it told of others.
        """
        told = self.haves
        if self.everything:
            told |= bitfield.full(count)
        if self.wire is not None:
            told |= bitfield.from_wire(self.wire, count)
        if told >> count:
            raise RemoteProtocolError("told of blocks that do not exist")
        return told


class Neighbour:
    """A peer that we have a connection to."""

    def __init__(self, key: int, address: Address, *, outgoing: bool, now: float) -> None:
        self.key = key
        self.address = address
        self.outgoing = outgoing
        self.connected_at = now
        self.last_received = now
        self.last_sent = now
        self.probed_at: float | None = None  # when it was made to speak, because another one claims to be it
        self.crossed: tuple[Address, float] | None = None  # our dial that crossed theirs, when one was kept

        # Who it is: known after its handshake.
        self.peer_id: bytes | None = None
        self.source: PeerId = b""  # who is to blame for what it sends
        self.fast = False
        self.extended = False
        self.span = 1  # chunks that one message may be about
        self.introduced = False  # whether it has said all that it says of itself
        self.listens = address if outgoing else None  # where it can be dialled, as far as is known
        self.extensions: dict[str, int] = {}  # of those that we speak, its ids by name; 0: not now (BEP 10)
        self.name = ""
        self.client = ""
        self.origin = False
        self.minibit = False
        self.expected = outgoing  # a tracker lists it where it is, or dealt it a grant, or we dialled it

        # What it holds.
        self.blocks = 0
        self.known = False  # whether it has told us its blocks at all
        self.early = Early()
        self.told = 0  # the blocks of ours that it has been told of

        self.patience = Patience(now)
        self.supply = Supply(now)
        self.demand = Demand(now)

    @property
    def greeted(self) -> bool:
        """Whether its handshake has come."""
        return self.peer_id is not None

    def holds_all(self, full: int) -> bool:
        """Whether it is a seed; `full` are all blocks, which are none while the share is unknown."""
        return 0 != self.blocks == full

    @property
    def traded(self) -> bool:
        """Whether a byte of the share has moved between us."""
        return bool(self.supply.flow.total or self.demand.flow.total)

    @property
    def stranger(self) -> bool:
        """Whether nobody knows it, and nothing came of it so far."""
        return not (self.expected or self.traded)

    @property
    def account(self) -> bytes:
        """In whose name it says what changes nothing."""
        return self.source if self.greeted and self.expected else self.address[0].encode()

    @property
    def label(self) -> str:
        """What people call it: its name, or its address."""
        return self.name or f"{self.address[0]}:{self.address[1]}"

    # What strategies see.

    @property
    def interested(self) -> bool:
        return self.demand.interested and self.demand.competes

    @property
    def waits(self) -> bool:
        """Whether it competes for a slot and has none."""
        return self.known and self.interested and not self.demand.unchoked

    @property
    def snubbed(self) -> bool:
        return self.supply.snubbed

    @property
    def unchoked_since(self) -> float | None:
        return self.demand.unchoked_since

    def received_rate(self, now: float) -> float:
        return self.supply.flow.average(now)

    def sent_rate(self, now: float) -> float:
        return self.demand.flow.average(now)


def source(address: Address, peer_id: bytes, *, outgoing: bool) -> PeerId:
    """What stands for a peer when it comes to guilt: whom we dialled is at that address, whatever it says it
    is called; of who dialled us we know the IP address, and a wire id that it may have from a tracker's list.

    So who claims another's id spoils only what comes from his own address under that id: nobody is kept from
    dialling the real one. A liar escapes by another port that a tracker lists, or by another id at each
    connection, and begins anew each time, at the price of what it must send to be believed.
    """
    ip, port = address
    return f"{ip} {port}".encode() if outgoing else ip.encode() + b" " + peer_id
