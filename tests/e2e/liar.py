"""A peer that lies: it speaks the wire properly, says that it has everything, and sends rubbish.

It is built on the product's own connection and messages, so that it is refused for its data only.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from minibit import bitfield
from minibit.errors import RemoteProtocolError
from minibit.peer.membership import Membership
from minibit.peer.tracker_client import TrackerClient
from minibit.torrent.metainfo import Metainfo
from minibit.wire import messages
from minibit.wire.connection import Connection

RECEIVE = 256 * 1024


class Liar:
    """Listens, registers under `name`, dials whom the tracker names, and serves zeros for every request."""

    def __init__(self, url: str, name: str = "liar") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.peer_id = b"-LI0001-" + name.encode().ljust(12, b".")[:12]
        self.port: int = self._listener.getsockname()[1]
        self._client = TrackerClient(url)
        self.metainfo: Metainfo = asyncio.run(self._client.torrent()).metainfo
        self._membership = Membership(self._client, self.metainfo, name, self.peer_id, self.port)
        self.served = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Register as a peer that holds everything, and serve whoever dials it."""
        self._run(self._accept)
        asyncio.run(self._membership.register(bitfield.full(self.metainfo.layout.block_count)))

    def close(self) -> None:
        self._client.close()
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):  # not connected any more
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(30.0)
        self._sockets.append(sock)
        self._run(lambda: self._speak(sock))

    def _speak(self, sock: socket.socket) -> None:
        connection = Connection(self.metainfo.layout)
        pending = b""
        try:
            sock.sendall(connection.send(messages.Handshake(self.metainfo.info_hash, self.peer_id)))
            while received := sock.recv(RECEIVE):
                pending += received
                heard, used = connection.receive(memoryview(pending))
                for message in heard:
                    sock.sendall(self._answer(connection, message))
                pending = pending[used:]
        except (OSError, RemoteProtocolError):
            return  # hung up on: it has been found out

    def _answer(self, connection: Connection, message: messages.Handshake | messages.Message) -> bytes:
        match message:
            case messages.Handshake():
                return connection.send(messages.HaveAll()) + connection.send(messages.Unchoke())
            case messages.Request(length=length):
                self.served += 1
                return b"".join(connection.send_pieces([message], memoryview(bytes(length))))
            case _:
                return b""

    def _run(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()
