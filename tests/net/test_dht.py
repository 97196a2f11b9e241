"""The DHT over real datagrams: one node on loopback, names that lead nowhere, and the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.nodes import bounded, running, shared, until

from minibit.address import Address, PeerAddress
from minibit.dialects.krpc import MAX_NODES, MAX_PEERS, Answer, Contact
from minibit.engine import dht as engine_room
from minibit.engine.addresses import MAX_HEARSAY
from minibit.engine.dht import MAX_FOUND, NEAREST
from minibit.net import dht as room
from minibit.net.dht import DhtClient
from minibit.torrent import bencode

HASH = b"#" * 20
PEER = PeerAddress("", "127.0.0.1", 6000)
QUESTIONS = 40  # of one search of a test, where nobody is far


class Node(asyncio.DatagramProtocol):
    """Knows one peer, and notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[bytes, Any]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        said = bencode.decode(data)
        self.heard.append(said)
        self.transport.sendto(b"nonsense", address)
        self.transport.sendto(Answer(said[b"t"], b"n" * 20, b"token", (), (PEER,)).encode(), address)


class Client:
    """One that runs; what it found and told."""

    def __init__(self, *begin: Address) -> None:
        self.found: list[PeerAddress] = []
        self.told: list[str] = []
        self.dht = DhtClient(HASH, 7000, Random(1), begin, self.found.extend, self.told.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dht.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def test_a_node_is_asked_and_told_whatever_else_is_named() -> None:
    async def search() -> None:
        transport, node = await asyncio.get_running_loop().create_datagram_endpoint(
            Node, local_addr=("127.0.0.1", 0)
        )
        client = Client(("a..b", 1), transport.get_extra_info("sockname"))
        async with client.running():
            await until(lambda: len(node.heard) == 2)
            assert client.found == [PEER]
            assert [said[b"q"] for said in node.heard] == [b"get_peers", b"announce_peer"]
            assert node.heard[1][b"a"][b"port"] == 7000
            await until(lambda: client.told)
            assert client.told == ["the DHT knows peers of this share"]
            client.dht.close()
            await asyncio.sleep(0.3)
            assert len(node.heard) == 2
        transport.close()

    bounded(search)


def test_nobody_there_is_told_once() -> None:
    async def search() -> None:
        client = Client()
        async with client.running():
            await until(lambda: client.told)
        assert client.told == ["no node of the DHT answers"]

    bounded(search)


class Liar(asyncio.DatagramProtocol):
    """Answers every question with invented nodes, each nearer than all before, and as many invented peers;
    all are at this machine. Before each answer comes a flood of datagrams that are none."""

    def __init__(self) -> None:
        self.asked = 0
        self._rng = Random(2)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def _place(self) -> Address:
        return f"127.0.{self._rng.randrange(256)}.{self._rng.randrange(1, 255)}", self._rng.randrange(
            1024, 2048
        )

    def datagram_received(self, data: bytes, address: Any) -> None:
        said = bencode.decode(data)
        self.asked += 1
        for _ in range(10):
            self.transport.sendto(self._rng.randbytes(self._rng.randrange(1, 9000)), address)
            self.transport.sendto(Answer(self._rng.randbytes(4), HASH).encode(), address)
        here = Contact(HASH[:-1] + bytes([self.asked % 256]), self.transport.get_extra_info("sockname"))
        nodes = [Contact(HASH[:-2] + self._rng.randbytes(2), self._place()) for _ in range(2 * MAX_NODES)]
        peers = tuple(PeerAddress("", *self._place()) for _ in range(2 * MAX_PEERS))
        lie = Answer(said[b"t"], HASH[:-1] + b"?", b"token", (here, *nodes), peers)
        self.transport.sendto(lie.encode(), address)


def test_a_dht_full_of_nonsense_comes_to_an_end_and_the_download_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_room, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(engine_room, "MAX_QUESTIONS", QUESTIONS)
    monkeypatch.setattr(room, "TICK_SECONDS", 0.01)
    share = shared(tmp_path)

    async def search() -> None:
        loop = asyncio.get_running_loop()
        liars = [
            await loop.create_datagram_endpoint(Liar, local_addr=("127.0.0.1", 0)) for _ in range(NEAREST)
        ]
        client = Client(*(transport.get_extra_info("sockname") for transport, _ in liars))
        async with (
            running("bia", share.metainfo, share.folder, seed=True) as bia,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
            client.running(),
        ):
            await until(lambda: client.told)
            assert client.told == ["the DHT knows peers of this share"], "it cannot know better"
            assert 0 < len(client.found) <= MAX_FOUND
            assert sum(liar.asked for _, liar in liars) <= QUESTIONS + NEAREST
            ana.node.peers_found(client.found, hearsay=True)
            assert ana.node.engine.addresses.known <= MAX_HEARSAY
            ana.node.peers_found([bia.address])
            await until(ana.node.finished.is_set)
            assert len(ana.events) <= 1
        for transport, _ in liars:
            transport.close()

    bounded(search)
