"""The three messages about a share's metadata (BEP 9), which is the bencoded info dictionary of its torrent.

It goes in pieces of 16 KiB, of which the last may be shorter. A message is a small dictionary; in *data*, the
bytes of the piece stand behind it.
"""

from typing import Final

from msgspec import Struct

from minibit.errors import BencodeError, RemoteProtocolError
from minibit.torrent import bencode, lenient

NAME: Final = "ut_metadata"
PIECE_SIZE: Final = 16 * 1024
MAX_HEAD: Final = 1024  # bytes of the dictionary


class Request(Struct, frozen=True):
    """Send this piece."""

    piece: int

    def encode(self) -> bytes:
        return bencode.encode({"msg_type": 0, "piece": self.piece})


class Data(Struct, frozen=True):
    """The bytes of this piece; `total_size` is of the whole metadata, None where that is not said."""

    piece: int
    total_size: int | None
    data: bytes

    def encode(self) -> bytes:
        head = {"msg_type": 1, "piece": self.piece}
        return bencode.encode(head | ({"total_size": self.total_size} if self.total_size else {})) + self.data


class Reject(Struct, frozen=True):
    """This piece is not sent."""

    piece: int

    def encode(self) -> bytes:
        return bencode.encode({"msg_type": 2, "piece": self.piece})


MetadataMessage = Request | Data | Reject


def decode(body: bytes) -> MetadataMessage | None:
    """The message in `body`; None if it is of a kind that no BEP knows, which is to be passed over.

    Raises:
        RemoteProtocolError: it is none at all.
    """
    try:
        head, used = lenient.decode(body[:MAX_HEAD])
    except BencodeError as error:
        raise RemoteProtocolError(f"metadata: {error}") from None
    kind, piece, size = (head.get(key) if isinstance(head, dict) else None for key in _KEYS)
    if not isinstance(kind, int) or not isinstance(piece, int) or piece < 0:
        raise RemoteProtocolError("metadata: a message that is about no piece")
    if kind == 1:
        return Data(piece, size if isinstance(size, int) and size > 0 else None, body[used:])
    if kind == 0:
        return Request(piece)
    return Reject(piece) if kind == 2 else None


def piece_count(size: int) -> int:
    """How many pieces metadata of so many bytes has."""
    return -(-size // PIECE_SIZE)


def piece_length(size: int, piece: int) -> int:
    """How many bytes are in this piece of so many bytes of metadata; 0 if it does not exist."""
    return max(0, min(PIECE_SIZE, size - piece * PIECE_SIZE))


_KEYS: Final = (b"msg_type", b"piece", b"total_size")
