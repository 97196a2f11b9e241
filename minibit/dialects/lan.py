"""Local discovery (BEP 14): who is in which swarm on this network, said to everybody there by multicast.

A datagram looks like the head of an HTTP request. What is not understood in it is passed over, and whatever
is no such datagram is nobody's.
"""

import re
from typing import Final

from msgspec import Struct

GROUPS: Final = {4: "239.192.152.143", 6: "ff15::efc0:988f"}
PORT: Final = 6771
MAX_DATAGRAM: Final = 1400
MAX_COOKIE: Final = 64  # characters that are read
MAX_HASHES: Final = 20  # info hashes that are read of one datagram

_LINE: Final = "BT-SEARCH * HTTP/1.1"
_HASH: Final = re.compile(r"[0-9a-fA-F]{40}")
_PORT: Final = re.compile(r"[0-9]{1,5}")


class Search(Struct, frozen=True):
    """Somebody who listens on `port` is in these swarms. By its own `cookie` he knows himself."""

    port: int
    info_hashes: tuple[bytes, ...]
    cookie: str = ""

    def encode(self, family: int) -> bytes:
        """The datagram for the group of this IP version."""
        group = f"[{GROUPS[6]}]" if family == 6 else GROUPS[4]
        lines = [_LINE, f"Host: {group}:{PORT}", f"Port: {self.port}"]
        lines += [f"Infohash: {info_hash.hex()}" for info_hash in self.info_hashes]
        lines += [f"cookie: {self.cookie}"] if self.cookie else []
        return "\r\n".join([*lines, "", "", ""]).encode()


def decode(datagram: bytes) -> Search | None:
    """What a datagram says, None if that is nothing."""
    if len(datagram) > MAX_DATAGRAM:
        return None
    first, *lines = datagram.decode("latin-1").split("\r\n")
    if first.strip() != _LINE:
        return None
    port, cookie = 0, ""
    hashes: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip()
        match name.strip().lower():
            case "port" if _PORT.fullmatch(value):
                port = int(value)
            case "infohash" if _HASH.fullmatch(value) and len(hashes) < MAX_HASHES:
                hashes.append(bytes.fromhex(value))
            case "cookie":
                cookie = value[:MAX_COOKIE]
    return Search(port, tuple(hashes), cookie) if 0 < port <= 65535 and hashes else None
