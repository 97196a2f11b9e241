"""BitTorrent's HTTP dialect of the tracker protocol: announce and scrape, as a tracker sees them.

Rules: BEP 3 (*tracker requests*), BEP 23 (compact peers), BEP 7 (`peers6`), BEP 48 (scrape). BEP 7's `ipv4=`
and `ipv6=` are not read: an address that the socket does not show is one that anybody could invent.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from minibit.address import ip_literal
from minibit.dialects.announce import (
    DEFAULT_NUMWANT,
    MAX_COUNTER,
    MAX_NUMWANT,
    Announce,
    AnnounceReply,
    Counts,
    Event,
    compact_peers,
)
from minibit.dialects.refusal import RequestError
from minibit.torrent import bencode

MAX_QUERY: Final = 16 * 1024  # 64 scraped hashes, every byte percent-encoded, are 5 KB
MAX_SCRAPED: Final = 64


@dataclass(frozen=True, slots=True)
class Form:
    """How a client wants peers to be listed: packed (BEP 23), or as dictionaries, with ids or without."""

    compact: bool = True
    no_peer_id: bool = False


def decode_announce(raw: bytes) -> tuple[Announce, Form]:
    """The announce in a raw query string, which no text decoder may have touched: ids are bytes.

    Raises:
        RequestError: a field missing or malformed; `encode_failure` makes it an answer.
    """
    query = {key: values[-1] for key, values in _query(raw).items()}
    port = _integer(query, b"port", 0)
    if not 0 < port <= 65535:
        raise RequestError("port must be a number from 1 to 65535")
    event = query.get(b"event", b"").decode("latin-1")
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
        event=Event(event) if event in set(Event) else Event.NONE,
        numwant=min(numwant, MAX_NUMWANT) if numwant >= 0 else DEFAULT_NUMWANT,
        ip=ip_literal(query.get(b"ip", b"").decode("latin-1")),
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
        document["peers"], six = compact_peers(reply.peers)
        if six:
            document["peers6"] = six
    else:
        document["peers"] = [
            {"ip": peer.ip, "port": peer.port}
            | ({} if form.no_peer_id or peer.bt_id is None else {"peer id": peer.bt_id})
            for peer in reply.peers
        ]
    return bencode.encode(document)


def decode_scrape(raw: bytes) -> tuple[bytes, ...]:
    """The info hashes that a raw scrape query asks about; none means every share (BEP 48).

    Raises:
        RequestError: a malformed hash, or too many.
    """
    hashes = _query(raw).get(b"info_hash", [])
    if len(hashes) > MAX_SCRAPED:
        raise RequestError(f"at most {MAX_SCRAPED} info hashes per scrape")
    return tuple(_twenty(value, "info_hash") for value in hashes)


def encode_scrape(counts: Mapping[bytes, Counts]) -> bytes:
    """The bencoded answer to a scrape, by info hash."""
    return bencode.encode({"files": {info_hash: asdict(each) for info_hash, each in counts.items()}})


def encode_failure(message: str) -> bytes:
    """A refusal as BitTorrent clients show it to their user (BEP 3)."""
    return bencode.encode({"failure reason": message})


def _query(raw: bytes) -> dict[bytes, list[bytes]]:
    # A '+' stays a '+': clients percent-encode bytes (RFC 3986), they do not send forms.
    if len(raw) > MAX_QUERY:
        raise RequestError(f"the query is longer than {MAX_QUERY} bytes")
    fields: dict[bytes, list[bytes]] = {}
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        fields.setdefault(key, []).append(unquote_to_bytes(value))
    return fields


def _twenty(value: bytes, name: str) -> bytes:
    if len(value) != 20:
        raise RequestError(f"{name} must be 20 percent-encoded bytes")
    return value


def _integer(query: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    text = query.get(key)
    if not text:
        return default
    if not re.fullmatch(rb"-?[0-9]{1,20}", text) or abs(number := int(text)) > MAX_COUNTER:
        raise RequestError(f"{key.decode()} must be a whole number")
    return number
