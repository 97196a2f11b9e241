"""Magnet links (BEP 9): a share named by its info hash, and perhaps where to begin to look for it.

Of a link's parts, those that make no sense are passed over, and so is `so` (BEP 53: which files to fetch):
here a share is fetched whole. Web seeds, which need the metainfo first, are kept.
"""

import re
from base64 import b32decode
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from minibit.address import PeerAddress, ip_literal
from minibit.errors import MagnetError
from minibit.text import plain_text
from minibit.torrent.torrent_file import MAX_TRACKERS, TRACKER_SCHEMES, WEB_SCHEMES, Tiers, usable

PREFIX: Final = "magnet:?"
MAX_LINK: Final = 64 * 1024  # characters
MAX_NAME: Final = 255
MAX_PEERS: Final = 50

_HEX: Final = re.compile(r"urn:btih:([0-9a-fA-F]{40})")
_BASE32: Final = re.compile(r"urn:btih:([a-zA-Z2-7]{32})")


class Magnet(Struct, frozen=True):
    """One link. `name` is what to call the share until its metainfo is here; `peers` (`x.pe`) are those whose
    addresses are written as numbers."""

    info_hash: bytes
    name: str = ""
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    peers: tuple[PeerAddress, ...] = ()

    @property
    def tiers(self) -> Tiers:
        """Its trackers, each a tier of its own, so that all who have the link turn to the same one first.

        BEP 9 does not say how they rank; libtorrent does the same.
        """
        return tuple((url,) for url in self.trackers)

    def __str__(self) -> str:
        said = [f"xt=urn:btih:{self.info_hash.hex()}"]
        said += [f"dn={_quoted(self.name)}"] if self.name else []
        said += [f"tr={_quoted(url)}" for url in self.trackers]
        said += [f"ws={_quoted(url)}" for url in self.web_seeds]
        said += [f"x.pe={_place(peer)}" for peer in self.peers]
        return PREFIX + "&".join(said)


def parse(link: str) -> Magnet:
    """The link's meaning.

    Raises:
        MagnetError: it is no magnet link, or names no version 1 info hash.
    """
    text = link.strip()
    if len(text) > MAX_LINK:
        raise MagnetError(f"a magnet link of {len(text)} characters is not supported (at most {MAX_LINK})")
    if not text.lower().startswith(PREFIX):
        raise MagnetError(
            f"{plain_text(text, 60)!r} is not a magnet link: it begins with {PREFIX}xt=urn:btih:"
        )
    parts: dict[str, list[str]] = {}
    for pair in text[len(PREFIX) :].split("&"):
        key, _, value = pair.partition("=")
        # `tr.1`, `tr.2` … are what some programs make of several.
        key = re.sub(r"\.[0-9]+$", "", key.lower())
        raw = value.replace("+", " ").encode("utf-8", "replace")
        said = unquote_to_bytes(raw).decode("utf-8", "replace")
        parts.setdefault(key, []).append(said)
    peers = [peer for place in parts.get("x.pe", []) if (peer := _peer(place)) is not None]
    return Magnet(
        _info_hash(parts.get("xt", [])),
        plain_text(parts.get("dn", [""])[0], MAX_NAME),
        _urls(parts.get("tr", []), TRACKER_SCHEMES),
        _urls(parts.get("ws", []), WEB_SCHEMES),
        tuple(dict.fromkeys(peers))[:MAX_PEERS],
    )


def _info_hash(topics: list[str]) -> bytes:
    for topic in topics:
        if found := _HEX.fullmatch(topic):
            return bytes.fromhex(found[1])
        if found := _BASE32.fullmatch(topic):
            return b32decode(found[1].upper())
    if any(topic.startswith("urn:btmh:") for topic in topics):
        raise MagnetError(
            "this magnet link is of version 2 alone (BEP 52), and only version 1 is spoken here: "
            "ask for one with urn:btih:"
        )
    raise MagnetError("this magnet link has no info hash: xt=urn:btih: and 40 hex digits are missing")


def _urls(said: list[str], schemes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for url in said[:MAX_TRACKERS] if usable(url, schemes)))


def _peer(place: str) -> PeerAddress | None:
    host, _, port = place.rpartition(":")
    ip = ip_literal(host.removeprefix("[").removesuffix("]"))
    if ip is None or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= 65535:
        return None
    return PeerAddress("", ip, int(port))


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode(), "")


def _place(peer: PeerAddress) -> str:
    return f"[{peer.ip}]:{peer.port}" if ":" in peer.ip else f"{peer.ip}:{peer.port}"
