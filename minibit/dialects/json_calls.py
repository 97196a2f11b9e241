"""MiniBit's JSON dialect of the tracker protocol, both sides of it, and how a peer is addressed.

The rules are DESIGN's contract *tracker, JSON side*: Portuguese field names are fixed, more may be added
(`bt_id`, `bitfield`, `substituir`, `figures` are what our own peers add). Everything parsed here comes
from a stranger. This room never knows who is active, what time it is or which thread asks.
"""

import re
from dataclasses import dataclass
from typing import Any

from minibit import bitfield
from minibit.address import PeerAddress, ip_literal
from minibit.snapshot import Figures, from_hex, to_hex
from minibit.text import name_fault, plain_text

_HEX_ID = re.compile(r"[0-9a-fA-F]{40}")


class RequestError(ValueError):
    """A request that gets a refusal: `status` is HTTP's 4xx, the message says what is wrong and what to do.

    `peer` is the active peer that stands in the way, if one does.
    """

    def __init__(self, message: str, status: int = 400, peer: "PeerEntry | None" = None) -> None:
        super().__init__(message)
        self.status = status
        self.peer = peer


def seen_ip(remote: str) -> str:
    """The socket address `remote` as a canonical literal.

    Raises:
        RequestError: it is none.
    """
    seen = ip_literal(remote)
    if seen is None:
        raise RequestError("the tracker cannot see which address this request comes from")
    return seen


def address_from_json(data: object) -> PeerAddress:
    """The address in a `peer` object; `ip` is a literal, possibly the wildcard.

    Raises:
        RequestError: not a usable address.
    """
    entry = _object(data)
    ip = ip_literal(entry.get("ip"))
    name = plain_text(entry.get("peer_id"))
    if ip is None or not name:
        raise RequestError("a peer without a name or an IP address")
    return PeerAddress(name, ip, _port(entry.get("porta")), _bt_id(entry), entry.get("origin") is True)


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """One active peer as the tracker lists it; `timestamp` is Unix time, `blocks` what it holds."""

    address: PeerAddress
    timestamp: float
    blocks: int

    def to_json(self) -> dict[str, Any]:
        """The `peer` object without its list of blocks, which only a full listing carries."""
        peer = self.address
        return {
            "peer_id": peer.name,
            "ip": peer.ip,
            "porta": peer.port,
            "timestamp": self.timestamp,
            "bt_id": None if peer.bt_id is None else peer.bt_id.hex(),
            "origin": peer.origin,
        }


@dataclass(frozen=True, slots=True)
class Registration:
    """`POST /registrar_peer`. `blocks` None: not said. `replace`: take the name over from a dead process."""

    name: str
    port: int
    ip: str | None = None
    blocks: int | None = None
    bt_id: bytes | None = None
    replace: bool = False

    @classmethod
    def from_json(cls, data: object, block_count: int) -> "Registration":
        """The registration in a decoded JSON body.

        Raises:
            RequestError: a field missing, of the wrong type or out of range.
        """
        body = _object(data)
        name = body.get("peer_id")
        if not isinstance(name, str):
            raise RequestError("peer_id must be a string: the peer's name")
        if fault := name_fault(name):
            raise RequestError(fault)
        ip = body.get("ip")
        if ip is not None and not isinstance(ip, str):
            raise RequestError("ip must be a string; leave it out to use the address you connect from")
        replace = body.get("substituir", False)
        if not isinstance(replace, bool):
            raise RequestError("substituir must be true or false")
        port = _port(body.get("porta"))
        return cls(name, port, ip, _blocks(body, block_count), _bt_id(body), replace)

    def to_json(self, block_count: int) -> dict[str, Any]:
        body: dict[str, Any] = {"peer_id": self.name, "porta": self.port, "substituir": self.replace}
        if self.ip is not None:
            body["ip"] = self.ip
        return body | _identity(self.bt_id, self.blocks, block_count)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The optional body of `GET /listar_peers`: what the asking peer holds and does now."""

    bt_id: bytes | None = None
    blocks: int | None = None
    figures: Figures | None = None

    @classmethod
    def from_json(cls, data: object, block_count: int) -> "Heartbeat":
        """The heartbeat in a decoded JSON body.

        Raises:
            RequestError: a field of the wrong type or out of range.
        """
        body = _object(data)
        figures = body.get("figures")
        try:
            parsed = None if figures is None else Figures.from_json(figures)
        except ValueError as error:
            raise RequestError(f"figures: {plain_text(str(error), 120)}") from None
        return cls(_bt_id(body), _blocks(body, block_count), parsed)

    def to_json(self, block_count: int) -> dict[str, Any]:
        body = _identity(self.bt_id, self.blocks, block_count)
        return body if self.figures is None else body | {"figures": self.figures.to_json()}


def goodbye_from_json(data: object) -> tuple[str, bytes | None]:
    """Name and wire id in the body of `POST /desconectar_peer`.

    Raises:
        RequestError: no name, or a malformed id.
    """
    body = _object(data)
    name = body.get("peer_id")
    if not isinstance(name, str) or not name:
        raise RequestError("peer_id must name the peer that leaves")
    return name, _bt_id(body)


def _identity(bt_id: bytes | None, blocks: int | None, block_count: int) -> dict[str, Any]:
    said = {} if bt_id is None else {"bt_id": bt_id.hex()}
    return said if blocks is None else said | {"bitfield": to_hex(blocks, block_count)}


def _object(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RequestError("the body must be a JSON object")
    return data


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 65535:
        raise RequestError("porta must be a whole number from 1 to 65535")
    return value


def _bt_id(body: dict[str, Any]) -> bytes | None:
    value = body.get("bt_id")
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX_ID.fullmatch(value):
        raise RequestError("bt_id must be 40 hexadecimal digits: the peer's 20-byte id")
    return bytes.fromhex(value)


def _blocks(body: dict[str, Any], count: int) -> int | None:
    """What the body says is held: `bitfield` (hex, wire order) or `blocks` (a list of numbers)."""
    wire = body.get("bitfield")
    if wire is not None:
        if not isinstance(wire, str):
            raise RequestError("bitfield must be a string of hexadecimal digits")
        try:
            return from_hex(wire, count)
        except ValueError as error:
            raise RequestError(f"bitfield: {error}; this share has {count} blocks") from None
    listed = body.get("blocks")
    if listed is None:
        return None
    if not isinstance(listed, list) or len(listed) > count:
        raise RequestError(f"blocks must be a list of at most {count} block numbers")
    if not all(type(block) is int for block in listed):  # a bool is an int to isinstance
        raise RequestError("blocks must hold whole numbers only")
    try:
        return bitfield.from_indices(listed, count)
    except ValueError:
        raise RequestError(f"blocks must be numbers from 0 to {count - 1}") from None
