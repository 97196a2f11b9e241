"""Local discovery on the loopback interface: who hears whom, and who is believed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from fakes.nodes import bounded, shared, until
from fakes.nodes import running as node_running

from minibit.address import PeerAddress
from minibit.dialects.lan import GROUPS, Search
from minibit.engine.addresses import MAX_DIALLING, MAX_HEARSAY
from minibit.errors import UsageError
from minibit.net import lan as room
from minibit.net.ear import PER_SECOND
from minibit.net.lan import Lan
from minibit.net.listener import listen

HASH = b"#" * 20


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Member:
    """A peer on the loopback network, and whom it heard of."""

    def __init__(self, cookie: str, port: int, *, host: str = "127.0.0.1", info_hash: bytes = HASH) -> None:
        self.listener = listen(host, 0)
        self.found: list[PeerAddress] = []
        self.lan = Lan(info_hash, self.listener, cookie, self.found.append, port=port)
        self.at = PeerAddress("", host, self.listener.getsockname()[1])


@asynccontextmanager
async def running(*members: Member) -> AsyncIterator[None]:
    tasks = []
    try:
        if not all(member.lan.open for member in members):
            pytest.skip("no multicast on the loopback interface here")
        for member in members:
            tasks.append(asyncio.create_task(member.lan.run()))
            await asyncio.sleep(0)  # each one says that it is there when it comes
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for member in members:
            member.lan.close()
            member.listener.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_peers_of_one_share_hear_one_another(host: str) -> None:
    try:
        listen(host, 0).close()
    except UsageError:
        pytest.skip("no such addresses here")

    async def meet() -> None:
        port = free_port()
        ana, bia = Member("a", port, host=host), Member("b", port, host=host)
        other = Member("c", port, host=host, info_hash=b"?" * 20)
        async with running(ana, other, bia):
            await until(lambda: ana.found and bia.found)
            await asyncio.sleep(0.05)
            assert {found.port for found in ana.found} == {bia.at.port}, "nobody hears himself"
            assert {found.port for found in bia.found} == {ana.at.port}
            assert host == "::" or set(ana.found) == {bia.at}
            assert other.found == [], "another share"

    bounded(meet)


def test_only_machines_nearby_are_believed_and_only_of_themselves() -> None:
    async def hear() -> None:
        ana = Member("a", free_port())
        try:
            for ip, port in (("9.9.9.9", 6881), ("10.0.0.7", 80), ("10.0.0.7", 6881)):
                ana.lan._hear(Search(port, (HASH,), "b").encode(4), (ip, 6771))
            assert ana.found == [PeerAddress("", "10.0.0.7", 6881)]
        finally:
            ana.lan.close()
            ana.listener.close()

    bounded(hear)


def test_a_closed_one_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SOONEST", 0.01)  # and each hears the other again and again

    async def meet() -> None:
        port = free_port()
        ana, bia = Member("a", port), Member("b", port)
        async with running(ana, bia):
            await until(lambda: len(ana.found) > 2)
            bia.lan.close()
            await asyncio.sleep(0.02)
            heard = len(ana.found)
            await asyncio.sleep(0.05)
            assert len(ana.found) == heard

    bounded(meet)


def test_a_flood_of_invented_peers_is_bounded_and_the_download_goes_on(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def flood() -> None:
        loop = asyncio.get_running_loop()
        member = Member("a", free_port())
        began = loop.time()
        async with (
            running(member),
            node_running("bia", share.metainfo, share.folder, seed=True) as bia,
            node_running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            dials: list[int] = []
            book = ana.node.engine.addresses

            def found(peer: PeerAddress) -> None:
                member.found.append(peer)
                ana.node.peers_found((peer,), hearsay=True)
                dials.append(sum(entry.dialling for entry in book._entries.values()))

            member.lan._found = found
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
                for number in range(3000):
                    said = Search(1024 + number, (HASH,), "liar").encode(4)
                    sock.sendto(said if number % 3 else said[:-40] * 100, (GROUPS[4], member.lan._port))
                    if not number % 50:
                        await asyncio.sleep(0)
            ana.node.peers_found([bia.address])
            await until(ana.node.finished.is_set)
            seconds = int(loop.time() - began) + 1
            assert 0 < len(member.found) <= PER_SECOND * seconds
            assert book.known <= MAX_HEARSAY + 1
            assert max(dials) <= MAX_DIALLING
            assert ana.events == []

    bounded(flood)
