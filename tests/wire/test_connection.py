"""The protocol machine: its table row by row in both directions, streams cut anywhere, bounds, garbage."""

import random
import struct
from collections.abc import Callable
from itertools import groupby
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.errors import LocalProtocolError, RemoteProtocolError
from minibit.torrent.layout import Layout
from minibit.wire import messages as m
from minibit.wire.connection import MIN_FRAME_LIMIT, TABLE, Connection, Phase
from minibit.wire.messages import MAX_REQUEST

LAYOUT = Layout(9 * 32768 + 20000, 32768)  # ten blocks, the last of 20,000 bytes
FAST = m.Handshake(b"h" * 20, b"p" * 20)
PLAIN = m.Handshake(b"h" * 20, b"p" * 20, fast=False, extended=False)
BITFIELD = m.Bitfield(bitfield.to_wire(0b1011, 10))

# One example of every message.
EXAMPLES: dict[type, m.Handshake | m.Message] = {
    type(message): message
    for message in (
        *(
            FAST,
            m.KeepAlive(),
            m.Choke(),
            m.Unchoke(),
            m.Interested(),
            m.NotInterested(),
            m.Haves.of(9),
            BITFIELD,
        ),
        *(m.Request(0, 0, 16384), m.Piece(0, 0, b"data"), m.Cancel(0, 0, 16384), m.Port(6881)),
        *(m.SuggestPiece(0), m.HaveAll(), m.HaveNone(), m.RejectRequest(0, 0, 16384), m.AllowedFast(0)),
        *(m.Extended(0, b"de"), m.Unknown(99, 0)),
    )
}
NEUTRAL = {m.KeepAlive, m.Port, m.Extended, m.Unknown}
ORDINARY = {m.Choke, m.Unchoke, m.Interested, m.NotInterested, m.Haves, m.Request, m.Piece, m.Cancel}

# BEP 6: the first message tells the blocks, or nothing goes. Later ones may tell them again, as aria2 does.
LEGAL: dict[Phase, set[type]] = {
    Phase.SILENT: {m.Handshake},
    Phase.GREETED: set(),
    Phase.FIRST: NEUTRAL | ORDINARY | {m.Bitfield},
    Phase.FIRST_FAST: NEUTRAL | {m.Bitfield, m.HaveAll, m.HaveNone},
    Phase.OPEN: NEUTRAL | ORDINARY | {m.Bitfield},
    Phase.OPEN_FAST: NEUTRAL
    | ORDINARY
    | {m.SuggestPiece, m.RejectRequest, m.AllowedFast}
    | {m.Bitfield, m.HaveAll, m.HaveNone},
}
OPENERS: dict[Phase, list[m.Handshake | m.Message]] = {
    Phase.SILENT: [],
    Phase.FIRST: [m.Handshake(b"h" * 20, b"p" * 20, fast=False)],
    Phase.FIRST_FAST: [FAST],
    Phase.OPEN: [m.Handshake(b"h" * 20, b"p" * 20, fast=False), m.Unchoke()],
    Phase.OPEN_FAST: [FAST, m.HaveNone()],
}


def on_wire(message: m.Handshake | m.Message) -> bytes:
    """The bytes of any message, also of an id that no BEP we speak defines."""
    if isinstance(message, m.Unknown):
        return struct.pack(">IB", 1 + message.length, message.id) + bytes(message.length)
    return message.encode()


def hear(connection: Connection, *messages: m.Handshake | m.Message) -> list[m.Handshake | m.Message]:
    data = b"".join(map(on_wire, messages))
    found, used = connection.receive(memoryview(data))
    assert used == len(data)
    return found


def heard(state: Phase) -> Connection:
    """A connection whose remote side is in this state."""
    connection = Connection(LAYOUT)
    hear(connection, *OPENERS[state])
    return connection


