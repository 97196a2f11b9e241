"""BitTorrent's HTTP dialect of the tracker protocol: announce and scrape, parse and encode side by side.

Rules: BEP 3 (*tracker requests*), BEP 23 (compact peers), BEP 7 (`peers6`), BEP 48 (scrape). `Announce` and
`AnnounceReply` are also what a UDP tracker (BEP 15) speaks, so both feed one swarm. BEP 7's `ipv4=` and
`ipv6=` are not read: an address that the socket does not show is one that anybody could invent.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from minibit.address import PeerAddress, ip_literal
from minibit.dialects.json_calls import RequestError
from minibit.torrent import bencode

DEFAULT_NUMWANT: Final = 50
MAX_NUMWANT: Final = 200  # what common trackers allow: 200 compact peers are 1.2 KB
MAX_QUERY: Final = 16 * 1024  # 64 scraped hashes, every byte percent-encoded, are 5 KB
MAX_SCRAPED: Final = 64
MAX_COUNTER: Final = 1 << 62  # bytes that a client may claim; `snapshot` reads no larger number


class Event(StrEnum):
    """BEP 3's `event`; NONE is one of the announces made at intervals."""

    NONE = ""
    STARTED = "started"
    STOPPED = "stopped"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Announce:
    """One announce, over HTTP or (BEP 15) UDP. `left` is None when the client does not know it yet."""

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int = 0
    downloaded: int = 0
    left: int | None = None
    event: Event = Event.NONE
    numwant: int = DEFAULT_NUMWANT
    ip: str | None = None
    compact: bool = True
    no_peer_id: bool = False

    @classmethod
    def from_query(cls, raw: bytes) -> "Announce":
        """The announce in a raw query string, which no text decoder may have touched: ids are bytes.

        Raises:
            RequestError: a field missing or malformed; `failure` makes it an answer.
        """
        query = {key: values[-1] for key, values in _query(raw).items()}
        port = _integer(query, b"port", 0)
        if not 0 < port <= 65535:
            raise RequestError("port must be a number from 1 to 65535")
        event = query.get(b"event", b"").decode("latin-1")
        numwant = _integer(query, b"numwant", DEFAULT_NUMWANT)
        left = _integer(query, b"left", -1)
        return cls(
            info_hash=_twenty(query, b"info_hash"),
            peer_id=_twenty(query, b"peer_id"),
            port=port,
            uploaded=max(0, _integer(query, b"uploaded", 0)),
            downloaded=max(0, _integer(query, b"downloaded", 0)),
            left=left if left >= 0 else None,
            # Events of later BEPs (21: paused) are announces like any other.
            event=Event(event) if event in set(Event) else Event.NONE,
            numwant=min(numwant, MAX_NUMWANT) if numwant >= 0 else DEFAULT_NUMWANT,
            ip=ip_literal(query.get(b"ip", b"").decode("latin-1")),
            compact=query.get(b"compact") != b"0",
            no_peer_id=query.get(b"no_peer_id") == b"1",
        )


@dataclass(frozen=True, slots=True)
class AnnounceReply:
    """The answer to an announce: seconds until the next one, how many seeds and others, some of them."""

    interval: int
    complete: int
    incomplete: int
    peers: tuple[PeerAddress, ...]

    def encode(self, *, compact: bool = True, no_peer_id: bool = False) -> bytes:
        """The bencoded reply of the HTTP side (BEP 3; compact: BEP 23 and BEP 7)."""
        reply: dict[str, Any] = {
            "interval": self.interval,
            "min interval": self.interval // 2,
            "complete": self.complete,
            "incomplete": self.incomplete,
        }
        if compact:
            reply["peers"], six = compact_peers(self.peers)
            if six:
                reply["peers6"] = six
        else:
            reply["peers"] = [
                {"ip": peer.ip, "port": peer.port}
                | ({} if no_peer_id or peer.bt_id is None else {"peer id": peer.bt_id})
                for peer in self.peers
            ]
        return bencode.encode(reply)


@dataclass(frozen=True, slots=True)
class Counts:
    """A swarm in three numbers (BEP 48): seeds, downloads completed so far, peers still downloading."""

    complete: int
    downloaded: int
    incomplete: int


def compact_peers(peers: Sequence[PeerAddress]) -> tuple[bytes, bytes]:
    """IPv4 peers as 6 bytes each, IPv6 peers as 18 bytes each: address, then port, big-endian."""
    packed: dict[int, list[bytes]] = {4: [], 6: []}
    for peer in peers:
        address = ipaddress.ip_address(peer.ip)
        packed[address.version].append(address.packed + peer.port.to_bytes(2, "big"))
    return b"".join(packed[4]), b"".join(packed[6])


def parse_scrape(raw: bytes) -> tuple[bytes, ...]:
    """The info hashes that a raw scrape query asks about; none means every share (BEP 48).

    Raises:
        RequestError: a malformed hash, or too many.
    """
    hashes = _query(raw).get(b"info_hash", [])
    if len(hashes) > MAX_SCRAPED:
        raise RequestError(f"at most {MAX_SCRAPED} info hashes per scrape")
    return tuple(_twenty({b"info_hash": value}, b"info_hash") for value in hashes)


def encode_scrape(counts: Mapping[bytes, Counts]) -> bytes:
    """The bencoded answer to a scrape, by info hash."""
    files = {
        info_hash: {"complete": c.complete, "downloaded": c.downloaded, "incomplete": c.incomplete}
        for info_hash, c in counts.items()
    }
    return bencode.encode({"files": files})


def failure(message: str) -> bytes:
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


def _twenty(query: Mapping[bytes, bytes], key: bytes) -> bytes:
    value = query.get(key, b"")
    if len(value) != 20:
        raise RequestError(f"{key.decode()} must be 20 percent-encoded bytes")
    return value


def _integer(query: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    text = query.get(key)
    if not text:
        return default
    if not re.fullmatch(rb"-?[0-9]{1,20}", text) or abs(number := int(text)) > MAX_COUNTER:
        raise RequestError(f"{key.decode()} must be a whole number")
    return number
