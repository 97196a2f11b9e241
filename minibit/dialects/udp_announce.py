"""BitTorrent's UDP dialect of the tracker protocol: connect, announce, scrape and errors, both directions.

Rules: BEP 15, and BEP 41 for what may follow an announce. A request and its reply are one datagram each,
and a client says first that it receives at the address it sends from: it returns the connection id that a
*connect* was answered with. Both sides are strangers: what has the wrong shape is refused, never guessed at.
All numbers are big-endian.
"""

import ipaddress
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from minibit.address import KNOWN, PACKED_FOUR, PACKED_SIX, compact_peers, unpacked_peers
from minibit.dialects.announce import (
    DEFAULT_NUMWANT,
    LONGEST_INTERVAL,
    MAX_COUNTER,
    MAX_NUMWANT,
    MAX_REASON,
    SHORTEST_INTERVAL,
    Announce,
    AnnounceReply,
    Counts,
    Event,
)
from minibit.dialects.refusal import ReplyError, RequestError
from minibit.text import plain_text

MAGIC: Final = 0x41727101980  # a connect's connection id
MAX_DATAGRAM: Final = 2048  # bytes of a request: an announce of 98, and options (BEP 41)
MAX_SCRAPED: Final = 74  # info hashes of one scrape (BEP 15)
MAX_PEERS_BYTES: Final = 1200  # of one reply, which no network then has to cut: 200 peers, or 66 over IPv6
_MOST_FOUR, _MOST_SIX = (MAX_PEERS_BYTES // each * each for each in (PACKED_FOUR, PACKED_SIX))

_CONNECT, ANNOUNCE, _SCRAPE, _ERROR = range(4)
_EVENTS: Final = (Event.NONE, Event.COMPLETED, Event.STARTED, Event.STOPPED)
_EVENT_COUNT: Final = len(_EVENTS)
_NUMBERS: Final = {event: number for number, event in enumerate(_EVENTS)}
_HEAD = struct.Struct(">QII")
HEADER: Final = _HEAD.size
head_of: Final = _HEAD.unpack_from
"""Connection id, action and transaction of a request of `HEADER` bytes at least, whatever else it is."""
_ANNOUNCED = struct.Struct(">QII20s20sQQQIIIiH")
_read: Final = struct.Struct(">16x20s20sQQQII4xiH").unpack_from  # of those, what is heeded
_KEY, _KEY_AT = struct.Struct(">I"), struct.calcsize(">QII20s20sQQQII")
_CONNECTED = struct.Struct(">IIQ")
_REPLIED = struct.Struct(">IIIII")
_ANSWER = struct.Struct(">II")
_COUNTS = struct.Struct(">III")
_MOST: Final = (1 << 32) - 1
_UNKNOWN_LEFT: Final = (1 << 64) - 1  # opentracker's and libtorrent's way to say that it is not known
_END, _NOTHING, _URL_DATA = range(3)


class Connect(Struct, frozen=True):
    """A client wants a connection id. Whatever repeats its `transaction` is the answer."""

    transaction: int


class AnnounceRequest(Struct, frozen=True):
    """`path`: what followed the host in the tracker's URL, with its query (BEP 41); `key`: the client's own
    number, under which it would be known again at another address."""

    connection: int
    transaction: int
    announce: Announce
    key: int = 0
    path: bytes = b""


class ScrapeRequest(Struct, frozen=True):
    connection: int
    transaction: int
    info_hashes: tuple[bytes, ...]


Request = Connect | AnnounceRequest | ScrapeRequest


class Connected(Struct, frozen=True):
    transaction: int
    connection: int


class Announced(Struct, frozen=True):
    transaction: int
    reply: AnnounceReply


class Scraped(Struct, frozen=True):
    """Counts in the order of the info hashes that were asked about."""

    transaction: int
    counts: tuple[Counts, ...]


class Failed(Struct, frozen=True):
    transaction: int
    message: str


Reply = Connected | Announced | Scraped | Failed


def encode_request(request: Request) -> bytes:
    """`request` as a datagram."""
    match request:
        case Connect(transaction):
            return _HEAD.pack(MAGIC, _CONNECT, transaction)
        case ScrapeRequest(connection, transaction, info_hashes):
            return b"".join((_HEAD.pack(connection, _SCRAPE, transaction), *info_hashes))
        case AnnounceRequest(connection, transaction, announce, key, path):
            left = _UNKNOWN_LEFT if announce.left is None else announce.left
            packed = _ANNOUNCED.pack(
                connection,
                ANNOUNCE,
                transaction,
                announce.info_hash,
                announce.peer_id,
                announce.downloaded,
                left,
                announce.uploaded,
                _NUMBERS[announce.event],
                0 if announce.ip is None or ":" in announce.ip else int(ipaddress.IPv4Address(announce.ip)),
                key,
                announce.numwant,
                announce.port,
            )
            return packed + b"".join(_options(path))


def decode_request(datagram: bytes) -> Request:
    """The request in `datagram`, which came over IPv4.

    Raises:
        RequestError: not a request, or one that nobody can answer.
    """
    size = len(datagram)
    if size < HEADER or size > MAX_DATAGRAM:
        raise RequestError("this is no request to a tracker")
    connection, action, transaction = head_of(datagram)
    if action == ANNOUNCE:
        announce = decode_announce(datagram)
        (key,) = _KEY.unpack_from(datagram, _KEY_AT)
        return AnnounceRequest(connection, transaction, announce, key, _path(datagram[_ANNOUNCED.size :]))
    if action == _CONNECT and connection == MAGIC:
        return Connect(transaction)
    if action == _SCRAPE:
        hashes = datagram[HEADER:]
        count, rest = divmod(len(hashes), 20)
        if not 0 < count <= MAX_SCRAPED or rest:
            raise RequestError(f"a scrape asks about 1 to {MAX_SCRAPED} info hashes of 20 bytes")
        found = tuple(hashes[at : at + 20] for at in range(0, len(hashes), 20))
        return ScrapeRequest(connection, transaction, found)
    raise RequestError("this is no request to a tracker")


def decode_announce(datagram: bytes, *, six: bool = False) -> Announce:
    """What is announced in `datagram`, whose action is `ANNOUNCE`.

    Numbers beyond reason are the nearest reasonable ones, as over HTTP. An address that is claimed is IPv4:
    what came over IPv6 (`six`) claims none, whatever stands there.

    Raises:
        RequestError: it is malformed.
    """
    if len(datagram) < _ANNOUNCED.size or len(datagram) > MAX_DATAGRAM:
        raise RequestError("this is no request to a tracker")
    info_hash, peer_id, downloaded, left, uploaded, event, ip, numwant, port = _read(datagram)
    if not port:
        raise RequestError("port must be a number from 1 to 65535")
    if downloaded | left | uploaded >= MAX_COUNTER:  # one of them is, as hardly ever
        downloaded, uploaded = min(downloaded, MAX_COUNTER), min(uploaded, MAX_COUNTER)
        left = None if left == _UNKNOWN_LEFT else min(left, MAX_COUNTER)
    if not 0 <= numwant <= MAX_NUMWANT:
        numwant = DEFAULT_NUMWANT if numwant < 0 else MAX_NUMWANT
    event = _EVENTS[event if event < _EVENT_COUNT else 0]
    claimed = _dotted(ip) if ip and not six else None
    return Announce(info_hash, peer_id, port, uploaded, downloaded, left, event, numwant, claimed)


def encode_reply(reply: Reply, *, six: bool = False) -> bytes:
    """`reply` as a datagram. Of the peers, those that are of the socket's family: `six` is IPv6."""
    match reply:
        case Announced(transaction, answer):
            return encode_announced(transaction, answer, six=six)
        case Connected(transaction, connection):
            return _CONNECTED.pack(_CONNECT, transaction, connection)
        case Scraped(transaction, counts):
            packed = (
                _COUNTS.pack(*(min(n, _MOST) for n in (one.complete, one.downloaded, one.incomplete)))
                for one in counts
            )
            return _ANSWER.pack(_SCRAPE, transaction) + b"".join(packed)
        case Failed(transaction, message):
            return _ANSWER.pack(_ERROR, transaction) + message.encode()


def encode_announced(transaction: int, answer: AnnounceReply, *, six: bool) -> bytes:
    """The answer to an announce, by far what is asked for most, as a datagram; see `encode_reply`."""
    told, most = (answer.six, _MOST_SIX) if six else (answer.four, _MOST_FOUR)
    if answer.peers:
        told = compact_peers(answer.peers)[six] + told
    if len(told) > most:
        told = told[:most]
    head = _REPLIED.pack(ANNOUNCE, transaction, answer.interval, answer.incomplete, answer.complete)
    return head + told


def decode_reply(datagram: bytes, *, six: bool = False) -> Reply:
    """The reply in `datagram`, which came by a socket for IPv6 (`six`) or for IPv4.

    Peers that nobody could dial are left out, and an interval beyond reason is the nearest reasonable one.

    Raises:
        ReplyError: not a tracker's reply.
    """
    size = len(datagram)
    if size >= _ANSWER.size:
        action, transaction = _ANSWER.unpack_from(datagram)
        if action == _CONNECT and size >= _CONNECTED.size:
            return Connected(transaction, _CONNECTED.unpack_from(datagram)[2])
        if action == ANNOUNCE and size >= _REPLIED.size:
            interval, incomplete, complete = _REPLIED.unpack_from(datagram)[2:]
            peers = tuple(unpacked_peers(datagram[_REPLIED.size :], PACKED_SIX if six else PACKED_FOUR))
            interval = min(max(interval, SHORTEST_INTERVAL), LONGEST_INTERVAL)
            return Announced(transaction, AnnounceReply(interval, complete, incomplete, peers))
        if action == _SCRAPE:
            body = datagram[_ANSWER.size :]
            whole = body[: len(body) // _COUNTS.size * _COUNTS.size]
            return Scraped(transaction, tuple(Counts(*each) for each in _COUNTS.iter_unpack(whole)))
        if action == _ERROR:
            return Failed(transaction, plain_text(datagram[_ANSWER.size :], MAX_REASON))
    raise ReplyError("this is not a tracker's answer")


@lru_cache(KNOWN)
def _dotted(ip: int) -> str:
    return str(ipaddress.IPv4Address(ip))


def _options(path: bytes) -> Iterator[bytes]:
    for at in range(0, len(path), 255):
        part = path[at : at + 255]
        yield bytes((_URL_DATA, len(part))) + part


def _path(options: Sequence[int]) -> bytes:
    """The URL's path in what follows an announce; options that are unknown or cut off tell nothing."""
    path, at = bytearray(), 0
    while at < len(options) and options[at] != _END:
        if options[at] == _NOTHING:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else len(options)
        value = bytes(options[at + 2 : at + 2 + length])
        if options[at] == _URL_DATA and len(value) == length:
            path += value
        at += 2 + length
    return bytes(path)
