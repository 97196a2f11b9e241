"""Messages about metadata (BEP 9): what the BEP shows, what comes back as it went, what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import RemoteProtocolError
from minibit.wire import metadata
from minibit.wire.metadata import Data, MetadataMessage, Reject, Request, piece_count, piece_length

PIECES = st.integers(0, 1 << 30)
MESSAGES = st.one_of(
    st.builds(Request, PIECES),
    st.builds(Reject, PIECES),
    st.builds(Data, PIECES, st.none() | st.integers(1, 1 << 40), st.binary(max_size=40)),
)


def test_the_examples_of_the_bep() -> None:
    assert Request(0).encode() == b"d8:msg_typei0e5:piecei0ee"
    assert Data(0, 3425, b"xx").encode() == b"d8:msg_typei1e5:piecei0e10:total_sizei3425eexx"
    assert Reject(0).encode() == b"d8:msg_typei2e5:piecei0ee"


@given(MESSAGES)
def test_every_message_survives(message: MetadataMessage) -> None:
    assert metadata.decode(message.encode()) == message


def test_a_kind_that_nobody_knows_is_passed_over() -> None:
    assert metadata.decode(b"d8:msg_typei3e5:piecei0ee") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"e",
        b"i0e",
        b"le",
        b"d8:msg_typei0e",
        b"d8:msg_typei0ee",
        b"d5:piecei0ee",
        b"d8:msg_typei0e5:piecei-1ee",
        b"d8:msg_type1:05:piecei0ee",
        b"d1:x99999999999999999999:",
        b"l" * 2000,
        b"d1:x2000:" + b"y" * 2000 + b"e",
    ],
)
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="metadata"):
        metadata.decode(body)


def test_the_last_piece_is_shorter() -> None:
    assert piece_count(2 * metadata.PIECE_SIZE) == 2
    assert piece_count(2 * metadata.PIECE_SIZE + 1) == 3
    assert [piece_length(20_000, piece) for piece in range(3)] == [16384, 3616, 0]
