"""Local discovery (BEP 14): says on this network that we are in a swarm, and hears who else is.

It is off unless the user asks for it: whoever is on the network learns what we share. What is heard is
hearsay about the very machine that said it, so it can aim us nowhere else.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from minibit.address import Address, PeerAddress, credible, is_loopback, is_near, unmapped
from minibit.dialects import lan
from minibit.dialects.lan import GROUPS, MAX_DATAGRAM, Search
from minibit.net.ear import Ear

ANNOUNCE_SECONDS: Final = 300.0  # between two announces…
SOONEST: Final = 60.0  # …or less, if somebody was heard who may not know of us
HOPS: Final = 2  # the groups are wider than one network
WILDCARDS: Final = ("0.0.0.0", "::")

_IPV4: Final = struct.Struct("=4s4si")  # ip_mreqn: group, own address, interface
_IPV6: Final = struct.Struct("=16sI")  # ipv6_mreq: group, interface


class Lan:
    """One peer of one share on the networks of this machine, until it is closed.

    Args:
        listener: where the peer listens: what cannot reach it is not told of it.
        cookie: ours alone, by which we know what we said ourselves.
        found: called on the loop with each peer that is heard of.
        port: of the groups.
    """

    def __init__(
        self,
        info_hash: bytes,
        listener: socket.socket,
        cookie: str,
        found: Callable[[PeerAddress], None],
        *,
        port: int = lan.PORT,
    ) -> None:
        host, own_port = listener.getsockname()[:2]
        self._info_hash = info_hash
        self._host = unmapped(host)
        self._cookie = cookie
        self._found = found
        self._port = port
        self._said = Search(own_port, (info_hash,), cookie)
        self._ear: Ear | None = None
        self._sockets: dict[int, socket.socket] = {}  # by IP version
        self._news = asyncio.Event()
        families = [6] if listener.family == socket.AF_INET6 and self._host != "::" else [4]
        for family in [4, 6] if self._host == "::" else families:
            if (sock := self._joined(family)) is not None:
                self._sockets[family] = sock

    @property
    def open(self) -> bool:
        """Whether there is any network on which we can be heard."""
        return bool(self._sockets)

    async def run(self) -> None:
        """Hear others, and be heard: now, every five minutes, and a minute later if somebody else is here."""
        try:
            self._ear = Ear(self._sockets.values(), self._hear, MAX_DATAGRAM)
            while True:
                for family, sock in self._sockets.items():
                    self._say(family, sock)
                self._news.clear()
                await asyncio.sleep(SOONEST)
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANNOUNCE_SECONDS - SOONEST):
                        await self._news.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Neither hear nor say anything any more."""
        if self._ear is not None:
            self._ear.close()
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    # --- the groups

    def _joined(self, family: int) -> socket.socket | None:
        """A socket in the group on every interface that can be, None if none can."""
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        sock = socket.socket(kind, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
            else:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
            # To the group's own address: what is sent to us alone is no multicast.
            sock.bind((GROUPS[family], self._port))
        except OSError:  # no such family here, or somebody has the port for himself
            sock.close()
            return None
        joined = 0
        for interface in self._interfaces(family):
            with suppress(OSError):
                if family == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, interface)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, interface)
                joined += 1
        if joined:
            return sock
        sock.close()
        return None

    def _interfaces(self, family: int) -> Iterator[bytes]:
        """Each interface on which the peer listens, as the system wants it written."""
        everywhere = self._host in WILDCARDS
        interfaces = socket.if_nameindex()
        if is_loopback(self._host):
            interfaces = [each for each in interfaces if each[1].startswith("lo")]
        numbers = [number for number, _ in interfaces]
        if family == 6:
            group = socket.inet_pton(socket.AF_INET6, GROUPS[6])
            yield from (_IPV6.pack(group, number) for number in numbers)
            return
        group = socket.inet_aton(GROUPS[4])
        own = socket.inet_aton("0.0.0.0" if everywhere else self._host)
        yield from (_IPV4.pack(group, own, number) for number in (numbers if everywhere else [0]))

    def _say(self, family: int, sock: socket.socket) -> None:
        datagram = self._said.encode(family)
        for interface in self._interfaces(family):
            with suppress(OSError):  # an interface that is down, or gone
                if family == 6:
                    (_, number) = _IPV6.unpack(interface)
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, number)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
                sock.sendto(datagram, (GROUPS[family], self._port))

    # --- what is heard

    def _hear(self, datagram: bytes, address: Address) -> None:
        ip = address[0]
        said = lan.decode(datagram)
        if said is None or said.cookie == self._cookie or self._info_hash not in said.info_hashes:
            return
        peer = PeerAddress("", ip, said.port)
        if is_near(ip) and credible(peer, ip):
            self._news.set()
            self._found(peer)
