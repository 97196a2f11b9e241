"""BitTorrent's HTTP dialect of the tracker protocol: announce and scrape, their queries and their replies.

Rules: BEP 3 (*tracker requests*), BEP 23 (compact peers), BEP 7 (`peers6`), BEP 48 (scrape). BEP 7's `ipv4=`
and `ipv6=` are not read: an address that the socket does not show is one that anybody could invent.
Both sides are strangers: a tracker refuses a bad query, and a client takes from a reply what makes sense.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from msgspec.structs import asdict

from minibit.address import (
    KNOWN,
    PACKED_FOUR,
    PACKED_SIX,
    PeerAddress,
    compact_peers,
    ip_literal,
    unpacked_peers,
)
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
from minibit.errors import BencodeError
from minibit.text import plain_text
from minibit.torrent import bencode, lenient

MAX_QUERY: Final = 16 * 1024  # 64 scraped hashes, every byte percent-encoded, are 5 KB
MAX_SCRAPED: Final = 64
MAX_ID: Final = 60  # bytes of an id or info hash in a query, every one of its 20 percent-encoded
MAX_REPLY: Final = 1 << 20  # bytes; a thousand peers as dictionaries are 100 KB
MAX_PEERS_READ: Final = 1000  # of one reply, of each kind; common trackers send 200 at most
MAX_VALUES: Final = 20_000  # of one reply; a thousand peers as dictionaries are 7,000

_NUMBER = re.compile(rb"[-+]?[0-9]{1,100}")
_EVENTS: Final = {event.value.encode(): event for event in Event}


class Form(Struct, frozen=True):
    """How a client wants peers to be listed: packed (BEP 23), or as dictionaries, with ids or without."""

    compact: bool = True
    no_peer_id: bool = False


def encode_announce(announce: Announce, form: Form) -> bytes:
    """`announce` as a raw query string; what is not known is not said."""
    said = {
        "info_hash": _percent(announce.info_hash),
        "peer_id": _percent(announce.peer_id),
        "port": announce.port,
        "uploaded": announce.uploaded,
        "downloaded": announce.downloaded,
        "left": announce.left,
        "event": announce.event.value or None,
        "numwant": announce.numwant,
        "ip": announce.ip,
        "compact": int(form.compact),
        "no_peer_id": int(form.no_peer_id),
    }
    return "&".join(f"{key}={value}" for key, value in said.items() if value is not None).encode()


def decode_announce(raw: bytes) -> tuple[Announce, Form]:
    """The announce in a raw query string, which no text decoder may have touched: ids are bytes.

    Raises:
        RequestError: a field missing or malformed; `encode_failure` makes it an answer.
    """
    query = dict(_query(raw))
    port = _integer(query, b"port", 0)
    if not 0 < port <= 65535:
        raise RequestError("port must be a number from 1 to 65535")
    numwant = _integer(query, b"numwant", DEFAULT_NUMWANT)
    left = _integer(query, b"left", -1)
    announce = Announce(
        info_hash=_twenty(query.get(b"info_hash", b""), "info_hash"),
        peer_id=_twenty(query.get(b"peer_id", b""), "peer_id"),
        port=port,
        uploaded=max(0, _integer(query, b"uploaded", 0)),
        downloaded=max(0, _integer(query, b"downloaded", 0)),
        left=left if left >= 0 else None,
        # Events of later BEPs (21: paused) are announces like any other.
        event=_EVENTS.get(query.get(b"event", b""), Event.NONE),
        numwant=min(numwant, MAX_NUMWANT) if numwant >= 0 else DEFAULT_NUMWANT,
        ip=ip_literal(query[b"ip"].decode("latin-1")) if b"ip" in query else None,
    )
    return announce, Form(query.get(b"compact") != b"0", query.get(b"no_peer_id") == b"1")


def encode_reply(reply: AnnounceReply, form: Form) -> bytes:
    """The bencoded answer to an announce."""
    document: dict[str, Any] = {
        "interval": reply.interval,
        "min interval": reply.interval // 2,
        "complete": reply.complete,
        "incomplete": reply.incomplete,
    }
    if form.compact:
        four, six = compact_peers(reply.peers)
        document["peers"] = four + reply.four
        if six or reply.six:
            document["peers6"] = six + reply.six
    else:
        more = chain(unpacked_peers(reply.four, PACKED_FOUR), unpacked_peers(reply.six, PACKED_SIX))
        document["peers"] = [
            {"ip": peer.ip, "port": peer.port}
            | ({} if form.no_peer_id or peer.bt_id is None else {"peer id": peer.bt_id})
            for peer in (*reply.peers, *more)
        ]
    return bencode.encode(document)


def decode_reply(body: bytes) -> AnnounceReply:
    """The answer to an announce; peers that nobody could dial are left out, and so are host names.

    An interval beyond reason is the nearest reasonable one, a number that is none is 0. In compact form, IPv6
    peers come last.

    Raises:
        ReplyError: a refusal, or not a tracker's answer.
    """
    document = _document(body)
    interval = document.get(b"interval")
    if not isinstance(interval, int):
        raise ReplyError("this is no answer to an announce: it has no interval")
    return AnnounceReply(
        min(max(interval, SHORTEST_INTERVAL), LONGEST_INTERVAL),
        _count(document, "complete"),
        _count(document, "incomplete"),
        tuple(_peers(document)),
    )


def encode_scrape(info_hashes: Iterable[bytes]) -> bytes:
    """The raw query that asks about these info hashes, of which trackers take 64 or so."""
    return "&".join(f"info_hash={_percent(info_hash)}" for info_hash in info_hashes).encode()


def decode_scrape(raw: bytes) -> tuple[bytes, ...]:
    """The info hashes that a raw scrape query asks about; none means every share (BEP 48).

    Raises:
        RequestError: a malformed hash, or too many.
    """
    hashes = [value for key, value in _query(raw) if key == b"info_hash"]
    if len(hashes) > MAX_SCRAPED:
        raise RequestError(f"at most {MAX_SCRAPED} info hashes per scrape")
    return tuple(_twenty(value, "info_hash") for value in hashes)


def encode_counts(counts: Mapping[bytes, Counts]) -> bytes:
    """The bencoded answer to a scrape, by info hash."""
    return bencode.encode({"files": {info_hash: asdict(each) for info_hash, each in counts.items()}})


def decode_counts(body: bytes) -> dict[bytes, Counts]:
    """The answer to a scrape, by info hash; a number that is none is 0.

    Raises:
        ReplyError: a refusal, or not a tracker's answer.
    """
    files = _document(body).get(b"files")
    if not isinstance(files, dict):
        raise ReplyError("this is no answer to a scrape: it has no files")
    return {
        info_hash: Counts(**{name: _count(entry, name) for name in Counts.__struct_fields__})
        for info_hash, entry in files.items()
        if len(info_hash) == 20 and isinstance(entry, dict)
    }


def encode_failure(message: str) -> bytes:
    """A refusal as BitTorrent clients show it to their user (BEP 3); both replies' decoders raise it."""
    return bencode.encode({"failure reason": message})