def spoken(state: Phase) -> Connection:
    """A connection whose local side is in this state."""
    connection = Connection(LAYOUT)
    if state is Phase.GREETED:
        connection.send(FAST)
    elif state is not Phase.SILENT:
        first, *rest = OPENERS[state]
        hear(connection, first)
        for message in (FAST, *rest):
            connection.send(message)
    return connection


ROWS = [
    (state, kind) for state in OPENERS for kind in EXAMPLES if (state, kind) != (Phase.SILENT, m.Handshake)
]


@pytest.mark.parametrize(("state", "kind"), ROWS, ids=lambda value: getattr(value, "__name__", None))
def test_what_a_remote_may_say(state: Phase, kind: type) -> None:
    connection = heard(state)
    if kind is m.Handshake or state is Phase.SILENT or kind not in LEGAL[state]:
        with pytest.raises(RemoteProtocolError):
            connection.receive(memoryview(on_wire(EXAMPLES[kind]).ljust(68, b"\0")))
    else:
        assert hear(connection, EXAMPLES[kind]) == [EXAMPLES[kind]]


@pytest.mark.parametrize("state", Phase)
@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind is not m.Unknown])
def test_what_we_may_say(state: Phase, kind: type) -> None:
    connection = spoken(state)
    if kind in LEGAL[state]:
        assert connection.send(EXAMPLES[kind]) == EXAMPLES[kind].encode()
    else:
        with pytest.raises(LocalProtocolError, match=kind.__name__):
            connection.send(EXAMPLES[kind])


def test_every_state_has_its_row() -> None:
    assert set(TABLE) == set(Phase) == set(LEGAL)


@pytest.mark.parametrize("state", Phase)
def test_data_goes_out_only_when_open(state: Phase) -> None:
    connection = spoken(state)
    if state in (Phase.OPEN, Phase.OPEN_FAST):
        data = random.Random(1).randbytes(16384 + 100)
        parts = connection.send_pieces([m.Request(1, 16384, 16384), m.Request(2, 0, 100)], memoryview(data))
        first, second = m.Piece(1, 16384, data[:16384]), m.Piece(2, 0, data[16384:])
        assert b"".join(parts) == first.encode() + second.encode()
        assert [len(part) for part in parts[::2]] == [m.PIECE_HEADER] * 2
    else:
        with pytest.raises(LocalProtocolError):
            connection.send_pieces([m.Request(1, 16384, 16384)], memoryview(bytes(16384)))


@pytest.mark.parametrize("state", [Phase.OPEN, Phase.OPEN_FAST])
def test_blocks_may_be_told_again(state: Phase) -> None:
    assert hear(heard(state), BITFIELD, m.Haves.of(1), BITFIELD) == [BITFIELD, m.Haves.of(1), BITFIELD]


@pytest.mark.parametrize("neutral", [m.KeepAlive(), m.Extended(0, b"de"), m.Port(1)])
def test_small_talk_may_come_before_the_blocks(neutral: m.Message) -> None:
    for told in (BITFIELD, m.HaveAll()):
        assert hear(heard(Phase.FIRST_FAST), neutral, neutral, told) == [neutral, neutral, told]
    assert hear(heard(Phase.FIRST), neutral, BITFIELD) == [neutral, BITFIELD]


@pytest.mark.parametrize("late", [m.HaveAll(), m.HaveNone()])
def test_all_and_none_need_the_fast_extension_at_any_time(late: m.Message) -> None:
    for state in (Phase.FIRST, Phase.OPEN):
        with pytest.raises(RemoteProtocolError, match="is not legal"):
            hear(heard(state), late)


def test_extended_needs_its_reserved_bit() -> None:
    for error, speak in (
        (RemoteProtocolError, lambda c: hear(c, m.Extended(0, b"de"))),
        (LocalProtocolError, lambda c: c.send(m.Extended(0, b"de"))),
    ):
        connection = Connection(LAYOUT)
        hear(connection, PLAIN)
        connection.send(FAST)
        with pytest.raises(error, match="BEP 10"):
            speak(connection)


