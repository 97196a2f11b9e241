"""A `.torrent` file as a whole: a share, and who tells of its swarm (BEP 3, 12, 19).

What stands outside the info dictionary is advice from whoever made the file, so a bad part of it costs that
part only. Whether an address in it may be called at all is the caller's matter.
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from minibit.text import plain_text
from minibit.torrent import bencode, metainfo
from minibit.torrent.metainfo import Metainfo

MAX_TRACKERS: Final = 200  # of one torrent, and so many web seeds; more are passed over
MAX_URL: Final = 2000  # characters
MAX_COMMENT: Final = 2000  # characters that are read
TRACKER_SCHEMES: Final = ("http", "https", "udp")
WEB_SCHEMES: Final = ("http", "https")

Tiers = tuple[tuple[str, ...], ...]
"""Trackers, the first tier asked first; within one it does not matter which (BEP 12)."""

_URL: Final = re.compile(
    r"[\x21-\x7e]+"
)  # no blanks, no control codes: it goes into requests and onto screens


class TorrentFile(Struct, frozen=True):
    """One file. `created` is Unix time; `web_seeds` are HTTP servers of the share's files (BEP 19)."""

    metainfo: Metainfo
    tiers: Tiers = ()
    web_seeds: tuple[str, ...] = ()
    comment: str = ""
    created_by: str = ""
    created: int | None = None


def parse(data: bytes) -> TorrentFile:
    """What a `.torrent` file says.

    Raises:
        MetainfoError: what it says of the share is malformed, absurd or unsafe.
    """
    document = metainfo.document(data)
    share = metainfo.from_document(document)
    created = document.get(b"creation date")
    return TorrentFile(
        share,
        tiers_of(document.get(b"announce"), document.get(b"announce-list")),
        _urls(_strings(document.get(b"url-list")), WEB_SCHEMES),
        plain_text(document.get(b"comment"), MAX_COMMENT),
        plain_text(document.get(b"created by"), MAX_COMMENT),
        created if isinstance(created, int) and 0 <= created < 1 << 40 else None,
    )


def encode(torrent: TorrentFile) -> bytes:
    """The file. One tracker is its `announce`; several have an `announce-list` too."""
    said: dict[str, Any] = {
        "info": bencode.decode(torrent.metainfo.info),
        "announce": torrent.tiers[0][0] if torrent.tiers else None,
        "announce-list": [list(tier) for tier in torrent.tiers] if len(sum(torrent.tiers, ())) > 1 else None,
        "url-list": list(torrent.web_seeds) or None,
        "comment": torrent.comment or None,
        "created by": torrent.created_by or None,
        "creation date": torrent.created,
    }
    return bencode.encode({key: value for key, value in said.items() if value is not None})


def tiers_of(announce: object, announce_list: object) -> Tiers:
    """The trackers that decoded fields name: the list, or without a usable one `announce` alone (BEP 12).

    An address that stands there twice counts where it stands first.
    """
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for entry in announce_list if isinstance(announce_list, list) else ():
        tier = tuple(url for url in _urls(_strings(entry), TRACKER_SCHEMES) if url not in seen)
        tier = tier[: MAX_TRACKERS - len(seen)]
        seen.update(tier)
        if tier:
            found.append(tier)
    return tuple(found) or tuple((url,) for url in _urls(_strings(announce), TRACKER_SCHEMES))


def usable(url: str, schemes: tuple[str, ...], *, longest: int = MAX_URL) -> bool:
    """Whether `url` is an address of one of these schemes that may be put into a request."""
    if len(url) > longest or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    named = bool(host) and port != 0 and parts.username is None
    return named and parts.scheme in schemes and (parts.scheme != "udp" or port is not None)


def _strings(value: object) -> list[bytes]:
    """Fields that may be one string or a list of them."""
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, bytes)]


def _urls(raw: list[bytes], schemes: tuple[str, ...]) -> tuple[str, ...]:
    urls = (entry.decode("latin-1").strip() for entry in raw[:MAX_TRACKERS])
    return tuple(dict.fromkeys(url for url in urls if usable(url, schemes)))