# --- queries


def _percent(value: bytes) -> str:
    return f"%{value.hex('%').upper()}"


def _query(raw: bytes) -> list[tuple[bytes, bytes]]:
    # A '+' stays a '+': clients percent-encode bytes (RFC 3986), they do not send forms.
    if len(raw) > MAX_QUERY:
        raise RequestError(f"the query is longer than {MAX_QUERY} bytes")
    found = []
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        if b"%" in value:
            # All clients of a swarm write its info hash in one of a few ways, and each of them its own id.
            value = _unquoted(value) if len(value) <= MAX_ID else unquote_to_bytes(value)
        found.append((key, value))
    return found


_unquoted = lru_cache(KNOWN)(unquote_to_bytes)


def _twenty(value: bytes, name: str) -> bytes:
    if len(value) != 20:
        raise RequestError(f"{name} must be 20 percent-encoded bytes")
    return value


def _integer(query: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    """The number under `key`, the nearest reasonable one if it is beyond reason, `default` if it is none.

    Other trackers take what clients write here, so clients write anything.
    """
    text = query.get(key, b"")
    if text.isdigit() and len(text) < 19:  # as nearly all are
        return int(text)
    if not _NUMBER.fullmatch(text):
        return default
    return min(max(int(text), -MAX_COUNTER), MAX_COUNTER)


# --- replies


def _document(body: bytes) -> dict[bytes, Any]:
    try:
        document, _ = lenient.decode(body[:MAX_REPLY], max_items=MAX_VALUES)
    except BencodeError as error:
        raise ReplyError(f"this is not a tracker's answer: {plain_text(str(error), 120)}") from None
    if not isinstance(document, dict):
        raise ReplyError("this is not a tracker's answer: it is no dictionary")
    if b"failure reason" in document:
        reason = plain_text(document[b"failure reason"], MAX_REASON)
        raise ReplyError(reason or "refused without a reason", refused=True)
    return document


def _count(document: dict[bytes, Any], name: str) -> int:
    value = document.get(name.encode())
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNTER else 0


def _peers(document: dict[bytes, Any]) -> Iterator[PeerAddress]:
    four, six = document.get(b"peers"), document.get(b"peers6")
    if isinstance(four, list):
        yield from _listed(four[:MAX_PEERS_READ])
    elif isinstance(four, bytes):
        yield from unpacked_peers(four[: PACKED_FOUR * MAX_PEERS_READ], PACKED_FOUR)
    if isinstance(six, bytes):
        yield from unpacked_peers(six[: PACKED_SIX * MAX_PEERS_READ], PACKED_SIX)


def _listed(entries: list[Any]) -> Iterator[PeerAddress]:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        ip, port, bt_id = (entry.get(key) for key in (b"ip", b"port", b"peer id"))
        literal = ip_literal(ip.decode("latin-1")) if isinstance(ip, bytes) else None
        if literal is None or not isinstance(port, int) or not 0 < port <= 65535:
            continue
        yield PeerAddress("", literal, port, bt_id if isinstance(bt_id, bytes) and len(bt_id) == 20 else None)
