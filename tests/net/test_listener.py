"""Taking a port, or saying clearly why it cannot be had."""

import errno
import os
import socket
from contextlib import closing

import pytest

from minibit.errors import UsageError
from minibit.net.listener import EVERYWHERE, bind_beside, bound, listen


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
        with pytest.raises(UsageError) as refusal:
            listen("127.0.0.1", port)
    assert str(refusal.value) == (
        f"cannot listen on 127.0.0.1:{port} (the port is taken): "
        "choose another port, or stop the program that uses this one"
    )


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


@pytest.mark.parametrize("host", [EVERYWHERE, "::"])
def test_everywhere_is_both_families(host: str) -> None:
    with closing(listen(host, 0)) as listener:
        assert bound(listener) is None
        port = listener.getsockname()[1]
        for ip in ("127.0.0.1", "::1"):
            try:
                with socket.create_connection((ip, port), timeout=5):
                    pass
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    pytest.skip("no IPv6 here")
                raise


def test_everywhere_is_ipv4_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = socket.socket

    def old(family: int, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "none")
        return ours(family, *rest)

    monkeypatch.setattr(socket, "socket", old)
    with closing(listen(EVERYWHERE, 0)) as listener:
        assert listener.family == socket.AF_INET
        assert bound(listener) is None


def test_one_address_is_told() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        assert bound(listener) == "127.0.0.1"


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["x" * 70, "a..b"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown: use 0\.0\.0\.0"):
        listen(host, 0)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(UsageError) as refusal:
        listen("192.0.2.1", 0)
    assert str(refusal.value) == (
        "cannot listen on 192.0.2.1:0 (not an address of this machine): "
        "use 0.0.0.0 for all that it has, or 127.0.0.1 for itself alone"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, r"\[::1\]:80 \(not allowed\): choose another port, from 1024 up"),
        (errno.EAFNOSUPPORT, r"this machine has no such addresses\): use 0\.0\.0\.0 or 127\.0\.0\.1"),
        (errno.EMFILE, "too many files are open"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_each_refusal_of_the_system_has_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(UsageError, match=words):
        listen("::1", 80)


def test_the_port_for_datagrams_is_the_same_or_none() -> None:
    with listen("127.0.0.1", 0) as listener:
        first = bind_beside(listener)
        assert first is not None
        with first:
            assert first.getsockname() == listener.getsockname()
            assert bind_beside(listener) is None
