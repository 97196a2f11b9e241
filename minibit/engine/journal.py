"""What an engine decided and why, and what befell it, for whoever wants to know: a log, a display, a test.

An engine without a journal builds no entry. A journal is called in the middle of an input: it must not
call the engine, take long, or raise. What it is told has just happened, except that a neighbour which is
`Parted` from is still among the engine's.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from minibit.address import Address
from minibit.engine.effects import PeerId
from minibit.strategies.view import Choice, Pick


class Picked(Struct, frozen=True):
    """A block was picked, to be asked of this neighbour; `pick.explain()` says why it."""

    at: float
    neighbour: int
    pick: Pick


class Chosen(Struct, frozen=True):
    """The upload slots were dealt anew, in a round or between two; `choice.explain()` says who moved."""

    at: float
    round_due: bool
    choice: Choice


class Dialled(Struct, frozen=True):
    """We try to connect to this address…"""

    at: float
    address: Address


class DialFailed(Struct, frozen=True):
    """…and nobody answered."""

    at: float
    address: Address


class Met(Struct, frozen=True):
    """This neighbour has said all of who it is: its handshake came, and its hello if it speaks BEP 10."""

    at: float
    neighbour: int


class Parted(Struct, frozen=True):
    """The connection to this neighbour is over, ours to end or not."""

    at: float
    neighbour: int
    reason: str


class Verified(Struct, frozen=True):
    """A block is here and its hash is right; `senders` are the chunks that each had a part in it with."""

    at: float
    block: int
    senders: Mapping[PeerId, int]


class Spoilt(Struct, frozen=True):
    """A block's hash was wrong, and it was thrown away."""

    at: float
    block: int
    senders: Mapping[PeerId, int]


class Banned(Struct, frozen=True):
    """We deal with this peer no more; it may have left before."""

    at: float
    source: PeerId
    reason: str


class Completed(Struct, frozen=True):
    """The last block is here."""

    at: float


Entry = Picked | Chosen | Dialled | DialFailed | Met | Parted | Verified | Spoilt | Banned | Completed

Journal = Callable[[Entry], None]
