"""The peer wire's messages: each survives its frame, and a payload of the wrong shape is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import RemoteProtocolError
from minibit.torrent.layout import MAX_BLOCKS
from minibit.wire import messages
from minibit.wire.messages import (
    AllowedFast,
    Bitfield,
    Cancel,
    Choke,
    Extended,
    Handshake,
    HaveAll,
    HaveNone,
    Haves,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Piece,
    Port,
    RejectRequest,
    Request,
    SuggestPiece,
    Unchoke,
    Unknown,
)

WORD = st.integers(0, 2**32 - 1)
PLAIN: list[type[Message]] = [Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone]
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.sampled_from([kind() for kind in PLAIN]),
    st.builds(Haves.of, st.integers(0, MAX_BLOCKS - 1)),
    *(st.builds(kind, WORD) for kind in (SuggestPiece, AllowedFast)),
    *(st.builds(kind, WORD, WORD, WORD) for kind in (Request, Cancel, RejectRequest)),
    st.builds(Bitfield, st.binary(max_size=50)),
    st.builds(Piece, WORD, WORD, st.binary(min_size=1, max_size=50)),
    st.builds(Port, st.integers(0, 65535)),
    st.builds(Extended, st.integers(0, 255), st.binary(max_size=50)),
)


def frame_parts(frame: bytes) -> tuple[int, memoryview]:
    (length,) = struct.unpack_from(">I", frame)
    assert length == len(frame) - 4
    return frame[4], memoryview(frame)[5:]


@given(MESSAGES)
def test_every_message_survives_its_frame(message: Message) -> None:
    assert messages.decode(*frame_parts(message.encode())) == message


@given(st.integers(0, 255), st.binary(max_size=40))
def test_any_frame_is_a_message_or_refused(message_id: int, payload: bytes) -> None:
    try:
        message = messages.decode(message_id, memoryview(payload))
    except RemoteProtocolError:
        assert message_id in messages.BY_ID
        return
    if isinstance(message, Unknown):
        assert message_id not in messages.BY_ID
        assert message == Unknown(message_id, len(payload))
    else:
        assert frame_parts(message.encode()) == (message_id, payload)


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (KeepAlive(), "00000000"),
        (Choke(), "00000001 00"),
        (Unchoke(), "00000001 01"),
        (Interested(), "00000001 02"),
        (NotInterested(), "00000001 03"),
        (Haves.of(258), "00000005 04 00000102"),
        (Bitfield(b"\xf0\x80"), "00000003 05 f080"),
        (Request(1, 16384, 16384), "0000000d 06 00000001 00004000 00004000"),
        (Piece(1, 2, b"\xab\xcd"), "0000000b 07 00000001 00000002 abcd"),
        (Cancel(1, 2, 3), "0000000d 08 00000001 00000002 00000003"),
        (Port(6881), "00000003 09 1ae1"),
        (SuggestPiece(7), "00000005 0d 00000007"),
        (HaveAll(), "00000001 0e"),
        (HaveNone(), "00000001 0f"),
        (RejectRequest(1, 2, 3), "0000000d 10 00000001 00000002 00000003"),
        (AllowedFast(7), "00000005 11 00000007"),
        (Extended(0, b"de"), "00000004 14 00 6465"),
    ],
)
def test_the_bytes_are_those_of_the_beps(message: Message, frame: str) -> None:
    assert message.encode() == bytes.fromhex(frame)


SHAPES = [
    *((kind.ID, 0) for kind in PLAIN),
    *((kind.ID, 4) for kind in (SuggestPiece, AllowedFast)),
    *((kind.ID, 12) for kind in (Request, Cancel, RejectRequest)),
    (Port.ID, 2),
]


@pytest.mark.parametrize(("message_id", "length"), SHAPES)
def test_payloads_one_byte_off_are_refused(message_id: int, length: int) -> None:
    messages.decode(message_id, memoryview(bytes(length)))
    for wrong in {max(0, length - 1), length + 1} - {length}:
        with pytest.raises(RemoteProtocolError, match=f"with {wrong} bytes of payload, not {length}"):
            messages.decode(message_id, memoryview(bytes(wrong)))


def test_a_piece_without_data_is_refused() -> None:
    for length in (0, 7, 8):
        with pytest.raises(RemoteProtocolError, match="piece without data"):
            messages.decode(Piece.ID, memoryview(bytes(length)))


def test_an_extended_message_without_an_id_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="without an id"):
        messages.decode(Extended.ID, memoryview(b""))


def test_the_data_of_a_received_piece_is_not_copied() -> None:
    buffer = bytearray(Piece(1, 2, b"data").encode())
    piece = messages.decode(Piece.ID, memoryview(buffer)[5:])
    buffer[-4:] = b"DATA"
    assert isinstance(piece, Piece)
    assert bytes(piece.data) == b"DATA"


@given(WORD, WORD, st.binary(min_size=1, max_size=50))
def test_a_piece_may_be_sent_as_header_and_data(index: int, begin: int, data: bytes) -> None:
    header = messages.piece_header(index, begin, len(data))
    assert len(header) == 13
    assert header + data == Piece(index, begin, data).encode()


TWENTY = st.binary(min_size=20, max_size=20)


@given(TWENTY, TWENTY, st.booleans(), st.booleans())
def test_a_handshake_survives(info_hash: bytes, peer_id: bytes, fast: bool, extended: bool) -> None:
    handshake = Handshake(info_hash, peer_id, fast, extended)
    data = handshake.encode()
    assert len(data) == messages.HANDSHAKE_LENGTH
    assert Handshake.decode(data) == handshake
    assert Handshake.decode(memoryview(data + b"more")) == handshake


def test_the_handshakes_bytes_are_those_of_the_beps() -> None:
    expected = b"\x13BitTorrent protocol" + bytes.fromhex("0000000000100004") + b"h" * 20 + b"p" * 20
    assert Handshake(b"h" * 20, b"p" * 20).encode() == expected


def test_reserved_bits_that_we_do_not_know_are_ignored() -> None:
    data = b"\x13BitTorrent protocol" + b"\xff" * 8 + b"h" * 20 + b"p" * 20
    assert Handshake.decode(data) == Handshake(b"h" * 20, b"p" * 20)


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\n", b"\x13BitTorrent protocoL", b"\x14BitTorrent protocol"]
)
def test_other_protocols_are_refused(start: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="does not speak BitTorrent"):
        Handshake.decode(start.ljust(68, b"\0"))
