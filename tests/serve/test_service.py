"""The tracker and its origin in one process: where they listen, what they grant, how they end."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
import requests

from minibit import bitfield
from minibit.address import Address
from minibit.dialects.announce import Announce
from minibit.disk.share import Share, from_path
from minibit.engine import addresses
from minibit.errors import StorageError, UsageError
from minibit.net.listener import listen
from minibit.peer import announce_client
from minibit.peer.membership import Membership
from minibit.peer.tracker_client import TrackerClient
from minibit.serve import service
from minibit.serve.service import TrackerService, TrackerSettings
from minibit.serve.tracker import Tracker
from minibit.snapshot import Figures, State
from minibit.torrent.metainfo import Metainfo
from minibit.wire import messages as m
from minibit.wire.connection import Connection

PATIENCE = 20.0
BLOCKS = 20

T = TypeVar("T")


@pytest.fixture
def share(tmp_path: Path) -> Share:
    path = tmp_path / "film.bin"
    path.write_bytes(Random(12).randbytes(BLOCKS * 16384 - 100))
    return from_path(path, block_size=16384)


class Serving:
    """A service on ports that the system picked, running until told to stop."""

    def __init__(
        self, share: Share, settings: TrackerSettings, *, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.service = TrackerService(share, settings, tell=tell)
        self._ready: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(
            self.service.run(lambda port, origin: self._ready.set_result((port, origin)))
        )

    async def ports(self) -> tuple[int, int]:
        """The tracker's port and the origin's, once both listen."""
        await asyncio.wait([self.task, self._ready], return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            self.task.result()
        return self._ready.result()

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


def test_it_serves_until_it_is_stopped_and_frees_its_ports(share: Share) -> None:
    async def serve() -> tuple[int, int]:
        serving = Serving(share, TrackerSettings(port=0))
        ports = await serving.ports()
        view = serving.service.view()
        assert view.peers == ()
        assert view.origin is not None
        assert view.origin.port == ports[1]
        assert view.origin.figures.state is State.COMPLETE
        assert view.origin.blocks == bitfield.full(BLOCKS)
        await serving.stop()
        return ports

    for port in bounded(serve):
        with closing(listen("127.0.0.1", port)):
            pass


class Everywhere(socket.socket):
    """A socket of this machine alone that says what one for every address would say."""

    def getsockname(self) -> tuple[str, int]:
        return "0.0.0.0", super().getsockname()[1]


def test_an_origin_that_listens_everywhere_can_be_dialled(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "listen", lambda host, port: Everywhere(fileno=listen(host, port).detach()))

    async def serve() -> None:
        serving = Serving(share, TrackerSettings(port=0))
        try:
            _, origin_port = await serving.ports()
            origin = serving.service.view().origin
            assert origin is not None
            # A client on this machine, told 0.0.0.0, would dial nobody; others are told our address.
            assert (origin.ip, origin.port) == ("127.0.0.1", origin_port)
        finally:
            await serving.stop()

    bounded(serve)


@pytest.mark.parametrize("taken", ["port", "origin_port"])
def test_a_taken_port_is_named_and_leaves_no_other_port_taken_and_no_thread(share: Share, taken: str) -> None:
    before = set(threading.enumerate())

    async def serve() -> None:
        with closing(listen("127.0.0.1", 0)) as holder, closing(listen("127.0.0.1", 0)) as other:
            port, free = holder.getsockname()[1], other.getsockname()[1]
            other.close()
            ports = {"port": free, "origin_port": free, taken: port}
            with pytest.raises(UsageError, match=f":{port} .*choose another port"):
                await Serving(share, TrackerSettings(**ports)).ports()
            listen("127.0.0.1", free).close()

    bounded(serve)
    assert set(threading.enumerate()) <= before


def test_where_another_program_has_the_udp_port_announces_go_over_http_alone(share: Share) -> None:
    told: list[str] = []

    async def serve() -> bytes:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
            with closing(listen("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
                holder.bind(("127.0.0.1", port))
            serving = Serving(share, TrackerSettings(port=port), tell=told.append)
            try:
                assert (await serving.ports())[0] == port
                url = f"http://127.0.0.1:{port}/torrent"
                return (await asyncio.to_thread(requests.get, url, timeout=PATIENCE)).content
            finally:
                await serving.stop()
                assert told == [f"UDP port {port} is taken: announces are answered over HTTP alone"]

    torrent = bounded(serve)
    assert b"http://" in torrent
    assert b"udp://" not in torrent


def test_an_unknown_strategy_is_refused(share: Share) -> None:
    async def serve() -> None:
        with pytest.raises(UsageError, match="unknown choking strategy"):
            await Serving(share, TrackerSettings(port=0, choking="best")).ports()

    bounded(serve)


def test_a_share_that_vanishes_ends_the_service(share: Share) -> None:
    async def serve() -> None:
        serving = Serving(share, TrackerSettings(port=0))
        port, origin = await serving.ports()
        (share.folder / "film.bin").unlink()
        await asyncio.to_thread(fetch_granted, port, origin)
        with pytest.raises(StorageError, match=r"film\.bin"):
            await serving.task

    bounded(serve)


def test_a_share_that_is_changed_ends_the_service(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "WATCH_SECONDS", 0.01)

    async def serve() -> None:
        serving = Serving(share, TrackerSettings(port=0))
        await serving.ports()
        path = share.folder / "film.bin"
        path.write_bytes(bytes(path.stat().st_size))
        with pytest.raises(StorageError, match=r"film\.bin was changed while it is shared"):
            await serving.task

    bounded(serve)


def fetch_granted(tracker_port: int, origin_port: int) -> tuple[int, dict[int, bytes]]:
    """Register as a peer, and fetch from the origin what it was granted without ever being unchoked.

    Returns the grant, and the data of each block of it that came.
    """
    peer_id = b"-XX0000-" + b"grantee".ljust(12, b".")
    client = TrackerClient(f"http://127.0.0.1:{tracker_port}")
    with closing(client), socket.create_connection(("127.0.0.1", origin_port), timeout=PATIENCE) as sock:
        metainfo = asyncio.run(client.torrent()).metainfo
        granted = asyncio.run(Membership(client, metainfo, "ana", peer_id, 1).register(0)).granted
        connection = Connection(metainfo.layout)
        sock.sendall(connection.send(m.Handshake(metainfo.info_hash, peer_id)))
        came: dict[int, bytes] = {}
        pending = b""
        while len(came) < granted.bit_count():
            data = sock.recv(65536)
            if not data:
                return granted, came
            messages, used = connection.receive(memoryview(pending + data))
            for message in messages:
                match message:
                    case m.Handshake():
                        sock.sendall(connection.send(m.HaveNone()))
                    case m.AllowedFast(block):
                        length = metainfo.layout.block_length(block)
                        sock.sendall(connection.send(m.Request(block, 0, length)))
                    case m.Unchoke():
                        raise AssertionError("unchoked, though it never was interested")
                    case m.Piece(block, 0, part):
                        came[block] = bytes(part)
                    case _:
                        pass
            pending = (pending + data)[used:]
        return granted, came


def test_a_grant_is_delivered_to_a_choked_peer(share: Share) -> None:
    async def serve() -> tuple[int, dict[int, bytes]]:
        serving = Serving(share, TrackerSettings(port=0, grant=(0.3, 0.5)))
        try:
            return await asyncio.to_thread(fetch_granted, *await serving.ports())
        finally:
            await serving.stop()

    granted, came = bounded(serve)
    assert 0.3 * BLOCKS <= granted.bit_count() <= 0.5 * BLOCKS
    whole = (share.folder / "film.bin").read_bytes()
    assert came == {block: whole[block * 16384 :][:16384] for block in bitfield.indices(granted)}


class Noting(Tracker):
    """A tracker that notes whom its origin says it has met."""

    met: frozenset[bytes] = frozenset()

    def report_origin(
        self, address: Address, blocks: int, figures: Figures, bt_id: bytes, *, met: Mapping[bytes, int]
    ) -> None:
        self.met = frozenset(met)
        super().report_origin(address, blocks, figures, bt_id, met=met)


def test_whom_the_origin_met_is_told_to_the_tracker(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    trackers: list[Noting] = []

    def noting(metainfo: Metainfo, **options: Any) -> Noting:
        trackers.append(Noting(metainfo, **options))
        return trackers[-1]

    monkeypatch.setattr(service, "Tracker", noting)
    monkeypatch.setattr(service, "REPORT_SECONDS", 0.01)
    peer_id = b"-XX0000-who came here"[:20]

    async def serve() -> None:
        serving = Serving(share, TrackerSettings(port=0))
        try:
            _, port = await serving.ports()
            (tracker,) = trackers
            assert tracker.met == frozenset()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                Connection(share.metainfo.layout).send(m.Handshake(share.metainfo.info_hash, peer_id))
            )
            while tracker.met != {peer_id}:
                await asyncio.sleep(0.01)
            writer.close()
            while tracker.met:
                await asyncio.sleep(0.01)
        finally:
            await serving.stop()

    bounded(serve)


def test_whom_the_origin_hangs_up_on_is_told(share: Share) -> None:
    async def serve() -> None:
        told: asyncio.Queue[str] = asyncio.Queue()
        serving = Serving(share, TrackerSettings(port=0), tell=told.put_nowait)
        _, origin_port = await serving.ports()
        with socket.create_connection(("127.0.0.1", origin_port)) as rude:
            rude.sendall(m.Handshake(share.metainfo.info_hash, b"r" * 20).encode() + b"\xff" * 8)
            assert (await told.get()).startswith("hung up on 127.0.0.1 port ")
        await serving.stop()

    bounded(serve)


def test_the_origin_dials_a_client_that_waits_for_it(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "INTRODUCE_SECONDS", 0.01)
    monkeypatch.setattr(addresses, "FOREIGN_SECONDS", 0.0)

    async def serve() -> bytes:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def dialled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.readexactly(68))
            writer.close()

        client = await asyncio.start_server(dialled, "127.0.0.1", 0)
        serving = Serving(share, TrackerSettings(port=0))
        try:
            port, _ = await serving.ports()
            announce = Announce(
                share.metainfo.info_hash, b"w" * 20, client.sockets[0].getsockname()[1], left=9
            )
            url = f"http://127.0.0.1:{port}/announce"
            await announce_client.announce(url, announce, Random(1))
            return await heard
        finally:
            client.close()
            await serving.stop()

    assert share.metainfo.info_hash in bounded(serve)
