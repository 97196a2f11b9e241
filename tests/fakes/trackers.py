"""Trackers on loopback: real ones, and listeners that only look like one."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Thread

from minibit.serve.server import TrackerServer
from minibit.serve.tracker import Tracker
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo

COUNT = 20
LOOP = "127.0.0.1"


def share(count: int = COUNT) -> Metainfo:
    return metainfo.build("sample.bin", [((), count * 16384)], 16384, bytes(20 * count), folder=False)


SHARE = share()


@contextmanager
def running(port: int = 0, count: int = COUNT) -> Iterator[str]:
    """A fresh tracker's URL."""
    server = TrackerServer(Tracker(share(count), rng=Random(1)), LOOP, port)
    server.start()
    try:
        yield f"http://{LOOP}:{server.port}"
    finally:
        server.close()


def read_request(connection: socket.socket) -> None:
    """Reads one request whole: closing with bytes unread would reset the connection."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        stream.read(length)


@contextmanager
def answering(*replies: bytes) -> Iterator[str]:
    """A listener that answers each connection with the next of `replies`, whatever is asked."""
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the client hung up early, or the test is over
                for reply in replies:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(5)
                        read_request(connection)
                        connection.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://{LOOP}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def http(body: bytes | object, status: str = "200 OK", headers: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode()
        + content
    )


@contextmanager
def dripping(*first: bytes) -> Iterator[str]:
    """A listener that answers with `first` and then says nothing, nor hangs up, until the test is over."""
    over = Event()
    with socket.create_server((LOOP, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                read_request(connection)
                connection.sendall(b"".join(first))
                over.wait(20)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://{LOOP}:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()