def test_a_side_that_has_only_greeted_waits_for_the_other() -> None:
    connection = Connection(LAYOUT)
    connection.send(FAST)
    with pytest.raises(LocalProtocolError):
        connection.send(m.HaveNone())
    hear(connection, FAST)
    assert connection.remote == FAST
    assert connection.send(m.HaveNone()) == m.HaveNone().encode()


# --- bounds


WITHIN = [(0, 0, 32768), (9, 16384, 3616), (9, 19999, 1), (0, 32767, 1)]
BEYOND = [(10, 0, 1), (9, 16384, 3617), (9, 20000, 1), (0, 32768, 1), (0, 1, 32768), (0, 2**32 - 1, 1)]


@pytest.mark.parametrize("kind", [m.Request, m.Cancel, m.RejectRequest])
def test_chunks_that_do_not_exist(kind: Callable[[int, int, int], m.Message]) -> None:
    for chunk in WITHIN:
        assert hear(heard(Phase.OPEN_FAST), kind(*chunk)) == [kind(*chunk)]
    for chunk in (*BEYOND, (0, 0, 0)):
        with pytest.raises(RemoteProtocolError):
            hear(heard(Phase.OPEN_FAST), kind(*chunk))


@pytest.mark.parametrize("state", [Phase.FIRST, Phase.OPEN, Phase.OPEN_FAST])
def test_data_that_does_not_exist(state: Phase) -> None:
    for index, begin, length in WITHIN:
        piece = m.Piece(index, begin, b"x" * length)
        assert hear(heard(state), piece) == [piece]
    for index, begin, length in BEYOND:
        with pytest.raises(RemoteProtocolError):
            hear(heard(state), m.Piece(index, begin, b"x" * length))
    with pytest.raises(RemoteProtocolError, match="without data"):
        hear(heard(state), m.Piece(0, 0, b""))


@pytest.mark.parametrize("kind", [m.Haves.of, m.SuggestPiece, m.AllowedFast])
def test_blocks_that_do_not_exist(kind: Callable[[int], m.Message]) -> None:
    assert hear(heard(Phase.OPEN_FAST), kind(9)) == [kind(9)]
    for index in (10, 2**32 - 1):
        with pytest.raises(RemoteProtocolError, match=f"block {index} of 10"):
            hear(heard(Phase.OPEN_FAST), kind(index))


@pytest.mark.parametrize("kind", [m.Request, m.Cancel])
def test_nobody_asks_for_more_than_128_kib(kind: Callable[[int, int, int], m.Message]) -> None:
    connection = Connection(Layout(1 << 22, 1 << 20))
    hear(connection, FAST, m.HaveNone(), kind(0, 0, MAX_REQUEST))
    with pytest.raises(RemoteProtocolError):
        hear(connection, kind(0, 0, MAX_REQUEST + 1))


