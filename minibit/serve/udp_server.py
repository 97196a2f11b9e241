"""The tracker over UDP (BEP 15): the HTTP server's port number, core and loop.

Nothing is kept of a client, and nobody is sent more than he proved to want: whoever has no valid connection
id gets at most as many bytes as came from his address, and what is no request gets silence, so that no two
servers can be made to talk to each other.
"""

import logging
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import repeat, starmap
from typing import Any, Final

from minibit.address import KNOWN, ip_literal, is_loopback
from minibit.dialects.announce import MAX_REASON, Counts
from minibit.dialects.refusal import RequestError
from minibit.dialects.udp_announce import (
    ANNOUNCE,
    HEADER,
    MAX_DATAGRAM,
    Connect,
    Connected,
    Failed,
    Reply,
    Scraped,
    ScrapeRequest,
    decode_announce,
    decode_request,
    encode_announced,
    encode_reply,
    head_of,
)
from minibit.serve.allowance import Allowance
from minibit.serve.connection_ids import ConnectionIds, slot_at
from minibit.serve.tracker import Tracker

BATCH: Final = 64  # datagrams between two looks at the other sockets of the loop
EXPIRED: Final = "connect again"  # with its head no longer than the shortest request that it answers
_NONE: Final = Counts(0, 0, 0)

Datagram = tuple[bytes, tuple[Any, ...]]
"""(payload, the socket address that it is from or for)."""

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
        waiting: list[Datagram] = []
        with suppress(BlockingIOError):
            waiting.extend(map(sock.recvfrom, repeat(MAX_DATAGRAM + 1, BATCH)))
        # Answers leave together: the socket is emptied sooner, and a program of this machine that waits for
        # many of them is woken once, which is a fifth of the processor that an announce takes.
        sent = starmap(sock.sendto, self.answers(waiting, self._clock()))
        while True:
            try:
                for _ in sent:
                    continue
            except OSError:
                continue  # one is lost, as the network loses others: the client asks again
            return

    def answers(self, waiting: Iterable[Datagram], now: float) -> list[Datagram]:
        """What the datagrams `waiting`, each with its socket address, are answered."""
        found, slot = [], slot_at(now)
        with self._tracker.turn as moment:  # one for all: each costs a fifteenth of an announce
            for datagram, address in waiting:
                remote, six, here = _seen(address[0])
                if len(datagram) < HEADER or not (here or self._admits(remote, now)):
                    continue
                connection, action, transaction = head_of(datagram)
                proven = self._ids.valid(connection, remote, slot)
                answer: bytes | None
                try:
                    if action != ANNOUNCE:
                        answer = encode_reply(self._rarer(datagram, proven, remote, slot, moment))
                    else:  # of which a stranger's options are not even read
                        announce = decode_announce(datagram, six=six)
                        if proven:
                            reply = self._tracker.announced(announce, remote, moment, packed=True)
                            answer = encode_announced(transaction, reply, six=six)
                        else:
                            answer = _failed(transaction, EXPIRED)
                except RequestError as error:
                    answer = _failed(transaction, str(error)) if proven else None
                except Exception:
                    _log.exception("an announce or scrape over UDP failed")
                    message = "the tracker failed to answer this: its log says why"
                    answer = _failed(transaction, message) if proven else None
                if answer is not None:
                    found.append((answer, address))
        return found

    def _admits(self, remote: str, now: float) -> bool:
        return bool(remote) and self._allowance.admits(remote, now)

    def _rarer(self, datagram: bytes, proven: bool, remote: str, slot: int, now: float) -> Reply:
        """The reply to what is no announce."""
        request = decode_request(datagram)
        if isinstance(request, Connect):
            return Connected(request.transaction, self._ids.issue(remote, slot))
        if not proven:
            return Failed(request.transaction, EXPIRED)
        assert isinstance(request, ScrapeRequest)
        counts = self._tracker.scraped(request.info_hashes, now)
        return Scraped(request.transaction, tuple(counts.get(each, _NONE) for each in request.info_hashes))


@lru_cache(KNOWN)
def _seen(shown: str) -> tuple[str, bool, bool]:
    """A client's address as the socket shows it, read: the canonical literal ("": none), whether that is
    IPv6, and whether it is this machine's. Its own programs are let pass: they could as well take its
    processor, and the whole of a large swarm may live here."""
    literal = ip_literal(shown) or ""
    return literal, ":" in literal, is_loopback(literal)


def _failed(transaction: int, message: str) -> bytes:
    return encode_reply(Failed(transaction, message[:MAX_REASON]))
