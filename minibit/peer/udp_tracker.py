"""One announce to a tracker over UDP (BEP 15): a connection id first, then the announce.

What does not come is asked for again after growing pauses, within the time that the caller allows. A socket
that is connected hears its tracker alone, and a reply counts only if it repeats a number that was drawn for
it.
"""

import asyncio
import socket
from random import Random
from typing import Final, TypeVar
from urllib.parse import urlsplit

from minibit.address import ip_literal
from minibit.dialects.announce import Announce, AnnounceReply
from minibit.dialects.refusal import ReplyError
from minibit.dialects.udp_announce import (
    Announced,
    AnnounceRequest,
    Connect,
    Connected,
    Failed,
    Reply,
    Request,
    decode_reply,
    encode_request,
)
from minibit.errors import TrackerRefusedError, TrackerUnreachableError
from minibit.text import one_line

FIRST_PATIENCE: Final = 3.0  # s before a datagram is sent again, doubled each time; BEP 15 waits 15 s
MAX_DATAGRAM: Final = 4096

Wanted = TypeVar("Wanted", Connected, Announced)


async def announce(url: str, said: Announce, rng: Random, *, seconds: float) -> tuple[AnnounceReply, str]:
    """What the tracker at `url` answers, and its IP address.

    Raises:
        TrackerUnreachableError: nothing in time, or nobody has that name.
        TrackerRefusedError: the answer was no; the message is the tracker's own.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(parts.hostname or "", parts.port or 0, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            with socket.socket(family, kind, protocol) as sock:
                sock.setblocking(False)
                sock.connect(address)
                six = family == socket.AF_INET6
                connect = Connect(rng.getrandbits(32))
                connection = await _asked(sock, connect, Connected, six=six)
                path = f"{parts.path}{'?' * bool(parts.query)}{parts.query}".encode()
                request = AnnounceRequest(
                    connection.connection, rng.getrandbits(32), said, rng.getrandbits(32), path
                )
                announced = await _asked(sock, request, Announced, six=six)
    except TimeoutError:
        raise TrackerUnreachableError("no answer in time") from None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such name"
        raise TrackerUnreachableError(one_line(f"no answer ({why})")) from None
    return announced.reply, ip_literal(address[0]) or ""


async def _asked(sock: socket.socket, request: Request, kind: type[Wanted], *, six: bool) -> Wanted:
    """The reply to this request, which is sent until one comes."""
    loop = asyncio.get_running_loop()
    patience = FIRST_PATIENCE
    while True:
        await loop.sock_sendall(sock, encode_request(request))
        try:
            async with asyncio.timeout(patience):
                while True:
                    reply = _read(await loop.sock_recv(sock, MAX_DATAGRAM), six=six)
                    if reply is None or reply.transaction != request.transaction:
                        continue
                    if isinstance(reply, Failed):
                        raise TrackerRefusedError(f"the tracker refused us: {reply.message}")
                    if isinstance(reply, kind):
                        return reply
        except TimeoutError:
            patience *= 2


def _read(datagram: bytes, *, six: bool) -> Reply | None:
    try:
        return decode_reply(datagram, six=six)
    except ReplyError:  # what is no answer is no reason to stop waiting for one
        return None
