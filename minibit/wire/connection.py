"""One peer connection as a sans-I/O state machine: bytes in, legal messages out, and the reverse.

It knows frames, the order in which messages may come, and which blocks exist; it knows neither
sockets nor clocks nor what a message is good for. Both directions obey one table. A remote that
leaves the table, or names bytes that do not exist, raises `RemoteProtocolError` and is to be
disconnected; our own misuse raises `LocalProtocolError`, which is a bug.

Sources: BEP 3 (framing), BEP 6 (with the Fast Extension the first message must be *bitfield*, *have all*
or *have none*), BEP 10 (*extended* needs its reserved bit). In one thing the table is kinder than BEP 3,
which wants a *bitfield* as the first message only: aria2 sends another one where that is shorter than
many *haves*, and nothing is lost by reading it.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum, auto
from math import inf
from typing import Final

from minibit import bitfield
from minibit.errors import LocalProtocolError, RemoteProtocolError
from minibit.torrent.layout import MAX_BLOCKS, UNKNOWN, Layout
from minibit.wire import messages as m

MIN_FRAME_LIMIT: Final = m.MAX_REQUEST + 64  # one piece of that size, and any extended message

_LENGTH = struct.Struct(">I")
_PIECE = struct.Struct(">IBII")  # what goes before the data
_REQUEST = struct.Struct(">IBIII")


class Phase(IntEnum):
    """How far one side of the connection has come."""

    SILENT = auto()  # its handshake is still to come
    GREETED = auto()  # it has sent its handshake and may not go on before it has seen the other's
    FIRST = auto()  # its first message may tell its blocks
    FIRST_FAST = auto()  # its first message must tell its blocks (BEP 6)
    OPEN = auto()
    OPEN_FAST = auto()


class Kind(IntEnum):
    """What the table needs to know of a message."""

    HANDSHAKE = auto()
    NEUTRAL = auto()
    BITFIELD = auto()
    ALL_OR_NONE = auto()
    FAST = auto()
    ORDINARY = auto()


TABLE: Final[dict[Phase, dict[Kind, Phase]]] = {
    Phase.SILENT: {Kind.HANDSHAKE: Phase.GREETED},
    Phase.GREETED: {},
    Phase.FIRST: {
        Kind.NEUTRAL: Phase.FIRST,
        Kind.BITFIELD: Phase.OPEN,
        Kind.ORDINARY: Phase.OPEN,
    },
    Phase.FIRST_FAST: {
        Kind.NEUTRAL: Phase.FIRST_FAST,
        Kind.BITFIELD: Phase.OPEN_FAST,
        Kind.ALL_OR_NONE: Phase.OPEN_FAST,
    },
    Phase.OPEN: {
        Kind.NEUTRAL: Phase.OPEN,
        Kind.BITFIELD: Phase.OPEN,
        Kind.ORDINARY: Phase.OPEN,
    },
    Phase.OPEN_FAST: {
        Kind.NEUTRAL: Phase.OPEN_FAST,
        Kind.BITFIELD: Phase.OPEN_FAST,
        Kind.ALL_OR_NONE: Phase.OPEN_FAST,
        Kind.ORDINARY: Phase.OPEN_FAST,
        Kind.FAST: Phase.OPEN_FAST,
    },
}

_NEUTRAL = (m.KeepAlive, m.Port, m.Extended, m.Unknown)  # libtorrent greets by *extended* before its bitfield
KINDS: Final[dict[type, Kind]] = {
    m.Handshake: Kind.HANDSHAKE,
    m.Bitfield: Kind.BITFIELD,
    m.HaveAll: Kind.ALL_OR_NONE,
    m.HaveNone: Kind.ALL_OR_NONE,
    **dict.fromkeys((m.SuggestPiece, m.AllowedFast, m.RejectRequest), Kind.FAST),
    **dict.fromkeys(_NEUTRAL, Kind.NEUTRAL),
    **dict.fromkeys(
        (m.Choke, m.Unchoke, m.Interested, m.NotInterested, m.Haves, m.Request, m.Piece, m.Cancel),
        Kind.ORDINARY,
    ),
}

_KEEP_ALIVE = m.KeepAlive()
_OPENED = (Phase.OPEN, Phase.OPEN_FAST)


class Connection:
    """Both directions of one connection about one share.

    Feed what arrives to `receive`, send what `send` returns. `remote` is the other side's handshake
    once it has come; `more` is whether `receive` last stopped because it had heard enough. Without a
    `layout` (BEP 9: its metainfo is still to be fetched), nothing can be requested either way, and what
    the other side tells of its blocks is bounded, not checked.
    """

    __slots__ = ("_count", "_layout", "_local", "_remote", "_run", "frame_limit", "more", "remote")

    def __init__(self, layout: Layout | None = None) -> None:
        self.learn(layout or UNKNOWN)
        self._local = Phase.SILENT
        self._remote = Phase.SILENT
        self._run = 0  # bytes of the last run of *pieces* or *requests*
        self.remote: m.Handshake | None = None
        self.more = False

    def learn(self, layout: Layout) -> None:
        """From now on, messages are about a share that is cut like this."""
        self._layout = layout
        self._count = layout.block_count or MAX_BLOCKS  # how many blocks there may be
        self.frame_limit = max(MIN_FRAME_LIMIT, self._count // 8 + 2)

    def receive(self, data: memoryview, most: float = inf) -> tuple[list[m.Handshake | m.Message], int]:
        """The messages at the start of `data`, and how many bytes they took; the rest is for next time.

        The rest is shorter than one frame, so a caller's buffer is bounded, unless there were `most`
        messages: then there is `more`, perhaps. *Haves* in a row come as one, and count one by one. The data
        of a *piece* is a view into `data`.

        Raises:
            RemoteProtocolError: the other side broke the protocol; the connection is of no more use.
        """
        found: list[m.Handshake | m.Message] = []
        position, end = 0, len(data)
        left = most  # messages
        self.more = False
        if self._remote is Phase.SILENT:
            if end < m.HANDSHAKE_LENGTH:
                self._refuse_strangers_early(data)
                return found, 0
            left -= 1
            found.append(self._greeted(m.Handshake.decode(data)))
            position = m.HANDSHAKE_LENGTH
        length_of = _LENGTH.unpack_from
        while end - position >= 4 and left > 0:
            (length,) = length_of(data, position)
            if length > self.frame_limit:
                raise RemoteProtocolError(f"a message of {length} bytes exceeds {self.frame_limit}")
            stop = position + 4 + length
            if stop > end:
                break
            left -= 1
            if length == 5 and data[position + 4] == m.Haves.ID:
                count = self._haves(data[position:], left + 1, found)
                left -= count - 1
                stop = position + 9 * count
            elif length == 0:
                found.append(_KEEP_ALIVE)
            elif count := self._hot(data[position:], left + 1, found):
                left -= count - 1
                stop = position + self._run
            else:
                message = m.decode(data[position + 4], data[position + 5 : stop])
                self._remote = self._step(self._remote, message, RemoteProtocolError)
                self._check(message)
                found.append(message)
            position = stop
        self.more = left <= 0
        return found, position

    def _haves(self, data: memoryview, most: float, found: list[m.Handshake | m.Message]) -> int:
        """The run of *haves* at the start of `data`, at most so many: how many."""
        indices = m.Haves.leading(data, most)
        if max(indices) >= self._count:
            raise RemoteProtocolError(f"block {max(indices)} of {self._count} does not exist")
        message = m.Haves.of(*indices)
        self._remote = self._step(self._remote, message, RemoteProtocolError)
        found.append(message)
        return len(indices)

    def _hot(self, data: memoryview, most: float, found: list[m.Handshake | m.Message]) -> int:
        """The run of *pieces* or *requests* at the start of `data`, at most so many: how many.

        By far most messages are these: the same checks as for all, but one turn of Python for each and no
        walk through the table; 1 µs instead of 3.
        """
        if self._remote not in _OPENED:
            return 0
        if data[4] == m.Piece.ID:
            return self._pieces(data, most, found)
        return self._requests(data, most, found) if data[4] == m.Request.ID else 0

    def _pieces(self, data: memoryview, most: float, found: list[m.Handshake | m.Message]) -> int:
        layout, before, piece, header = self._layout, len(found), m.Piece, _PIECE.unpack_from
        position, end = 0, len(data)
        inner, size = layout.block_count - 1, layout.block_size  # all blocks but the last have this size
        while end - position > _PIECE.size and len(found) - before < most:
            length, kind, index, begin = header(data, position)
            stop = position + 4 + length
            if kind != m.Piece.ID or length <= 9 or stop > end:
                break
            if (index >= inner or begin + length - 9 > size) and not layout.contains(
                index, begin, length - 9
            ):
                raise RemoteProtocolError(f"piece {index}+{begin} does not exist")
            found.append(piece(index, begin, data[position + _PIECE.size : stop]))
            position = stop
        self._run = position
        return len(found) - before

    def _requests(self, data: memoryview, most: float, found: list[m.Handshake | m.Message]) -> int:
        layout, before, request = self._layout, len(found), m.Request
        inner, whole = layout.block_count - 1, layout.block_size  # of all blocks but the last
        frames = int(min(len(data) // _REQUEST.size, most))
        for size, kind, index, begin, length in _REQUEST.iter_unpack(data[: frames * _REQUEST.size]):
            if kind != m.Request.ID or size != 13:
                break
            inside = index < inner and 0 < length <= whole - begin
            if length > m.MAX_REQUEST or not (inside or layout.contains(index, begin, length)):
                raise RemoteProtocolError(f"a request for {index}+{begin}:{length} makes no sense")
            found.append(request(index, begin, length))
        self._run = (len(found) - before) * _REQUEST.size
        return len(found) - before

    def send(self, *messages: m.Handshake | m.Message) -> bytes:
        """The bytes of these messages, which it must be legal to send now, one after another.

        Raises:
            LocalProtocolError: it is not.
        """
        encoded: list[bytes] = []
        request, pack, opened = m.Request, _REQUEST.pack, self._local in _OPENED
        for message in messages:
            if type(message) is request and opened:  # the table would say the same, 2 µs later
                encoded.append(pack(13, request.ID, message.index, message.begin, message.length))
            else:
                self.sends(message)
                encoded.append(message.encode())
                opened = self._local in _OPENED
        return b"".join(encoded)

    def sends(self, message: m.Handshake | m.Message) -> None:
        """Its bytes, which somebody has already, are about to be sent.

        Raises:
            LocalProtocolError: not legal now.
        """
        self._local = self._step(self._local, message, LocalProtocolError)
        if self._local is Phase.GREETED and self.remote is not None:
            self._local = self._first()

    def send_pieces(self, chunks: Iterable[m.Request], data: memoryview) -> list[bytes | memoryview]:
        """The parts to send in answer to these requests, whose data is `data`, one after another: for each
        the `PIECE_HEADER` bytes that go before it, and a view of its data, which is never copied.

        Raises:
            LocalProtocolError: not legal now.
        """
        if self._local not in _OPENED:
            raise LocalProtocolError(f"Piece is not legal in {self._local.name}")
        parts: list[bytes | memoryview] = []
        header, used = m.piece_header, 0
        for chunk in chunks:
            stop = used + chunk.length
            parts.append(header(chunk.index, chunk.begin, chunk.length))
            parts.append(data[used:stop])
            used = stop
        return parts

    def _greeted(self, handshake: m.Handshake) -> m.Handshake:
        self.remote = handshake
        self._remote = self._first()
        if self._local is Phase.GREETED:
            self._local = self._first()
        return handshake

    def _first(self) -> Phase:
        # We always offer both extensions, so what holds is what the remote offers.
        assert self.remote is not None
        return Phase.FIRST_FAST if self.remote.fast else Phase.FIRST

    def _step(self, state: Phase, message: m.Handshake | m.Message, error: type[Exception]) -> Phase:
        following = TABLE[state].get(KINDS[type(message)])
        if following is None:
            raise error(f"{type(message).__name__} is not legal in {state.name}")
        if type(message) is m.Extended and not (self.remote and self.remote.extended):
            raise error("Extended without its reserved bit (BEP 10)")
        return following

    def _check(self, message: m.Message) -> None:
        layout = self._layout
        match message:
            case m.SuggestPiece(index) | m.AllowedFast(index):
                if index >= self._count:
                    raise RemoteProtocolError(f"block {index} of {self._count} does not exist")
            case m.Request(index, begin, length) | m.Cancel(index, begin, length):
                if length > m.MAX_REQUEST or not layout.contains(index, begin, length):
                    raise RemoteProtocolError(f"a request for {index}+{begin}:{length} makes no sense")
            case m.RejectRequest(index, begin, length):
                if not layout.contains(index, begin, length):
                    raise RemoteProtocolError(f"a rejection of {index}+{begin}:{length} makes no sense")
            case m.Piece(index, begin, data):
                if not layout.contains(index, begin, len(data)):
                    raise RemoteProtocolError(f"piece {index}+{begin} does not exist")
            case m.Bitfield(data) if layout.block_count:
                bitfield.from_wire(data, layout.block_count)
            case _:
                pass

    @staticmethod
    def _refuse_strangers_early(data: memoryview) -> None:
        # A browser or a port scan is turned away at its first bytes, not after 68 of them.
        expected = bytes([len(m.PROTOCOL)]) + m.PROTOCOL
        if bytes(data[: len(expected)]) != expected[: len(data)]:
            raise RemoteProtocolError("the other side does not speak BitTorrent")
