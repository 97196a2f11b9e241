"""Where connections begin: those that others make to us, and those that we make to others.

Who dials cannot know what the other side wants. So where a connection ended before the other side said a
word, the next one to it is encrypted if this one was not, and the other way round.

Who tries uTP in vain is dialled: many a client tries nothing else for a minute. Where a datagram comes from
need not be true, so that is hearsay, and only so much of it is believed.
"""

import asyncio
import socket
from collections.abc import Iterable
from typing import Final, Protocol

from minibit.address import Address, PeerAddress, credible, unmapped
from minibit.engine.rates import TokenBucket
from minibit.net.encrypted import EncryptedTransport
from minibit.net.listener import BACKLOG
from minibit.net.transport import TcpTransport, Transport
from minibit.net.utp import Declined
from minibit.wire.encryption import Encryption

DIAL_SECONDS: Final = 5.0
MAX_MANNERS: Final = 1000  # addresses of which it is known how to speak to them
TRIES_PER_SECOND: Final = 0.5  # of uTP, that lead to a dial: vain ones are forgotten sooner than more come…
MAX_TRIES: Final = 8  # …and so many at once
ACCEPT_PAUSE: Final = 1.0  # seconds in which no connection is accepted, after one could not be


class Host(Protocol):
    """Whom a gateway works for; it is called on the loop."""

    def connected(self, transport: Transport, address: Address, *, outgoing: bool) -> None:
        """A connection stands."""

    def dial_failed(self, address: Address) -> None:
        """Nobody answered there."""

    def peers_found(self, peers: Iterable[PeerAddress], *, hearsay: bool) -> None:
        """These may be peers of the share."""

    def cannot_accept(self, reason: str) -> None:
        """Somebody wants to connect to us and cannot, for a reason on our side."""


class Gateway:
    """Accepts at `listener` (from `listener.listen`) once it is open, and dials.

    Args:
        info_hash: of the share that every connection is about.

    `private`: its peers come from its trackers alone (BEP 27), so who tries uTP is not dialled for that.
    """

    def __init__(self, listener: socket.socket, host: Host, info_hash: bytes, encryption: Encryption) -> None:
        self._listener = listener
        self._declined: Declined | None = None
        self._host = host
        self._info_hash = info_hash
        self._encryption = encryption
        self._encrypted: dict[Address, bool] = {}  # how to speak to whom we dial, where it was found out
        self._loop = asyncio.get_running_loop()
        self.private = False
        self._tries = TokenBucket(TRIES_PER_SECOND, MAX_TRIES, self._loop.time())
        self._dialling: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Accept connections from now on."""
        self._loop.add_reader(self._listener, self._accept)
        if self._declined is None:
            self._declined = Declined(self._listener, self._tried)

    def dial(self, address: Address) -> None:
        """Connect to this address; the host hears what came of it."""
        task = self._loop.create_task(self._dial(address))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def unheard(self, address: Address) -> None:
        """A connection to this address, which we had dialled, ended before the other side said a word."""
        if self._encryption is not Encryption.REQUIRE:
            self._encrypted[address] = not self._encrypts(address)
            if len(self._encrypted) > MAX_MANNERS:
                del self._encrypted[next(iter(self._encrypted))]

    def _encrypts(self, address: Address) -> bool:
        return self._encrypted.get(address, self._encryption is not Encryption.ALLOW)

    def close(self) -> None:
        """Accept nobody, dial nobody, and free the port."""
        if self._pause is not None:
            self._pause.cancel()
        if self._declined is not None:
            self._declined.close()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._dialling:
            task.cancel()

    def _tried(self, address: Address) -> None:
        peer, now = PeerAddress("", *address), self._loop.time()
        if not self.private and credible(peer, peer.ip) and self._tries.ready(now):
            self._tries.take(1)
            self._host.peers_found((peer,), hearsay=True)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # the other side is gone already
                continue
            except OSError as error:
                # Out of descriptors: the connection stays in the backlog, so the listener stays readable,
                # and the loop would do nothing but try again.
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(ACCEPT_PAUSE, self.open)
                self._host.cannot_accept(str(error.strerror))
                return
            transport = self._around(TcpTransport(sock), dialled=False)
            self._host.connected(transport, (unmapped(address[0]), address[1]), outgoing=False)

    async def _dial(self, address: Address) -> None:
        try:
            sock = await self._dialled(address)
        except OSError:  # refused, unreachable, timed out, or out of descriptors
            self._host.dial_failed(address)
        else:
            transport: Transport = TcpTransport(sock)
            if self._encrypts(address):
                transport = self._around(transport, dialled=True)
            self._host.connected(transport, address, outgoing=True)

    def _around(self, transport: Transport, *, dialled: bool) -> EncryptedTransport:
        return EncryptedTransport(transport, self._info_hash, self._encryption, dialled=dialled)

    async def _dialled(self, address: Address) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(DIAL_SECONDS):
                await self._loop.sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock
