"""Datagrams from anybody: heard in order, and a flood of them a bounded number in a second."""

import asyncio
import socket

from fakes.nodes import bounded, until

from minibit.address import Address
from minibit.net.ear import PER_SECOND, Ear


def udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


def test_who_said_what() -> None:
    heard: list[tuple[bytes, Address]] = []

    async def listen() -> None:
        with udp() as ours, udp() as theirs:
            ear = Ear([ours], lambda datagram, address: heard.append((datagram, address)), 4)
            for datagram in (b"one", b"four", b"many"[:2], b"far too long"):
                theirs.sendto(datagram, ours.getsockname())
            await until(lambda: len(heard) == 4)
            assert [datagram for datagram, _ in heard] == [b"one", b"four", b"ma", b"far t"]
            assert {address for _, address in heard} == {theirs.getsockname()}
            ear.close()
            theirs.sendto(b"late", ours.getsockname())
            await asyncio.sleep(0.01)
            assert len(heard) == 4

    bounded(listen)


def test_a_flood_is_not_read_and_then_others_are_heard_again() -> None:
    heard: list[bytes] = []

    async def flood() -> None:
        with udp() as ours, udp() as theirs:
            ear = Ear([ours], lambda datagram, _: heard.append(datagram), 100)
            for _ in range(5):
                for _ in range(PER_SECOND // 2):
                    theirs.sendto(b"flood", ours.getsockname())
                await asyncio.sleep(0.01)
            assert len(heard) == PER_SECOND
            ear._timer.cancel()
            ear.listen()  # a second later
            await until(lambda: len(heard) > PER_SECOND)
            ear.close()

    bounded(flood)


def test_it_may_be_closed_by_what_it_hears() -> None:
    heard: list[bytes] = []

    async def once() -> None:
        with udp() as ours, udp() as theirs:

            def hear(datagram: bytes, _: Address) -> None:
                heard.append(datagram)
                ear.close()

            ear = Ear([ours], hear, 100)
            for _ in range(3):
                theirs.sendto(b"once", ours.getsockname())
            await until(lambda: heard)
            await asyncio.sleep(0.01)

    bounded(once)
    assert heard == [b"once"]