@pytest.mark.parametrize("data", [b"\xff", b"\xff\xe0", b"\xff\xc0\0"])
def test_a_bitfield_of_another_size_or_with_spare_bits(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        hear(heard(Phase.FIRST_FAST), m.Bitfield(data))


@pytest.mark.parametrize("blocks", [1, 1 << 21])
def test_a_frame_over_the_limit_is_refused_by_its_length_alone(blocks: int) -> None:
    connection = Connection(Layout(blocks * 16384, 16384))
    hear(connection, FAST)
    limit = connection.frame_limit
    assert limit >= MIN_FRAME_LIMIT
    assert connection.receive(memoryview(struct.pack(">IB", limit, 20))) == ([], 0)
    with pytest.raises(RemoteProtocolError, match="exceeds"):
        connection.receive(memoryview(struct.pack(">I", limit + 1)))


def test_the_longest_bitfield_fits_the_limit() -> None:
    count = 1 << 21
    connection = Connection(Layout(count * 1024, 1024))
    told = m.Bitfield(bitfield.to_wire(bitfield.full(count), count))
    assert hear(connection, FAST, told) == [FAST, told]


# --- streams


@st.composite
def streams(draw: st.DrawFn) -> list[m.Handshake | m.Message]:
    """What an honest remote may say."""
    first = draw(st.sampled_from([BITFIELD, m.HaveAll(), m.HaveNone()]))
    block = st.integers(0, 8)
    request = st.builds(m.Request, block, st.sampled_from([0, 16384]), st.just(16384))
    piece = st.builds(m.Piece, block, st.integers(0, 100), st.binary(min_size=1, max_size=300))
    fixed = st.sampled_from([message for kind, message in EXAMPLES.items() if kind in LEGAL[Phase.OPEN_FAST]])
    return [FAST, first, *draw(st.lists(request | piece | fixed | st.builds(m.Haves.of, block), max_size=25))]


def gathered(told: list[m.Handshake | m.Message]) -> list[m.Handshake | m.Message]:
    """The same, with what comes as runs of *haves* put together."""
    runs: list[m.Handshake | m.Message] = []
    for is_run, messages in groupby(told, lambda message: isinstance(message, m.Haves)):
        same = list(messages)
        runs += [m.Haves.joined(cast(list[m.Haves], same))] if is_run else same
    return runs


@given(streams(), st.lists(st.integers(1, 120), min_size=1, max_size=20))
def test_a_stream_cut_anywhere_says_the_same(told: list[m.Handshake | m.Message], cuts: list[int]) -> None:
    data = b"".join(map(on_wire, told))
    connection = Connection(LAYOUT)
    found: list[m.Handshake | m.Message] = []
    pending = b""
    position = turn = 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        turn += 1
        pending += data[position : position + size]
        position += size
        messages, used = connection.receive(memoryview(pending))
        # The data of a piece is a view that the caller's next read may overwrite: keep a copy.
        found += [m.Piece(x.index, x.begin, bytes(x.data)) if isinstance(x, m.Piece) else x for x in messages]
        pending = pending[used:]
        assert len(pending) < connection.frame_limit + 4
    assert pending == b""
    assert gathered(found) == gathered(told)


@given(streams(), st.binary(max_size=400), st.integers(0, 10_000))
def test_garbage_is_only_ever_the_remotes_fault(
    told: list[m.Handshake | m.Message], garbage: bytes, place: int
) -> None:
    data = b"".join(map(on_wire, told))
    place %= len(data)
    connection = Connection(LAYOUT)
    try:
        _, used = connection.receive(memoryview(data[:place] + garbage + data[place:]))
    except RemoteProtocolError:
        return
    assert len(data) + len(garbage) - used < connection.frame_limit + 4


@given(st.binary(max_size=200))
def test_garbage_instead_of_a_handshake(garbage: bytes) -> None:
    try:
        found, used = Connection(LAYOUT).receive(memoryview(garbage))
    except RemoteProtocolError:
        return
    assert (found, used) == ([], 0)
    assert (b"\x13BitTorrent protocol").startswith(garbage[:20])


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\x13BitTorrent protocoX"])
def test_a_stranger_is_turned_away_at_its_first_bytes(opening: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="does not speak BitTorrent"):
        Connection(LAYOUT).receive(memoryview(opening))


def test_piece_data_is_a_view_not_a_copy() -> None:
    connection = heard(Phase.OPEN_FAST)
    buffer = bytearray(m.Piece(3, 0, b"ab").encode())
    (piece,), _ = connection.receive(memoryview(buffer))
    buffer[-1:] = b"Z"
    assert isinstance(piece, m.Piece)
    assert bytes(piece.data) == b"aZ"


# --- two of them


class ConnectionPair:
    """Two connections joined back to back: what one sends, the other has received at once."""

    def __init__(self) -> None:
        self.ends = (Connection(LAYOUT), Connection(LAYOUT))

    def say(self, end: int, *messages: m.Handshake | m.Message) -> list[m.Handshake | m.Message]:
        """What the other end hears of these."""
        data = b"".join(map(self.ends[end].send, messages))
        found, used = self.ends[1 - end].receive(memoryview(data))
        assert used == len(data)
        return found


def test_a_whole_conversation() -> None:
    pair = ConnectionPair()
    other = m.Handshake(b"h" * 20, b"q" * 20)
    assert pair.say(0, FAST) == [FAST]
    assert pair.say(1, other, m.Extended(0, b"de"), m.HaveAll()) == [other, m.Extended(0, b"de"), m.HaveAll()]
    assert pair.say(0, m.HaveNone(), m.Interested()) == [m.HaveNone(), m.Interested()]
    assert pair.say(1, m.AllowedFast(2), m.Unchoke()) == [m.AllowedFast(2), m.Unchoke()]
    asked = [m.Request(2, 0, 16384), m.Request(2, 16384, 16384)]
    assert pair.say(0, *asked) == asked
    assert pair.say(1, m.Piece(2, 0, b"x" * 16384), m.RejectRequest(2, 16384, 16384)) == [
        m.Piece(2, 0, b"x" * 16384),
        m.RejectRequest(2, 16384, 16384),
    ]
    assert [end.remote for end in pair.ends] == [other, FAST]


@pytest.mark.parametrize("end", [0, 1])
def test_one_plain_side_makes_the_whole_connection_plain(end: int) -> None:
    pair = ConnectionPair()
    pair.say(1 - end, FAST)
    # The other end offers nothing, so our end must not use what only it offered.
    pair.ends[1 - end].receive(memoryview(PLAIN.encode()))
    with pytest.raises(LocalProtocolError):
        pair.ends[1 - end].send(m.HaveNone())
    assert pair.ends[1 - end].send(BITFIELD) == BITFIELD.encode()


SPEECH = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(list(EXAMPLES.values()))), max_size=30)


