"""What the engine asks its shell to do, in order. The shell does it and reports back; it decides nothing.

`key` is the number that the shell gave a connection. Sizes are bytes.
"""

from collections.abc import Sequence

from msgspec import Struct

from minibit.address import Address
from minibit.wire.messages import Handshake, Haves, Message, Piece, Request

PeerId = bytes
"""Who sent what, when it comes to guilt, which outlives connections: not a wire id alone, which anybody may
claim, but `neighbour.source`."""


class Send(Struct, frozen=True):
    """Send these messages, in order."""

    key: int
    messages: tuple[Handshake | Message, ...]


class Tell(Struct, frozen=True):
    """Send this message to each of these neighbours: one effect, and its bytes are made once."""

    keys: tuple[int, ...]
    message: Haves


class Upload(Struct, frozen=True):
    """Send the data of these chunks, in order, and report `flushed` as it leaves."""

    key: int
    chunks: tuple[Request, ...]


class Store(Struct, frozen=True):
    """Keep the data of these pieces, all of this block. The data is good only until the next read."""

    block: int
    pieces: Sequence[Piece]


class Verify(Struct, frozen=True):
    """All of this block has been stored: check its hash, write it, report `block_verified`."""

    block: int


class Discard(Struct, frozen=True):
    """Forget what was stored of this block."""

    block: int


class Dial(Struct, frozen=True):
    """Connect to this address, then report `connected` or `dial_failed`."""

    address: Address


class HangUp(Struct, frozen=True):
    """Close this connection; the engine has forgotten it already."""

    key: int
    reason: str


class Ban(Struct, frozen=True):
    """Say that this peer is banned; `address` is None if it had left. Hanging up is an effect of its own."""

    source: PeerId
    address: Address | None
    reason: str


class Announce(Struct, frozen=True):
    """Tell the tracker how we stand now rather than at the next heartbeat."""

    reason: str


class Finished(Struct, frozen=True):
    """The last block was verified: the download is complete."""


Effect = Send | Tell | Upload | Store | Verify | Discard | Dial | HangUp | Ban | Announce | Finished
