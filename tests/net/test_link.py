"""What leaves through one connection: everything, in order, once, and no more than there is room for."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from random import Random

import pytest
from fakes.transports import FakeTransport
from hypothesis import given, settings
from hypothesis import strategies as st

from minibit.disk.reader import READ_BYTES, READS_AHEAD, Read
from minibit.net.link import BATCH_PARTS, ITEM_OVERHEAD, Link
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection

LAYOUT = Layout(40 * 65536, 65536)
SHARE = Random(3).randbytes(LAYOUT.total_size)


def idle(link: Link) -> bool:
    """Whether nothing is left to be sent."""
    return not link._batches


class FakeReader:
    """Reads from memory: at once if `prompt`, else when `finish` is called.

    `reads` are those that were asked for and not yet given back; `most` is how many there ever were.
    """

    def __init__(self) -> None:
        self.prompt = True
        self.reads: list[Read] = []
        self.most = 0

    def submit(self, read: Read) -> None:
        assert read.length == sum(chunk.length for chunk in read.chunks) <= READ_BYTES
        self.reads.append(read)
        self.most = max(self.most, len(self.reads))
        if self.prompt:
            self.finish(read)

    def finish(self, read: Read) -> None:
        read.view = memoryview(bytearray(b"".join(map(data_of, read.chunks))))
        read.done = True

    def release(self, read: Read) -> None:
        self.reads.remove(read)


class Sending:
    """A link between fakes, past its handshakes."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.reader = FakeReader()
        connection = Connection(LAYOUT)
        connection.receive(memoryview(m.Handshake(bytes(20), b"b" * 20).encode()))
        for message in (m.Handshake(bytes(20), b"a" * 20), m.HaveAll()):
            connection.send(message)
        self.link = Link(1, self.transport, ("127.0.0.1", 1), connection, self.reader, outgoing=False)  # type: ignore[arg-type]

    def send_all(self) -> int:
        """Send until nothing more can be sent now; how many bytes of payload left."""
        payload = 0
        while self.link.ready or not idle(self.link):
            more, count = self.link.send()
            payload += count
            if not more:
                break
        return payload

    def close(self) -> None:
        self.link.close()


@pytest.fixture
def sending() -> Iterator[Sending]:
    with closing(Sending()) as here:
        yield here


