"""Engines on real sockets and a real disk: two nodes trade, and what goes wrong ends where it should."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from minibit import bitfield, registry
from minibit.address import PeerAddress
from minibit.disk.share import Share, from_path
from minibit.disk.storage import Storage
from minibit.engine.effects import Effect
from minibit.engine.engine import Engine, Identity
from minibit.errors import StorageError, UsageError
from minibit.net import link, node
from minibit.net.link import Link, connected_socket
from minibit.net.listener import listen
from minibit.net.node import Node
from minibit.strategies.view import Pick
from minibit.torrent.metainfo import Metainfo
from minibit.wire import messages as m

PATIENCE = 20.0
BLOCK = 32768

T = TypeVar("T")


def shared(tmp_path: Path) -> Share:
    """A folder of two files whose border lies inside a block."""
    folder = tmp_path / "source" / "collection"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(Random(1).randbytes(5 * BLOCK + 77))
    (folder / "two").write_bytes(Random(2).randbytes(3 * BLOCK + 5))
    return from_path(folder, block_size=BLOCK)


class Running:
    """A node that runs: where it listens, what it announced, what happened to it."""

    def __init__(self, name: str, metainfo: Metainfo, folder: Path, *, seed: bool, **options: Any) -> None:
        self.listener = listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.peer_id = f"-MB0000-{name:.<12}".encode()
        self.storage = Storage(metainfo, folder, writable=not seed)
        self.announced: list[str] = []
        self.events: list[str] = []
        if not seed:
            self.storage.prepare()
        engine = Engine(
            Identity(name, self.peer_id, self.port),
            metainfo.info_hash,
            metainfo.layout,
            have=bitfield.full(metainfo.layout.block_count) if seed else 0,
            picking=options.get("picking", registry.picking("rarest-first")),
            choking=registry.choking("tit-for-tat"),
            rng=Random(5),
            now=asyncio.get_running_loop().time(),
        )
        self.node = Node(
            engine,
            metainfo,
            self.storage,
            self.listener,
            on_announce=self.announced.append,
            on_event=self.events.append,
        )
        self.task = asyncio.create_task(self.node.run())

    @property
    def address(self) -> PeerAddress:
        return PeerAddress("", "127.0.0.1", self.port, self.peer_id)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, StorageError, UsageError, AttributeError):
            await self.task
        self.storage.close()


@asynccontextmanager
async def running(*arguments: Any, **options: Any) -> Any:
    one = Running(*arguments, **options)
    try:
        yield one
    finally:
        await one.stop()


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


async def until(look: Callable[[], Any]) -> None:
    """`look()` became true; the test's own time limit ends this if it never does."""
    while not look():
        await asyncio.sleep(0.01)


