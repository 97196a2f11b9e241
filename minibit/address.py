"""Where a peer is: addresses as values, what they say of a machine, and which claims about them count."""

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr

LONGEST: Final = 64  # characters; an IPv6 address has 45 at most, and its scope is an interface's name
FIRST_USER_PORT: Final = 1024  # below listen other services: mail, shells, the web
KNOWN: Final = 16_384  # addresses that are not read twice: a full tracker asks the same of the same ones

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
SHARED: Final = ipaddress.IPv4Network("100.64.0.0/10")  # behind a provider's NAT, or of an overlay (RFC 6598)

PACKED_FOUR: Final = 6  # bytes of an IPv4 address with its port (BEP 23)…
PACKED_SIX: Final = 18  # …and of an IPv6 address (BEP 7)

Address = tuple[str, int]
"""(IP address as text, port)."""


class PeerAddress(Struct, frozen=True):
    """Where to dial a peer, and who should answer: `bt_id` is its 20-byte wire id, if it told one.

    The last two follow from the rest, whatever is given for them. `packed` is the address, then the port,
    big-endian: 6 bytes (BEP 23), or 18 for IPv6 (BEP 7). `is_nowhere`: it cannot be dialled from another
    machine, being loopback or the wildcard 0.0.0.0 / `::`. A tracker tells everybody of the same peers, so
    both are found out once.

    Raises:
        ValueError: `ip` is no IP literal.
    """

    name: str
    ip: str
    port: int
    bt_id: bytes | None = None
    origin: bool = False
    packed: bytes = b""
    is_nowhere: bool = False

    def __post_init__(self) -> None:
        address, nowhere = _place(self.ip)
        force_setattr(self, "packed", address + self.port.to_bytes(2, "big"))
        force_setattr(self, "is_nowhere", nowhere)


def ip_literal(text: object) -> str | None:
    """`text` as a canonical IP literal, or None if it is none.

    A scope is dropped, and an IPv4-mapped IPv6 address (what a dual-stack socket shows) is IPv4.
    """
    return _literal(text) if isinstance(text, str) and len(text) <= LONGEST else None


@lru_cache(KNOWN)
def _place(ip: str) -> tuple[bytes, bool]:
    """The bytes of a literal, and whether it is nowhere."""
    address = ipaddress.ip_address(ip)
    return address.packed, address.is_loopback or address.is_unspecified


@lru_cache(KNOWN)
def _literal(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Address(address.packed)
    return str(address)


def unmapped(ip: str) -> str:
    """`ip` as a socket shows it, in the one spelling that we use: IPv4-mapped is IPv4, and a scope stays."""
    return ip if "%" in ip else ip_literal(ip) or ip


@lru_cache(KNOWN)
def is_loopback(ip: str) -> bool:
    literal = ip_literal(ip)
    return literal is not None and ipaddress.ip_address(literal).is_loopback


def is_unspecified(ip: str) -> bool:
    """Whether `ip` is the wildcard, which stands for every address of a machine."""
    return ip in ("0.0.0.0", "::")


@lru_cache(KNOWN)
def is_near(ip: str) -> bool:
    """Whether `ip` is this machine's or on a private network, whose machines are trusted a little."""
    literal = ip_literal(ip)
    if literal is None:
        return False
    address = ipaddress.ip_address(literal)
    return _beyond(address) is address and (address.is_private or address.is_link_local)


@lru_cache(KNOWN)
def is_far(ip: str) -> bool:
    """Whether `ip` is a literal of the internet, where it names one machine: neither near nor reserved."""
    literal = ip_literal(ip)
    if literal is None:
        return False
    return _beyond(ipaddress.ip_address(literal)).is_global


def _beyond(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that a gateway makes of this one (NAT64, RFC 6052; 6to4, RFC 3056), or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[12:])
    return address.sixtofour or address


def believed_ip(claimed: str | None, seen: str) -> str:
    """The address that counts for a client that claims `claimed` and whose socket shows `seen`, a literal.

    A claim is believed only from loopback or a private network, where the tracker may see a different
    address than other peers do; from the open internet it would let anyone aim the swarm at a victim.
    A host name, or an address that means "here" somewhere else, claims nothing.
    """
    said = None if claimed is None else ip_literal(claimed)
    if said is None:
        return seen
    source, claim = ipaddress.ip_address(seen), ipaddress.ip_address(said)
    dialable = not (claim.is_unspecified or claim.is_multicast) and (
        source.is_loopback or not claim.is_loopback
    )
    return said if is_near(seen) and dialable else seen


@lru_cache(KNOWN)
def credible(peer: PeerAddress, teller: str) -> bool:
    """Whether to dial `peer`, of whom somebody at `teller` (a literal) says that it is there.

    Nobody elsewhere aims us at programs of this machine or at a private network, also not through a gateway,
    and nobody at all at the ports of other services: mail, shells, the web. Of a shared network speaks who is
    in one himself.
    """
    claim = ipaddress.ip_address(peer.ip)
    if peer.port < FIRST_USER_PORT or claim.is_unspecified or claim.is_multicast or claim.is_reserved:
        return False
    if claim.is_loopback:
        return is_loopback(teller)
    return is_far(peer.ip) or is_near(teller) or (claim in SHARED and ipaddress.ip_address(teller) in SHARED)


def compact_peers(peers: Iterable[PeerAddress]) -> tuple[bytes, bytes]:
    """IPv4 peers as 6 bytes each, IPv6 peers as 18 bytes each: address, then port, big-endian."""
    packed = [peer.packed for peer in peers]
    joined = b"".join(packed)
    if len(joined) == PACKED_FOUR * len(packed):
        return joined, b""
    four, six = (b"".join(one for one in packed if len(one) == size) for size in (PACKED_FOUR, PACKED_SIX))
    return four, six


def unpacked_peers(packed: bytes, size: int) -> Iterator[PeerAddress]:
    """The peers in `packed`, `size` bytes each: 6 (IPv4) or 18 (IPv6); it tells no names and no ids.

    Port 0 is nowhere, and a rest that is no whole peer is none.
    """
    for at in range(0, len(packed) - size + 1, size):
        if (peer := _unpacked(packed[at : at + size])) is not None:
            yield peer


@lru_cache(KNOWN)
def _unpacked(one: bytes) -> PeerAddress | None:
    # In a swarm everybody hears of the same peers from everybody.
    ip, port = ip_literal(str(ipaddress.ip_address(one[:-2]))), int.from_bytes(one[-2:], "big")
    return PeerAddress("", ip, port) if ip is not None and port else None
