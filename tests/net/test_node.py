"""Engines on real sockets and a real disk: two nodes trade, and what goes wrong ends where it should."""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.nodes import bounded, running, shared, until

from minibit.address import PeerAddress
from minibit.engine.effects import Effect
from minibit.errors import StorageError, StrategyError
from minibit.net import gateway, node, transport
from minibit.net.link import Link
from minibit.net.listener import listen
from minibit.net.node import Node
from minibit.net.pace import LIMITED_MANY, LIMITED_REST, Pace
from minibit.strategies.view import Pick
from minibit.wire import messages as m


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
            raise ZeroDivisionError("oops")

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False, picking=Broken()) as ana,
        ):
            ana.node.peers_found([seed.address])
            with pytest.raises(StrategyError, match=r"Broken.*oops"):
                await ana.task

    bounded(trade)


def test_a_bug_of_ours_stays_what_it_is(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            ana.node._disk.writer = None
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
                engine._ban(b"127.0.0.1 " + liar, "sent 2 corrupt blocks", now)
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
    monkeypatch.setattr(gateway, "ACCEPT_PAUSE", 0.05)
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


def test_one_turn_sends_so_many_batches_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = shared(tmp_path)
    monkeypatch.setattr(node, "SENDS_PER_TURN", 2)
    turns: list[int] = []
    run, send = Node._run, Link.send

    def counted_run(self: Node, happen: Any = None) -> None:
        turns.append(0)
        run(self, happen)

    def counted_send(self: Link) -> tuple[bool, int]:
        turns[-1] += 1
        return send(self)

    monkeypatch.setattr("minibit.net.link.READ_BYTES", 16384)
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


def test_more_connections_than_may_wait_are_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.engine.places.MAX_WAITING", 3)
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

    def small(sock: socket.socket) -> transport.TcpTransport:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return transport.TcpTransport(sock)

    monkeypatch.setattr(gateway, "TcpTransport", small)

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
                await until(lambda: any(n.unchoked_since for n in seed.node.engine.neighbours.values()))
                while not seed.events:
                    await loop.sock_sendall(mute, 100 * asked_and_cancelled)
            (event,) = seed.events
            assert event.startswith("hung up on 127.0.0.1 port ")
            assert event.endswith(": does not read what it makes us say")

    bounded(talk)


@pytest.mark.parametrize(("limit", "rest"), [(1e6, LIMITED_REST), (0.0, 0.0)])
def test_a_limited_peer_rests_though_it_has_few_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, rest: float
) -> None:
    pace = Pace()
    monkeypatch.setattr(node, "pace_of", lambda _: pace)
    share = shared(tmp_path)

    async def meet() -> None:
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False, upload_limit=limit) as ana:
            with ExitStack() as stack:
                for _ in range(LIMITED_MANY):
                    stack.enter_context(closing(socket.create_connection(("127.0.0.1", ana.port))))
                await until(lambda: len(ana.node.engine.neighbours) == LIMITED_MANY)
                assert pace.rest == rest

    bounded(meet)
