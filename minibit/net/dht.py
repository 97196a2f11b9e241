"""The DHT on a real socket: names of nodes, datagrams, a timer. What is asked of whom, `engine.dht` knows."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random
from typing import Final

from minibit.address import Address, PeerAddress
from minibit.dialects.krpc import MAX_DATAGRAM
from minibit.engine.dht import Datagram, Dht
from minibit.net.ear import Ear

# Nodes that anybody may begin with, kept up by those who make these clients.
PUBLIC: Final = (
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("dht.libtorrent.org", 25401),
)
TICK_SECONDS: Final = 0.25  # how exact the timer is


class DhtClient:
    """One peer of one share, looked for and announced until it is closed.

    Args:
        port: where the peer listens.
        begin: names or addresses of nodes, with their ports.
        found: called on the loop with peers that were found.
        tell: called with a line about each search that ends in another way than the one before.
    """

    def __init__(
        self,
        info_hash: bytes,
        port: int,
        rng: Random,
        begin: Iterable[Address],
        found: Callable[[Iterable[PeerAddress]], None],
        tell: Callable[[str], None],
    ) -> None:
        self._begin = list(begin)
        self._found = found
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._dht = Dht(info_hash, port, rng, self._loop.time())
        self._told, self._seen = "", 0
        self._socket: socket.socket | None = None
        self._ear: Ear | None = None

    async def run(self) -> None:
        """Search again and again, until cancelled."""
        try:
            sock = self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind(("0.0.0.0", 0))
            self._ear = Ear([sock], self._hear, MAX_DATAGRAM)
            for host, port in self._begin:
                with suppress(OSError, UnicodeError):  # no such name, or no network: others may be reached
                    places = await self._loop.getaddrinfo(
                        host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM
                    )
                    self._dht.learn((str(places[0][4][0]), port))
            while self._socket is not None:
                self._send(self._dht.tick(self._loop.time()))
                self._look()
                await asyncio.sleep(max(self._dht.next_deadline() - self._loop.time(), TICK_SECONDS))
            await asyncio.Event().wait()
        finally:
            self.close()

    def close(self) -> None:
        """Ask and hear nothing more."""
        if self._ear is not None:
            self._ear.close()
        if self._socket is not None:
            self._socket.close()
        self._ear = self._socket = None

    def _hear(self, datagram: bytes, address: Address) -> None:
        self._send(self._dht.received(datagram, address, self._loop.time()))
        if peers := self._dht.take_peers():
            self._found(peers)
        self._look()

    def _send(self, datagrams: Iterable[Datagram]) -> None:
        for datagram, address in datagrams:
            if self._socket is not None:
                with suppress(OSError):  # as if it had got lost
                    self._socket.sendto(datagram, address)

    def _look(self) -> None:
        """Tell how the last search ended, if that is news."""
        if self._dht.searches == self._seen:
            return
        self._seen = self._dht.searches
        if self._dht.found:
            said = "the DHT knows peers of this share"
        elif self._dht.answered:
            said = "the DHT knows no peer of this share so far"
        else:
            said = "no node of the DHT answers"
        if said != self._told:
            self._told = said
            self._tell(said)