def test_two_nodes_trade_a_folder(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            assert seed.node.finished.is_set()
            assert not ana.node.finished.is_set()
            ana.node.peers_found([seed.address])
            await ana.node.finished.wait()
            assert ana.node.engine.blocks.complete
            assert ana.announced == ["complete"]
            await until(lambda: seed.node.engine.uploads.total == share.metainfo.layout.total_size)

    bounded(trade)
    for name in ("one", "two"):
        got = (tmp_path / "ana" / "collection" / name).read_bytes()
        assert got == (share.folder / "collection" / name).read_bytes()


def test_nodes_that_dial_each_other_keep_one_connection(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            ana.node.peers_found([seed.address])
            seed.node.peers_found([ana.address])
            await ana.node.finished.wait()
            await until(lambda: len(ana.node.engine.neighbours) == len(seed.node.engine.neighbours) == 1)

    bounded(trade)


def test_a_node_that_stops_leaves_no_socket_behind(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def stop() -> tuple[str, int]:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            reader, writer = await asyncio.open_connection("127.0.0.1", seed.port)
            await until(lambda: seed.node.engine.neighbours)
            await seed.stop()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            return "127.0.0.1", seed.port

    address = bounded(stop)
    with closing(listen(*address)):
        pass  # the port is free again


def test_nobody_at_an_address(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def dial() -> None:
        with closing(listen("127.0.0.1", 0)) as nobody:
            address = PeerAddress("", "127.0.0.1", nobody.getsockname()[1])
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana:
            book = ana.node.engine.addresses
            ana.node.peers_found([address])
            assert book.due(1, set(), float("inf")) == [], "being dialled"
            await until(lambda: book.due(1, set(), float("inf")))
            assert not ana.task.done()

    bounded(dial)


@pytest.mark.parametrize(
    ("garbage", "blame"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak BitTorrent"),
        (m.Handshake(bytes(20), b"x" * 20).encode(), None),  # another share is no wrong
        (b"", None),
    ],
)
def test_garbage_closes_its_own_connection_only(tmp_path: Path, garbage: bytes, blame: str | None) -> None:
    share = shared(tmp_path)

    async def throw() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", seed.port)
            writer.write(garbage)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            ana.node.peers_found([seed.address])
            await ana.node.finished.wait()
            if blame is None:
                assert seed.events == []
            else:
                assert [blame in event for event in seed.events] == [True]

    bounded(throw)


def test_messages_in_crumbs_are_understood(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def crumble() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            reader, writer = await asyncio.open_connection("127.0.0.1", seed.port)
            said = m.Handshake(share.metainfo.info_hash, b"-XX0000-............", extended=False).encode()
            said += m.HaveNone().encode() + m.Interested().encode() + m.Request(8, 0, 82).encode()
            for at in range(len(said)):
                writer.write(said[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0)
            last = (share.folder / "collection" / "two").read_bytes()[-82:]
            await reader.readuntil(m.Unchoke().encode())
            await reader.readuntil(m.piece_header(8, 0, 82))
            assert await reader.readexactly(82) == last
            writer.close()
            await writer.wait_closed()

    assert share.metainfo.layout.block_count == 9
    assert share.metainfo.layout.block_length(8) == 82
    bounded(crumble)


def test_a_strategy_that_breaks_its_contract_ends_the_node(tmp_path: Path) -> None:
    share = shared(tmp_path)

    class Broken:
        def pick(self, _view: Any, _now: float, _rng: Random) -> Pick:
            raise UsageError("the picking strategy Broken is broken")

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False, picking=Broken()) as ana,
        ):
            ana.node.peers_found([seed.address])
            with pytest.raises(UsageError, match="Broken is broken"):
                await ana.task

    bounded(trade)


def test_a_strategy_that_raises_is_named(tmp_path: Path) -> None:
    share = shared(tmp_path)

    class Hasty:
        def pick(self, _view: Any, _now: float, _rng: Random) -> Pick:
            raise ZeroDivisionError("oops")

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False, picking=Hasty()) as ana,
        ):
            ana.node.peers_found([seed.address])
            with pytest.raises(UsageError, match=r"strategy .*Hasty\.pick raised ZeroDivisionError: oops"):
                await ana.task

    bounded(trade)


def test_a_bug_of_ours_stays_what_it_is(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            ana.node._blocks = None
            ana.node.peers_found([seed.address])
            with pytest.raises(AttributeError):
                await ana.task

    bounded(trade)


def test_a_ban_is_told(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            reader, writer = await asyncio.open_connection("127.0.0.1", seed.port)
            liar = b"-XX0000-............"
            writer.write(m.Handshake(share.metainfo.info_hash, liar).encode())
            engine = seed.node.engine
            await until(lambda: any(n.peer_id == liar for n in engine.neighbours.values()))

            def ban(now: float) -> list[Effect]:
                engine._ban(liar, "sent 2 corrupt blocks")
                return engine.tick(now)

            seed.node._run(ban)
            await reader.read()
            port = writer.get_extra_info("sockname")[1]
            assert seed.events == [f"banned the peer at 127.0.0.1 port {port}: sent 2 corrupt blocks"]
            writer.close()
            await writer.wait_closed()

    bounded(trade)


def exhausted(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EMFILE, "Too many open files")


def test_without_descriptors_nobody_is_accepted_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "ACCEPT_PAUSE", 0.05)
    share = shared(tmp_path)

    async def knock() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            with monkeypatch.context() as broken:
                broken.setattr(socket.socket, "accept", exhausted)
                _, writer = await asyncio.open_connection("127.0.0.1", seed.port)
                await until(lambda: seed.events)
                assert seed.events == ["cannot accept a connection: Too many open files"]
                assert not asyncio.get_running_loop().remove_reader(seed.listener), "the loop would spin"
            await until(lambda: seed.node.engine.neighbours)
            writer.close()
            await writer.wait_closed()

    bounded(knock)


def test_without_descriptors_a_dial_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = shared(tmp_path)

    async def dial() -> None:
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana:
            book = ana.node.engine.addresses
            monkeypatch.setattr(socket, "socket", exhausted)
            ana.node.peers_found([PeerAddress("", "127.0.0.1", 7)])
            assert book.due(1, set(), float("inf")) == [], "being dialled"
            await until(lambda: book.due(1, set(), float("inf")))
            assert not ana.task.done()
            monkeypatch.undo()

    bounded(dial)


def test_one_turn_sends_so_many_batches_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = shared(tmp_path)
    monkeypatch.setattr(node, "SENDS_PER_TURN", 2)
    turns: list[int] = []
    run, send = Node._run, Link.send

    def counted_run(self: Node, happen: Any) -> None:
        turns.append(0)
        run(self, happen)

    def counted_send(self: Link, *arguments: Any) -> tuple[bool, int]:
        turns[-1] += 1
        return send(self, *arguments)

    monkeypatch.setattr(link, "SEND_BATCH", 16384)
    monkeypatch.setattr(Node, "_run", counted_run)
    monkeypatch.setattr(Link, "send", counted_send)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            ana.node.peers_found([seed.address])
            await ana.node.finished.wait()

    bounded(trade)
    assert max(turns) == 2


def test_a_disk_that_refuses_ends_the_node_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = shared(tmp_path)

    def full(*_: object) -> None:
        raise StorageError("the disk is full: free some space")

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            monkeypatch.setattr(ana.storage, "write", full)
            ana.node.peers_found([seed.address])
            with pytest.raises(StorageError, match="the disk is full"):
                await ana.task
            assert not seed.task.done()

    bounded(trade)


def test_a_shared_file_that_vanishes_ends_the_node_and_names_it(tmp_path: Path) -> None:
    share = shared(tmp_path)
    (share.folder / "collection" / "one").unlink()

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            ana.node.peers_found([seed.address])
            with pytest.raises(StorageError, match=r"collection/one.*it vanished"):
                await seed.task
            assert not ana.task.done()

    bounded(trade)


def test_more_connections_than_neighbours_are_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.engine.engine.MAX_NEIGHBOURS", 3)
    share = shared(tmp_path)

    async def crowd() -> None:
        async with AsyncExitStack() as stack:
            seed = await stack.enter_async_context(running("seed", share.metainfo, share.folder, seed=True))
            readers = []
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", seed.port)
                stack.push_async_callback(writer.wait_closed)
                stack.callback(writer.close)
                readers.append(reader)
            await until(lambda: sum(reader.at_eof() for reader in readers) == 2)
            assert len(seed.node.engine.neighbours) == 3
            assert seed.events == []

    bounded(crowd)


def test_who_makes_us_talk_and_does_not_read_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "MAX_WAITING", 20_000)
    share = shared(tmp_path)

    def small(sock: socket.socket) -> socket.socket:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return connected_socket(sock)

    monkeypatch.setattr(node, "connected_socket", small)

    async def talk() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            mute = socket.socket()
            mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mute.connect(("127.0.0.1", seed.port))
            mute.setblocking(False)
            loop = asyncio.get_running_loop()
            said = m.Handshake(share.metainfo.info_hash, b"-XX0000-............").encode()
            said += m.HaveNone().encode() + m.Interested().encode()
            asked_and_cancelled = m.Request(0, 0, 16384).encode() + m.Cancel(0, 0, 16384).encode()
            with closing(mute), suppress(ConnectionError):
                await loop.sock_sendall(mute, said)
                await until(lambda: any(n.unchoked for n in seed.node.engine.neighbours.values()))
                while not seed.events:
                    await loop.sock_sendall(mute, 100 * asked_and_cancelled)
            (event,) = seed.events
            assert event.startswith("hung up on 127.0.0.1 port ")
            assert event.endswith(": does not read what it makes us say")

    bounded(talk)
