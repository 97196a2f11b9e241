"""The tracker over UDP (BEP 15): the HTTP server's port number, core and loop.

Nothing is kept of a client, and nobody is sent more than he proved to want: whoever has no valid connection
id gets at most as many bytes as came from his address, and what is no request gets silence, so that no two
servers can be made to talk to each other.
"""

import logging
import secrets
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from minibit.address import KNOWN, ip_literal, is_loopback
from minibit.dialects.announce import MAX_REASON, Counts
from minibit.dialects.refusal import RequestError
from minibit.dialects.udp_announce import (
    HEADER,
    MAX_DATAGRAM,
    Announced,
    AnnounceRequest,
    Connect,
    Connected,
    Failed,
    Reply,
    Request,
    Scraped,
    connection_of,
    decode_request,
    encode_reply,
    transaction_of,
)
from minibit.serve.allowance import Allowance
from minibit.serve.connection_ids import ConnectionIds
from minibit.serve.tracker import Tracker

BATCH: Final = 64  # datagrams between two looks at the other sockets of the loop
EXPIRED: Final = "connect again"  # with its head no longer than the shortest request that it answers
_NONE: Final = Counts(0, 0, 0)

_log = logging.getLogger(__name__)


class UdpServer:
    """Answers datagrams for `tracker`; `clock` gives seconds that only grow, in the next process too.

    Connection ids that were given out under `secret`, of at most 64 bytes, are known again.
    """

    def __init__(self, tracker: Tracker, clock: Callable[[], float], secret: bytes) -> None:
        self._tracker = tracker
        self._clock = clock
        self._ids = ConnectionIds(secret)
        self._allowance = Allowance(secrets.randbits(62))

    def drain(self, sock: socket.socket) -> None:
        """Answers what waits at `sock`, up to a batch of it."""
        now = self._clock()
        # Answers leave together: the socket is emptied sooner, and a program of this machine that waits for
        # many of them is woken once, which is a fifth of the processor that an announce takes.
        answers: list[tuple[bytes, tuple[Any, ...]]] = []
        for _ in range(BATCH):
            try:
                datagram, address = sock.recvfrom(MAX_DATAGRAM + 1)
            except BlockingIOError:
                break
            answer = self.answer(datagram, address, now)
            if answer is not None:
                answers.append((answer, address))
        for answer, address in answers:
            try:
                sock.sendto(answer, address)
            except OSError:
                continue  # it is lost, as the network loses others: the client asks again

    def answer(self, datagram: bytes, address: tuple[Any, ...], now: float) -> bytes | None:
        """What the socket address `address` is answered to `datagram`; None: nothing."""
        remote, six, here = _seen(address[0])
        if len(datagram) < HEADER or not remote or not (here or self._allowance.admits(remote, now)):
            return None
        try:
            request = decode_request(datagram)
        except RequestError as error:
            if not self._ids.valid(connection_of(datagram), remote, now):
                return None
            return encode_reply(_failed(transaction_of(datagram), str(error)))
        if isinstance(request, Connect):
            return encode_reply(Connected(request.transaction, self._ids.issue(remote, now)))
        if not self._ids.valid(request.connection, remote, now):
            return encode_reply(Failed(request.transaction, EXPIRED))
        try:
            reply = self._asked(request, remote, six=six)
        except RequestError as error:
            reply = _failed(request.transaction, str(error))
        except Exception:
            _log.exception("an announce or scrape over UDP failed")
            reply = _failed(request.transaction, "the tracker failed to answer this: its log says why")
        return encode_reply(reply, six=six)

    def _asked(self, request: Request, remote: str, *, six: bool) -> Reply:
        if isinstance(request, AnnounceRequest):
            # The field for an address is IPv4's: over IPv6 it claims nothing (BEP 15).
            announce = request.announce._replace(ip=None) if six else request.announce
            return Announced(request.transaction, self._tracker.announce(announce, remote, packed=True))
        assert not isinstance(request, Connect)
        found = self._tracker.scrape(request.info_hashes)
        return Scraped(request.transaction, tuple(found.get(each, _NONE) for each in request.info_hashes))


@lru_cache(KNOWN)
def _seen(shown: str) -> tuple[str, bool, bool]:
    """A client's address as the socket shows it, read: the canonical literal ("": none), whether that is
    IPv6, and whether it is this machine's. Its own programs are let pass: they could as well take its
    processor, and the whole of a large swarm may live here."""
    literal = ip_literal(shown) or ""
    return literal, ":" in literal, is_loopback(literal)


def _failed(transaction: int, message: str) -> Failed:
    return Failed(transaction, message[:MAX_REASON])
