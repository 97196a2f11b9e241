"""Who tries uTP is told at once that nobody speaks it, and nothing else is answered."""

import asyncio
import socket
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import Address
from minibit.net.listener import bind_beside, listen
from minibit.net.utp import Declined, answer

SYN = bytes.fromhex("4100 1234 00000001 00000000 00100000 0001 0000")
RESET = bytes.fromhex("3100 1234 00000000 00000001 00000000 0000 0001")


def test_who_wants_a_connection_is_answered_with_a_reset_of_it() -> None:
    assert answer(SYN) == RESET
    assert answer(SYN + b"an extension") == RESET


@pytest.mark.parametrize(
    "datagram", [b"", SYN[:19], b"\x21" + SYN[1:], RESET, b"\x42" + SYN[1:], b"d1:ad2:id20:"]
)
def test_nothing_else_is_answered(datagram: bytes) -> None:
    assert answer(datagram) is None


@given(st.binary(max_size=60))
def test_no_answer_is_longer_than_what_it_answers_or_answered_itself(datagram: bytes) -> None:
    reply = answer(datagram)
    assert reply is None or (len(reply) <= len(datagram) and answer(reply) is None)


def test_it_is_said_at_the_port_of_the_listener_until_the_end() -> None:
    tried: list[Address] = []

    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        with closing(listen("127.0.0.1", 0)) as listener, socket.socket(type=socket.SOCK_DGRAM) as asker:
            declined = Declined(listener, tried.append)
            asker.setblocking(False)
            asker.connect(listener.getsockname())
            asker.send(b"something else")
            asker.send(SYN)
            async with asyncio.timeout(10):
                reply = await loop.sock_recv(asker, 100)
            declined.close()
            assert tried == [asker.getsockname()], "who said something else tried nothing"
            again = bind_beside(listener)
            assert again is not None, "the port is free"
            again.close()
            return reply

    assert asyncio.run(ask()) == RESET


def test_a_port_that_another_program_has_is_let_be() -> None:
    async def decline() -> None:
        with closing(listen("127.0.0.1", 0)) as listener:
            other = bind_beside(listener)
            assert other is not None
            with other:
                Declined(listener, lambda _: None).close()

    asyncio.run(decline())
