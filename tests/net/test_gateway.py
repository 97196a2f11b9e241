"""Connections that others make, and those that we make: each is told once, and none after the end."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from typing import Any

import pytest

from minibit.address import Address, PeerAddress
from minibit.net import gateway as gateway_room
from minibit.net.encrypted import EncryptedTransport
from minibit.net.gateway import Gateway
from minibit.net.listener import listen
from minibit.net.transport import Transport
from minibit.wire.encryption import Encryption

PATIENCE = 10.0
SYN, RESET = 0x41, 0x31  # of uTP: the first byte of a datagram


class Host:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.transports: list[Transport] = []
        self._news = asyncio.Event()

    def connected(self, transport: Transport, address: Address, *, outgoing: bool) -> None:
        self.transports.append(transport)
        self._tell("dialled" if outgoing else "accepted", address)

    def dial_failed(self, address: Address) -> None:
        self._tell("failed", address)

    def peers_found(self, peers: Iterable[PeerAddress], *, hearsay: bool) -> None:
        assert hearsay
        for peer in peers:
            self._tell("tried", (peer.ip, peer.port))

    def cannot_accept(self, reason: str) -> None:
        self._tell("cannot accept", reason)

    def _tell(self, what: str, about: Any) -> None:
        self.told.append((what, about))
        self._news.set()

    async def news(self, count: int) -> list[tuple[str, Any]]:
        """What was told, once there are so many."""
        while len(self.told) < count:
            self._news.clear()
            await self._news.wait()
        return self.told

    def close(self) -> None:
        for transport in self.transports:
            transport.close()


def bounded(
    work: Callable[[Host, Gateway, Address], Awaitable[None]], encryption: Encryption = Encryption.ALLOW
) -> None:
    async def run() -> None:
        listener = listen("127.0.0.1", 0)
        with closing(Host()) as host:
            gateway = Gateway(listener, host, bytes(20), encryption)
            async with asyncio.timeout(PATIENCE):
                await work(host, gateway, listener.getsockname())
            if listener.fileno() >= 0:
                gateway.close()

    asyncio.run(run())


def test_who_comes_is_told_once_it_is_open() -> None:
    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        with socket.create_connection(address) as one, socket.create_connection(address) as two:
            for _ in range(3):
                await asyncio.sleep(0)
            assert host.told == []
            gateway.open()
            assert await host.news(2) == [("accepted", one.getsockname()), ("accepted", two.getsockname())]

    bounded(come)


def test_a_dial_that_succeeds_and_one_that_fails() -> None:
    async def dial(host: Host, gateway: Gateway, address: Address) -> None:
        with closing(listen("127.0.0.1", 0)) as nobody:
            deaf = nobody.getsockname()
        gateway.dial(address)
        gateway.dial(deaf)
        assert sorted(await host.news(2)) == [("dialled", address), ("failed", deaf)]

    bounded(dial)


@pytest.mark.parametrize(
    ("encryption", "manners"),
    [
        (Encryption.ALLOW, [False, True, False]),
        (Encryption.PREFER, [True, False, True]),
        (Encryption.REQUIRE, [True, True, True]),
    ],
)
def test_who_hangs_up_without_a_word_is_spoken_to_in_another_way(
    encryption: Encryption, manners: list[bool]
) -> None:
    async def dial(host: Host, gateway: Gateway, address: Address) -> None:
        for count, encrypted in enumerate(manners, start=1):
            gateway.dial(address)
            await host.news(count)
            assert isinstance(host.transports[-1], EncryptedTransport) is encrypted
            gateway.unheard(address)

    bounded(dial, encryption)


def test_how_to_speak_to_whom_is_remembered_of_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_room, "MAX_MANNERS", 2)

    async def forget(_: Host, gateway: Gateway, address: Address) -> None:
        for port in (1, 2, 3):
            gateway.unheard((address[0], port))
        assert list(gateway._encrypted) == [(address[0], 2), (address[0], 3)]

    bounded(forget)


def test_nobody_is_dialled_any_more_at_the_end() -> None:
    async def end(host: Host, gateway: Gateway, address: Address) -> None:
        gateway.dial(address)
        gateway.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert host.told == []
        with closing(listen(*address)):
            pass  # the port is free again

    bounded(end)


def test_without_descriptors_nobody_is_accepted_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_room, "ACCEPT_PAUSE", 0.05)

    def exhausted(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        gateway.open()
        with socket.create_connection(address) as one:
            with monkeypatch.context() as broken:
                broken.setattr(socket.socket, "accept", exhausted)
                assert await host.news(1) == [("cannot accept", "Too many open files")]
                assert not asyncio.get_running_loop().remove_reader(gateway._listener), "the loop would spin"
            assert (await host.news(2))[1] == ("accepted", one.getsockname())

    bounded(come)


def test_without_descriptors_a_dial_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async def dial(host: Host, gateway: Gateway, address: Address) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(socket, "socket", exhausted)
            gateway.dial(address)
            assert await host.news(1) == [("failed", address)]

    bounded(dial)


def test_who_comes_over_ipv4_to_an_ipv6_socket_has_an_ipv4_address() -> None:
    async def run() -> None:
        with closing(Host()) as host:
            listener = listen("::", 0)
            port = listener.getsockname()[1]
            gateway = Gateway(listener, host, bytes(20), Encryption.ALLOW)
            gateway.open()
            async with asyncio.timeout(PATIENCE):
                with socket.create_connection(("127.0.0.1", port)) as one:
                    assert await host.news(1) == [("accepted", one.getsockname())]
            gateway.close()

    asyncio.run(run())


class Trier:
    """Somebody who tries uTP, from a port of its own, and hears that nobody speaks it."""

    def __init__(self) -> None:
        self._sock = socket.socket(type=socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.setblocking(False)
        self.address: Address = self._sock.getsockname()

    async def tries(self, address: Address) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(self._sock, bytes([SYN]) + bytes(19), address)
        assert (await loop.sock_recv(self._sock, 100))[0] == RESET

    def close(self) -> None:
        self._sock.close()


def test_who_tries_what_we_do_not_speak_may_be_a_peer() -> None:
    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        gateway.open()
        with closing(Trier()) as one:
            await one.tries(address)
            assert await host.news(1) == [("tried", one.address)]

    bounded(come)


def test_of_a_private_share_no_peer_is_found_like_that() -> None:
    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        gateway.open()
        gateway.private = True
        with closing(Trier()) as one:
            await one.tries(address)
        assert host.told == []

    bounded(come)


def test_what_tries_are_believed_is_bounded() -> None:
    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        gateway.open()
        with closing(Trier()) as one:
            for _ in range(10 * gateway_room.MAX_TRIES):
                await one.tries(address)
        assert len(host.told) < 2 * gateway_room.MAX_TRIES

    bounded(come)


@pytest.mark.parametrize(("ip", "port"), [("10.0.0.1", 25), ("0.0.0.0", 6881), ("224.0.0.1", 6881)])
def test_a_try_aims_us_at_no_other_service(ip: str, port: int) -> None:
    async def come(host: Host, gateway: Gateway, address: Address) -> None:
        del address
        gateway._tried((ip, port))
        assert host.told == []

    bounded(come)
