"""The peer wire protocol's messages as values, encode and decode side by side.

Nobody changes one. They are msgspec's structs, which are made in a sixth of the time of frozen dataclasses.

Names are the BEPs' own: BEP 3 (handshake and messages 0–8), BEP 5 (*port*), BEP 6 (the Fast
Extension, 13–17) and BEP 10 (*extended*, 20). A frame is a 4-byte big-endian length, then one byte of
message id, then the payload; a frame of length 0 is a keep-alive. Here only the shape of a payload is
checked; whether a message is legal *now* is `connection.py`'s matter.
"""

import struct
from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import Struct

from minibit import bitfield
from minibit.errors import RemoteProtocolError
from minibit.torrent.layout import MAX_BLOCKS

PROTOCOL: Final = b"BitTorrent protocol"
HANDSHAKE_LENGTH: Final = 68
MAX_REQUEST: Final = 128 * 1024  # the most that any common client asks for at once; BEP 3 speaks of 2**17
_HEADER = struct.Struct(">IB")
_ONE = struct.Struct(">I")
_THREE = struct.Struct(">III")
_PIECE_HEADER = struct.Struct(">IBII")
_REQUEST = struct.Struct(">IBIII")
_HAVE = struct.Struct(">IBI")

Buffer = bytes | bytearray | memoryview

# Reserved bits of the handshake: (byte, mask).
_EXTENDED_BIT = (5, 0x10)  # BEP 10
_FAST_BIT = (7, 0x04)  # BEP 6


class Handshake(Struct, frozen=True):
    """BEP 3: who speaks, about which share; the reserved bits say which extensions are spoken."""

    info_hash: bytes
    peer_id: bytes
    fast: bool = True
    extended: bool = True

    def encode(self) -> bytes:
        reserved = bytearray(8)
        for wanted, (byte, mask) in ((self.extended, _EXTENDED_BIT), (self.fast, _FAST_BIT)):
            if wanted:
                reserved[byte] |= mask
        return bytes([len(PROTOCOL)]) + PROTOCOL + reserved + self.info_hash + self.peer_id

    @classmethod
    def decode(cls, data: Buffer) -> "Handshake":
        """The handshake in the first 68 bytes of `data`.

        Raises:
            RemoteProtocolError: not the BitTorrent protocol.
        """
        raw = bytes(data[:HANDSHAKE_LENGTH])
        if raw[0] != len(PROTOCOL) or raw[1:20] != PROTOCOL:
            raise RemoteProtocolError("the other side does not speak BitTorrent")
        reserved = raw[20:28]
        return cls(
            info_hash=raw[28:48],
            peer_id=raw[48:68],
            fast=bool(reserved[_FAST_BIT[0]] & _FAST_BIT[1]),
            extended=bool(reserved[_EXTENDED_BIT[0]] & _EXTENDED_BIT[1]),
        )


class Message(Struct, frozen=True):
    """Base of what follows the handshake; `ID` is the message id on the wire."""

    ID: ClassVar[int]

    def payload(self) -> bytes:
        """The bytes after the id; none by default."""
        return b""

    def encode(self) -> bytes:
        payload = self.payload()
        return _HEADER.pack(1 + len(payload), self.ID) + payload

    @classmethod
    def decode(cls, payload: memoryview) -> "Message":
        """The message with this payload.

        Raises:
            RemoteProtocolError: the payload does not have this message's shape.
        """
        _expect(payload, 0, cls)
        return cls()


class KeepAlive(Message, frozen=True):
    """Nothing, said so that the connection is not taken for dead."""

    ID: ClassVar[int] = -1

    def encode(self) -> bytes:
        return b"\0\0\0\0"


class Choke(Message, frozen=True):
    ID: ClassVar[int] = 0


class Unchoke(Message, frozen=True):
    ID: ClassVar[int] = 1


class Interested(Message, frozen=True):
    ID: ClassVar[int] = 2


class NotInterested(Message, frozen=True):
    ID: ClassVar[int] = 3


class _OfBlock(Message, frozen=True):
    """Shape shared by the messages that name one block."""

    index: int

    def payload(self) -> bytes:
        return _ONE.pack(self.index)

    @classmethod
    def decode(cls, payload: memoryview) -> "_OfBlock":
        _expect(payload, 4, cls)
        return cls(_ONE.unpack(payload)[0])


class _OfChunk(Message, frozen=True):
    """Shape shared by the messages that name `length` bytes from `begin` in a block."""

    index: int
    begin: int
    length: int

    def payload(self) -> bytes:
        return _THREE.pack(self.index, self.begin, self.length)

    @classmethod
    def decode(cls, payload: memoryview) -> "_OfChunk":
        _expect(payload, 12, cls)
        return cls(*_THREE.unpack(payload))


