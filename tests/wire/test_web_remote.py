"""The neighbour that is none: what an engine hears of it, and which bytes are fetched for what it asks."""

from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection
from minibit.wire.extended import ExtendedHandshake
from minibit.wire.web_remote import MAX_RUN, Run, WebRemote

LAYOUT = Layout(10 * 2 * CHUNK_SIZE + 5, 2 * CHUNK_SIZE)  # ten blocks of two chunks, and one of five bytes
HASH = b"#" * 20


class Engine:
    """The near end: says messages, and remembers what it heard."""

    def __init__(self, remote: WebRemote, layout: Layout = LAYOUT) -> None:
        self.remote = remote
        self.connection = Connection(layout)

    def says(self, *messages: m.Handshake | m.Message) -> list[m.Handshake | m.Message]:
        self.remote.hear(b"".join(map(self.connection.send, messages)))
        return self.hears()

    def hears(self) -> list[m.Handshake | m.Message]:
        heard, used = self.connection.receive(memoryview(bytes(self.remote.said)))
        del self.remote.said[:used]
        return heard


def met(blocks: int, layout: Layout = LAYOUT) -> tuple[WebRemote, Engine]:
    remote = WebRemote(layout, HASH, b"w" * 20, "web seed m.example")
    remote.show(blocks)
    engine = Engine(remote, layout)
    engine.says(m.Handshake(HASH, b"e" * 20))
    engine.says(m.HaveNone(), m.Interested())
    return remote, engine


def chunk(number: int, length: int = CHUNK_SIZE) -> m.Request:
    block, begin = divmod(number * CHUNK_SIZE, LAYOUT.block_size)
    return m.Request(block, begin, length)


def test_it_greets_tells_its_blocks_and_unchokes() -> None:
    remote = WebRemote(LAYOUT, HASH, b"w" * 20, "web seed m.example")
    remote.show(0b101)
    engine = Engine(remote)

    assert engine.hears() == [m.Handshake(HASH, b"w" * 20)]
    hello, blocks, unchoke = engine.says(m.Handshake(HASH, b"e" * 20))

    assert isinstance(hello, m.Extended)
    assert ExtendedHandshake.decode(hello.body) == ExtendedHandshake({}, "HTTP", name="web seed m.example")
    assert (blocks, unchoke) == (m.Bitfield(bytes([0b10100000, 0])), m.Unchoke())
    remote.show(0b111)
    assert engine.hears() == [m.Haves(0b010)]
    assert remote.shown == 0b111


def test_all_or_nothing_is_said_shortly() -> None:
    for blocks, said in ((0, m.HaveNone()), ((1 << 11) - 1, m.HaveAll())):
        remote = WebRemote(LAYOUT, HASH, b"w" * 20, "")
        remote.show(blocks)
        assert said in Engine(remote).says(m.Handshake(HASH, b"e" * 20))


def test_what_is_asked_for_becomes_runs_from_the_oldest_request_on() -> None:
    remote, engine = met((1 << 11) - 1)
    assert remote.next_run() is None
    engine.says(*map(chunk, (7, 3, 6, 5, 18)), m.KeepAlive())
    assert not remote.idle

    assert remote.next_run() == Run(5 * CHUNK_SIZE, 3 * CHUNK_SIZE)
    assert remote.next_run() is None, "one at a time"
    data = bytes(range(256)) * 192
    remote.came(data[:100])
    assert engine.hears() == []
    remote.came(data[100:])
    assert [(p.index, p.begin, bytes(p.data)) for p in engine.hears() if isinstance(p, m.Piece)] == [
        (2, CHUNK_SIZE, data[:CHUNK_SIZE]),
        (3, 0, data[CHUNK_SIZE : 2 * CHUNK_SIZE]),
        (3, CHUNK_SIZE, data[2 * CHUNK_SIZE :]),
    ]
    assert remote.brought == len(data)
    assert remote.next_run() == Run(3 * CHUNK_SIZE, CHUNK_SIZE)
    remote.came(bytes(CHUNK_SIZE))
    assert remote.next_run() == Run(18 * CHUNK_SIZE, CHUNK_SIZE)
    assert remote.idle


def test_a_run_ends_where_a_block_does_not_and_has_a_bound() -> None:
    long = Layout(2 * MAX_RUN, 1 << 22)
    remote, engine = met(0b11, long)
    blocks = range(0, 2 * MAX_RUN, CHUNK_SIZE)
    engine.says(*(m.Request(*divmod(at, long.block_size), CHUNK_SIZE) for at in blocks))
    assert remote.next_run() == Run(0, MAX_RUN)


def test_what_is_cancelled_in_time_is_rejected_and_not_fetched() -> None:
    remote, engine = met((1 << 11) - 1)
    engine.says(chunk(0), chunk(1), chunk(4))
    assert remote.next_run() == Run(0, 2 * CHUNK_SIZE)

    said = engine.says(m.Cancel(0, 0, CHUNK_SIZE), m.Cancel(2, 0, CHUNK_SIZE))

    assert said == [m.RejectRequest(2, 0, CHUNK_SIZE)]
    remote.came(bytes(2 * CHUNK_SIZE))
    assert len(engine.hears()) == 2, "what is under way comes"
    assert remote.next_run() is None


def test_the_last_block_is_short_and_words_may_come_in_pieces() -> None:
    remote, engine = met((1 << 11) - 1)
    said = engine.connection.send(m.Request(10, 0, 5))
    remote.hear(said[:7])
    assert remote.next_run() is None
    remote.hear(said[7:])
    assert remote.next_run() == Run(20 * CHUNK_SIZE, 5)
    remote.came(b"12345")
    assert engine.hears() == [m.Piece(10, 0, b"12345")]
