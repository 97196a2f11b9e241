"""Taking a port, or saying clearly why it cannot be had."""

import socket
from contextlib import closing

import pytest

from minibit.errors import UsageError
from minibit.net.listener import listen


def test_the_system_picks_a_port_that_can_be_dialled() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        assert not listener.getblocking()
        with pytest.raises(BlockingIOError):
            listener.accept()
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*choose another port"):
            listen("127.0.0.1", port)


def test_a_port_can_be_taken_again_at_once() -> None:
    with closing(listen("127.0.0.1", 0)) as first:
        address = first.getsockname()
        with socket.create_connection(address, timeout=5):
            first.setblocking(True)
            first.accept()[0].close()  # our side closes first: the connection lingers on this port
    with closing(listen(*address)) as second:
        assert second.getsockname() == address


def test_localhost_is_ipv4() -> None:
    with closing(listen("localhost", 0)) as listener:
        assert listener.family == socket.AF_INET


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["x" * 70, "a..b"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown: use 0\.0\.0\.0"):
        listen(host, 0)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:"):
        listen("192.0.2.1", 0)