@given(SPEECH)
def test_what_one_side_may_send_the_other_accepts(speech: list[tuple[int, m.Handshake | m.Message]]) -> None:
    pair = ConnectionPair()
    pair.say(0, FAST)
    pair.say(1, FAST)
    for end, message in speech:
        if isinstance(message, m.Unknown):
            continue
        try:
            heard_of = pair.say(end, message)
        except LocalProtocolError:
            continue
        assert heard_of == [message]


def test_no_more_than_a_turn_of_messages_is_taken_at_a_time() -> None:
    connection = Connection(LAYOUT)
    data = b"".join(on_wire(message) for message in (FAST, m.HaveNone(), *[m.KeepAlive()] * 10))
    taken = []
    while data:
        found, used = connection.receive(memoryview(data), 5)
        taken.append((len(found), connection.more))
        data = data[used:]
    assert taken == [(5, True), (5, True), (2, False)]


def test_haves_in_a_row_are_one_message_and_a_turn_counts_each() -> None:
    connection = heard(Phase.OPEN_FAST)
    told = [m.Haves.of(3, 1, 1, 9), m.KeepAlive(), m.Haves.of(2), m.Choke(), m.Haves.of(4, 5, 6)]
    raw = b"".join(struct.pack(">IBI", 5, 4, index) for index in (3, 1, 1, 9))
    data = raw + b"".join(map(on_wire, told[1:]))
    assert connection.receive(memoryview(data)) == (told, len(data))
    assert told[0] == m.Haves(0b10_0000_1010, repeated=1)
    found, used = connection.receive(memoryview(data), 6)
    assert (found, used, connection.more) == (told[:3], len(raw) + 4 + 9, True)
    found, used = connection.receive(memoryview(data), 2)
    assert (found, used, connection.more) == ([m.Haves.of(3, 1)], 18, True)


def test_a_run_of_haves_may_be_cut_by_the_end_of_what_came() -> None:
    connection = heard(Phase.OPEN_FAST)
    data = m.Haves.of(1, 2).encode()
    for cut in range(len(data)):
        found, used = connection.receive(memoryview(data[:cut]))
        assert (found, used) == (([m.Haves.of(1)], 9) if cut >= 9 else ([], 0))
