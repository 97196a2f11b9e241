"""The DHT over real datagrams: one node on loopback, names that lead nowhere, and the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

from fakes.nodes import bounded, until

from minibit.address import Address, PeerAddress
from minibit.dialects.krpc import Answer
from minibit.net.dht import DhtClient
from minibit.torrent import bencode

HASH = b"#" * 20
PEER = PeerAddress("", "127.0.0.1", 6000)


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