class Haves(Message, frozen=True):
    """*Have* messages in a row, as the set of the blocks that they name; on the wire, one frame for each.

    A peer tells each block to each neighbour: of all that is said, most is this. `repeated` is how many
    frames named a block that one before them had named.
    """

    ID: ClassVar[int] = 4
    blocks: int
    repeated: int = 0

    @classmethod
    def of(cls, *indices: int) -> "Haves":
        """A run that names these blocks."""
        blocks = bitfield.union(indices)
        return cls(blocks, len(indices) - blocks.bit_count())

    @classmethod
    def joined(cls, runs: Iterable["Haves"]) -> "Haves":
        """These runs as one."""
        first, *others = runs
        if not others:
            return first
        blocks, repeated = first.blocks, first.repeated
        for run in others:
            repeated += run.repeated + (run.blocks & blocks).bit_count()
            blocks |= run.blocks
        return cls(blocks, repeated)

    def encode(self) -> bytes:
        pack = _HAVE.pack
        return b"".join([pack(5, 4, index) for index in bitfield.indices(self.blocks)])

    @classmethod
    def decode(cls, payload: memoryview) -> "Haves":
        _expect(payload, 4, cls)
        (index,) = _ONE.unpack(payload)
        if index >= MAX_BLOCKS:
            raise RemoteProtocolError(f"block {index} of {MAX_BLOCKS} at most does not exist")
        return cls.of(index)

    @staticmethod
    def leading(data: memoryview, most: float) -> list[int]:
        """The blocks that are named by the run, of at most `most` frames, at the start of `data`."""
        indices: list[int] = []
        frames = int(min(len(data) // _HAVE.size, most))
        for length, message_id, index in _HAVE.iter_unpack(data[: frames * _HAVE.size]):
            if length != 5 or message_id != 4:
                break
            indices.append(index)
        return indices


class Bitfield(Message, frozen=True):
    """`data` is in wire order (`bitfield.from_wire`); its length depends on the share."""

    ID: ClassVar[int] = 5
    data: bytes

    def payload(self) -> bytes:
        return self.data

    @classmethod
    def decode(cls, payload: memoryview) -> "Bitfield":
        return cls(bytes(payload))


class Request(_OfChunk, frozen=True):
    ID: ClassVar[int] = 6

    def encode(self) -> bytes:
        return _REQUEST.pack(13, 6, self.index, self.begin, self.length)


class Piece(Message, frozen=True):
    """`data` of one chunk. Received, it is a view into the shell's buffer, good until the next read."""

    ID: ClassVar[int] = 7
    index: int
    begin: int
    data: Buffer

    def __repr__(self) -> str:
        return f"Piece(index={self.index}, begin={self.begin}, {len(self.data)} bytes)"

    def payload(self) -> bytes:
        return struct.pack(">II", self.index, self.begin) + bytes(self.data)

    @classmethod
    def decode(cls, payload: memoryview) -> "Piece":
        if len(payload) < 9:
            raise RemoteProtocolError("piece without data")
        index, begin = struct.unpack_from(">II", payload)
        return cls(index, begin, payload[8:])


class Cancel(_OfChunk, frozen=True):
    ID: ClassVar[int] = 8


class Port(Message, frozen=True):
    """BEP 5: the sender's DHT port."""

    ID: ClassVar[int] = 9
    port: int

    def payload(self) -> bytes:
        return struct.pack(">H", self.port)

    @classmethod
    def decode(cls, payload: memoryview) -> "Port":
        _expect(payload, 2, cls)
        return cls(struct.unpack(">H", payload)[0])


class SuggestPiece(_OfBlock, frozen=True):
    ID: ClassVar[int] = 13


class HaveAll(Message, frozen=True):
    ID: ClassVar[int] = 14


class HaveNone(Message, frozen=True):
    ID: ClassVar[int] = 15


class RejectRequest(_OfChunk, frozen=True):
    ID: ClassVar[int] = 16


class AllowedFast(_OfBlock, frozen=True):
    ID: ClassVar[int] = 17


class Extended(Message, frozen=True):
    """BEP 10: `extension` 0 is the extended handshake, others are as each side's handshake says."""

    ID: ClassVar[int] = 20
    extension: int
    body: bytes

    def payload(self) -> bytes:
        return bytes([self.extension]) + self.body

    @classmethod
    def decode(cls, payload: memoryview) -> "Extended":
        if not payload:
            raise RemoteProtocolError("extended message without an id")
        return cls(payload[0], bytes(payload[1:]))


class Unknown(Message, frozen=True):
    """A message id that no BEP we speak defines; it is noted and ignored, as later BEPs ask."""

    id: int
    length: int


FAST_MESSAGES: Final = (SuggestPiece, HaveAll, HaveNone, RejectRequest, AllowedFast)

BY_ID: Final[dict[int, type[Message]]] = {
    kind.ID: kind
    for kind in (
        *(Choke, Unchoke, Interested, NotInterested, Haves, Bitfield, Request, Piece, Cancel, Port),
        *FAST_MESSAGES,
        Extended,
    )
}


def decode(message_id: int, payload: memoryview) -> Message:
    """The message that a frame with this id and payload carries.

    Raises:
        RemoteProtocolError: the payload does not have the shape of that message.
    """
    kind = BY_ID.get(message_id)
    if kind is None:
        return Unknown(message_id, len(payload))
    return kind.decode(payload)


PIECE_HEADER: Final = _PIECE_HEADER.size  # bytes of a *piece* message before its data


def piece_header(index: int, begin: int, length: int) -> bytes:
    """The 13 bytes before the data of a *piece* message, so that the data itself is never copied."""
    return _PIECE_HEADER.pack(9 + length, Piece.ID, index, begin)


def _expect(payload: memoryview, length: int, kind: type[Message]) -> None:
    if len(payload) != length:
        raise RemoteProtocolError(f"{kind.__name__} with {len(payload)} bytes of payload, not {length}")
