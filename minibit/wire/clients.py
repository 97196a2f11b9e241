"""Which client a wire id belongs to, by the conventions of BEP 20; an id proves nothing, it is a label.

Azureus style is `-`, two letters, four characters of version, `-`; Mainline's, and aria2's after it, is
letters, then the numbers of a version, each with a hyphen.
"""

import re
from typing import Final

_AZUREUS: Final = re.compile(rb"-([A-Za-z0-9]{2})([0-9A-Za-z]{4})-")
_MAINLINE: Final = re.compile(rb"(A2|M|Q)-?([0-9]{1,3})-([0-9]{1,3})-([0-9]{1,3})-")

_NAMES: Final = {
    "A2": "aria2",
    "AZ": "Vuze",
    "BC": "BitComet",
    "BI": "BiglyBT",
    "BT": "BitTorrent",
    "DE": "Deluge",
    "FD": "Free Download Manager",
    "KT": "KTorrent",
    "LT": "libtorrent",
    "M": "BitTorrent",
    "MB": "MiniBit",
    "Q": "BTQueue",
    "RB": "rain",
    "RQ": "rqbit",
    "TR": "Transmission",
    "TX": "Tixati",
    "UT": "µTorrent",
    "WD": "WebTorrent Desktop",
    "WW": "WebTorrent",
    "XL": "Xunlei",
    "lt": "rtorrent",
    "qB": "qBittorrent",
}


def is_minibit(peer_id: bytes | None) -> bool:
    """Whether this is the wire id of a peer of our kind, of any version."""
    return peer_id is not None and peer_id.startswith(b"-MB")


def client_of(peer_id: bytes) -> str | None:
    """The client with this wire id and its version, such as "aria2 1.36"; None if the id does not tell.

    One that nobody here has heard of keeps its letters. At most 32 printable characters.
    """
    if found := _AZUREUS.match(peer_id):
        letters, version = found[1].decode(), found[2].decode()
        return f"{_NAMES.get(letters, letters)} {_version(letters, version)}"
    if found := _MAINLINE.match(peer_id):
        numbers = [int(found[place]) for place in (2, 3, 4)]
        return f"{_NAMES[found[1].decode()]} {_dotted(numbers)}"
    return None


def _version(letters: str, version: str) -> str:
    if letters in ("WW", "WD") and version.isdecimal():
        return f"{int(version[:2])}.{int(version[2:])}"  # two digits each
    if letters == "TR" and version < "4":
        return f"{version[0]}.{version[1:3]}"  # 2.94 and 3.00 were one number and a fraction
    return _dotted([int(digit, 36) for digit in version])


def _dotted(numbers: list[int]) -> str:
    """At least two numbers, without the zeros at the end of the others."""
    while len(numbers) > 2 and not numbers[-1]:
        numbers = numbers[:-1]
    return ".".join(map(str, numbers))
