"""What the engine asks its shell to do, in order. The shell does it and reports back; it decides nothing.

`key` is the number that the shell gave a connection. Sizes are bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from minibit.address import Address
from minibit.wire.messages import Handshake, Haves, Message, Piece, Request

PeerId = bytes
"""Who sent what, when it comes to guilt, which outlives connections: not a wire id alone, which anybody may
claim, but `neighbour.source`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these messages, in order."""

    key: int
    messages: tuple[Handshake | Message, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this message to each of these neighbours: one effect, and its bytes are made once."""

    keys: tuple[int, ...]
    message: Haves


@dataclass(frozen=True, slots=True)
class Upload:
    """Send the data of these chunks, in order, and report `flushed` as it leaves."""

    key: int
    chunks: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """Keep the data of these pieces, all of this block. The data is good only until the next read."""

    block: int
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Verify:
    """All of this block has been stored: check its hash, write it, report `block_verified`."""

    block: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget what was stored of this block."""

    block: int


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to this address, then report `connected` or `dial_failed`."""

    address: Address


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close this connection; the engine has forgotten it already."""

    key: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ban:
    """Say that this peer is banned; `address` is None if it had left. Hanging up is an effect of its own."""

    source: PeerId
    address: Address | None
    reason: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the tracker how we stand now rather than at the next heartbeat."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last block was verified: the download is complete."""


Effect = Send | Tell | Upload | Store | Verify | Discard | Dial | HangUp | Ban | Announce | Finished