def chunks(*numbers: int) -> list[m.Request]:
    """The chunks of the share with these numbers, counted from its start."""
    per_block = LAYOUT.block_size // CHUNK_SIZE
    return [m.Request(n // per_block, n % per_block * CHUNK_SIZE, CHUNK_SIZE) for n in numbers]


def data_of(request: m.Request) -> bytes:
    at = request.index * LAYOUT.block_size + request.begin
    return SHARE[at : at + request.length]


def on_the_wire(requests: Sequence[m.Request]) -> bytes:
    return b"".join(m.Piece(r.index, r.begin, data_of(r)).encode() for r in requests)


def test_messages_and_data_leave_in_the_order_they_were_put(sending: Sending) -> None:
    expected = b""
    for request in chunks(0, 1, 2, 9, 8):
        have = m.Haves.of(request.index).encode()
        sending.link.put(have)
        sending.link.upload([request])
        expected += have + on_the_wire([request])
    assert not idle(sending.link)
    assert sending.send_all() == 5 * CHUNK_SIZE
    assert idle(sending.link)
    assert not sending.link.ready
    assert sending.transport.sent == expected
    assert sending.reader.reads == []


def test_a_message_put_after_data_waits_for_it_and_one_put_before_does_not(sending: Sending) -> None:
    sending.reader.prompt = False
    have, choke = m.Haves.of(1).encode(), m.Choke().encode()
    (request,) = chunks(3)
    sending.link.put(have)
    sending.link.upload([request])
    sending.link.put(choke)

    assert sending.send_all() == 0
    assert sending.transport.sent == have
    assert not sending.link.ready, "nothing is to be sent before the disk has answered"
    assert not idle(sending.link)

    sending.reader.finish(sending.reader.reads[0])
    assert sending.link.ready
    assert sending.send_all() == CHUNK_SIZE
    assert sending.transport.sent == have + on_the_wire([request]) + choke


def test_reads_that_are_done_out_of_turn_leave_in_turn(sending: Sending) -> None:
    sending.reader.prompt = False
    per_read = READ_BYTES // CHUNK_SIZE
    asked = chunks(*range(2 * per_read))
    sending.link.upload(asked)
    sending.link.send()
    first, second = sending.reader.reads
    sending.reader.finish(second)
    assert sending.send_all() == 0
    assert sending.transport.sent == b""
    sending.reader.finish(first)
    assert sending.send_all() == 2 * READ_BYTES
    assert sending.transport.sent == on_the_wire(asked)


def test_the_next_batch_is_read_while_one_is_sent_and_no_more_than_that(sending: Sending) -> None:
    sending.transport.room = 100_000
    asked = chunks(*range(LAYOUT.total_size // CHUNK_SIZE))
    sending.link.upload(asked)
    reported = 0
    while not idle(sending.link):
        _, payload = sending.link.send()
        reported += payload
        left = LAYOUT.total_size - reported
        assert len(sending.reader.reads) == min(READS_AHEAD, -(-left // READ_BYTES))
    assert sending.transport.sent == on_the_wire(asked)
    assert reported == LAYOUT.total_size
    assert sending.reader.most == READS_AHEAD


def test_a_link_that_takes_little_at_a_time_loses_nothing_and_stays_ready(sending: Sending) -> None:
    sending.transport.room = 1000
    asked = chunks(*range(10))
    expected = m.Unchoke().encode() + on_the_wire(asked) + m.Choke().encode()
    sending.link.put(m.Unchoke().encode())
    sending.link.upload(asked)
    sending.link.put(m.Choke().encode())
    turns = reported = 0
    while not idle(sending.link):
        assert turns == 0 or sending.link.ready
        _, payload = sending.link.send()
        reported += payload
        turns += 1
    assert sending.transport.sent == expected
    assert reported == 10 * CHUNK_SIZE
    assert turns >= len(expected) // 1000


def test_without_any_room_nothing_changes(sending: Sending) -> None:
    sending.transport.room = 0
    sending.link.upload(chunks(0))
    for _ in range(3):
        assert sending.link.send() == (False, 0)
        assert sending.link.ready
    sending.transport.room = 1 << 30
    assert sending.link.send() == (False, CHUNK_SIZE)


def test_many_messages_are_sent_by_few_calls(sending: Sending) -> None:
    for _ in range(2 * BATCH_PARTS):
        sending.link.put(b"\0\0\0\0")
    sending.send_all()
    assert len(sending.transport.sent) == 8 * BATCH_PARTS
    assert len(sending.transport.calls) == 1
    sending.link.put(b"\0\0\0\0")
    sending.link.upload(chunks(*range(2)))
    sending.send_all()
    assert len(sending.transport.calls) == 2, "what is read already leaves with what is before it"


def test_nothing_to_send_is_no_work(sending: Sending) -> None:
    assert sending.link.send() == (False, 0)
    assert idle(sending.link)
    assert sending.transport.calls == []


def test_what_is_not_read_is_counted_until_it_leaves(sending: Sending) -> None:
    link = sending.link
    link.upload(chunks(*range(100)))
    assert link.waiting == 0, "data is read from the disk when it is about to be sent"
    for _ in range(1000):
        link.put(m.Haves.of(1).encode())
    sending.transport.room = 0
    link.send()
    assert link.waiting == 1000 * (9 + ITEM_OVERHEAD)
    sending.transport.room = 1 << 30
    sending.send_all()
    assert idle(link)
    assert link.waiting == 0


def test_a_closed_link_gives_its_reads_back_whether_they_are_done_or_not(sending: Sending) -> None:
    sending.transport.room = 1000
    sending.reader.prompt = False
    sending.link.upload(chunks(*range(100)))
    sending.link.send()
    sending.reader.finish(sending.reader.reads[0])
    sending.link.send()
    assert len(sending.reader.reads) == READS_AHEAD
    sending.link.close()
    assert sending.reader.reads == []
    assert sending.transport.closed
    assert idle(sending.link)
    assert len(sending.transport.sent) == 1000, "nothing more is sent"


PUT = st.tuples(st.just("put"), st.integers(1, 2 * BATCH_PARTS))
UPLOAD = st.tuples(st.just("upload"), st.integers(1, 40))
ROOM = st.tuples(st.just("room"), st.sampled_from((0, 1, 50, 3000, 1 << 30)))
READ = st.tuples(st.just("read"), st.integers(0, READS_AHEAD - 1))
SEND = st.tuples(st.just("send"), st.just(1))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PUT, UPLOAD, ROOM, READ, SEND), max_size=40), st.booleans())
def test_whatever_comes_between_every_byte_leaves_once_and_in_order(
    steps: list[tuple[str, int]], prompt: bool
) -> None:
    """Also what is put while another batch is half sent, or being read."""
    with closing(Sending()) as here:
        link, reader, expected = here.link, here.reader, bytearray()
        reader.prompt = prompt
        uploaded = reported = number = 0
        for what, count in steps:
            if what == "put":
                for _ in range(count):
                    message = m.Haves.of(number := (number + 1) % 40).encode()
                    link.put(message)
                    expected += message
            elif what == "upload":
                asked = [m.Request(n % 40, 7 * n, 16) for n in range(number, number + count)]
                link.upload(asked)
                expected += on_the_wire(asked)
                uploaded += 16 * count
            elif what == "room":
                here.transport.room = count
            elif what == "read":
                for read in [each for each in reader.reads if not each.done][count:]:
                    reader.finish(read)
            else:
                reported += link.send()[1]
                assert len(here.transport.sent) <= len(expected)
                assert idle(link) or link.ready or any(not read.done for read in reader.reads), "it is stuck"
        here.transport.room, reader.prompt = 1 << 30, True
        while not idle(link):
            for read in reader.reads:
                if not read.done:
                    reader.finish(read)
            reported += link.send()[1]
        assert here.transport.sent == expected
        assert (reported, link.waiting, reader.reads) == (uploaded, 0, [])
        assert reader.most <= READS_AHEAD


def test_the_other_side_has_gone(sending: Sending) -> None:
    sending.transport.broken = True
    sending.link.put(b"\0\0\0\0")
    with pytest.raises(ConnectionError):
        sending.link.send()
