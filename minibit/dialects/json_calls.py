"""MiniBit's JSON dialect of the tracker protocol: every request and every reply, to JSON and back.

The rules are DESIGN's contract *tracker, JSON side*: Portuguese field names are fixed, more may be added
(`bt_id`, `bitfield`, `substituir`, `figures`, `concedidos`, `registrado`, `intervalo` are what our own peers
and tracker add). Everything parsed here comes from a stranger: a tracker refuses a bad request, and a peer
takes a bad reply for none. The reply of `GET /status` is in `snapshot`, for displays read it too.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from minibit import bitfield
from minibit.address import PeerAddress, ip_literal
from minibit.dialects.announce import DEFAULT_NUMWANT, MAX_COUNTER
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, from_hex, to_hex
from minibit.text import name_fault, plain_text

MAX_ENTRIES_READ: Final = 1000  # of one reply; our tracker lists 50
MAX_MESSAGE: Final = 300  # characters read of a `mensagem`
DEFAULT_INTERVAL: Final = 10.0  # seconds, where a tracker names none that makes sense
SHORTEST_INTERVAL: Final = 0.5  # no tracker makes us call it in a tight loop…
LONGEST_INTERVAL: Final = 30.0  # …nor be silent until it forgets us

_HEX_ID = re.compile(r"[0-9a-fA-F]{40}")

# --- requests


@dataclass(frozen=True, slots=True)
class Registration:
    """`POST /registrar_peer`. `blocks` None: not said. `replace`: take the name over from a dead process."""

    name: str
    port: int
    ip: str | None = None
    blocks: int | None = None
    bt_id: bytes | None = None
    replace: bool = False

    def to_json(self, block_count: int) -> dict[str, Any]:
        body: dict[str, Any] = {"peer_id": self.name, "porta": self.port, "substituir": self.replace}
        if self.ip is not None:
            body["ip"] = self.ip
        return body | _identity(self.bt_id, self.blocks, block_count)

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
        return cls(name, _port(body), ip, _held(body, block_count), _bt_id(body), replace)


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """The query of `GET /listar_peers`: who asks, for at most how many peers (None: all), in which form."""

    name: str | None = None
    brief: bool = False  # without the peers' blocks
    numwant: int | None = None

    def to_query(self) -> dict[str, str]:
        said = {"peer_id": self.name, "brief": "1" if self.brief else None, "numwant": self.numwant}
        return {field: str(value) for field, value in said.items() if value is not None}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "ListingQuery":
        """The query, decoded; a brief listing has at most, and unless told otherwise, 50 peers.

        Raises:
            RequestError: a malformed number.
        """
        text, brief = query.get("numwant"), query.get("brief") == "1"
        if text is None:
            return cls(query.get("peer_id"), brief, DEFAULT_NUMWANT if brief else None)
        if not re.fullmatch("[0-9]{1,6}", text):
            raise RequestError("numwant must be a whole number")
        return cls(query.get("peer_id"), brief, min(int(text), DEFAULT_NUMWANT) if brief else int(text))


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The optional body of `GET /listar_peers`: what the asking peer holds and does now."""

    bt_id: bytes | None = None
    blocks: int | None = None
    figures: Figures | None = None

    def to_json(self, block_count: int) -> dict[str, Any]:
        body = _identity(self.bt_id, self.blocks, block_count)
        return body if self.figures is None else body | {"figures": self.figures.to_json()}

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
        return cls(_bt_id(body), _held(body, block_count), parsed)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """`POST /desconectar_peer`. `bt_id` None: whichever process has the name."""

    name: str
    bt_id: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        return {"peer_id": self.name} | _identity(self.bt_id, None, 0)

    @classmethod
    def from_json(cls, data: object) -> "Goodbye":
        """The goodbye in a decoded JSON body.

        Raises:
            RequestError: no name, or a malformed id.
        """
        body = _object(data)
        name = body.get("peer_id")
        if not isinstance(name, str) or not name:
            raise RequestError("peer_id must name the peer that leaves")
        return cls(name, _bt_id(body))


# --- replies


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """One active peer as the tracker lists it; `timestamp` is Unix time.

    `blocks` is what it holds, None if that is not said: only a full listing says it (`full_text`).
    """

    address: PeerAddress
    timestamp: float = 0.0
    blocks: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The `peer` object without its list of blocks."""
        peer = self.address
        return {
            "peer_id": peer.name,
            "ip": peer.ip,
            "porta": peer.port,
            "timestamp": self.timestamp,
            "bt_id": None if peer.bt_id is None else peer.bt_id.hex(),
            "origin": peer.origin,
        }

    @classmethod
    def from_json(cls, data: object) -> "PeerEntry":
        """The peer in a `peer` object, whose list of blocks is not read; its `ip` may be the wildcard.

        Raises:
            RequestError: not a usable address.
        """
        entry = _object(data)
        ip = ip_literal(entry.get("ip"))
        name = plain_text(entry.get("peer_id"))
        if ip is None or not name:
            raise RequestError("a peer without a name or an IP address")
        address = PeerAddress(name, ip, _port(entry), _bt_id(entry), entry.get("origin") is True)
        return cls(address, _number(entry, "timestamp"))


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to a registration: blocks granted in all and just now (bitfields), peers to dial.

    `message` is for people; `interval` is seconds until the first heartbeat.
    """

    message: str
    granted: int
    new: int
    entries: tuple[PeerEntry, ...]
    interval: float

    def to_json(self) -> dict[str, Any]:
        return {
            "status": "sucesso",
            "mensagem": self.message,
            "blocos_iniciais": list(bitfield.indices(self.new)),
            "concedidos": list(bitfield.indices(self.granted)),
            "intervalo": self.interval,
            "peers": [entry.to_json() for entry in self.entries],
        }

    @classmethod
    def from_json(cls, data: object, block_count: int) -> "Welcome":
        """The welcome in a decoded reply; entries that cannot be dialled are left out.

        Raises:
            ValueError: not a MiniBit tracker's answer.
        """
        reply = _object(data)
        message = plain_text(reply.get("mensagem"), MAX_MESSAGE)
        granted, new = (_listed(reply, name, block_count) for name in ("concedidos", "blocos_iniciais"))
        return cls(message, granted, new, _entries(reply), _interval(reply))


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a heartbeat: does the tracker know the asker, and who else is active.

    Not `registered`: the tracker restarted or forgot the asker, which registers again. `total` is how many
    others are active; `interval` is seconds until the next heartbeat.
    """

    registered: bool
    total: int
    entries: tuple[PeerEntry, ...]
    interval: float

    def to_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "registrado": self.registered,
            "intervalo": self.interval,
            "peers": [entry.to_json() for entry in self.entries],
        }

    @classmethod
    def from_json(cls, data: object) -> "Listing":
        """The listing in a decoded reply; entries that cannot be dialled are left out.

        Raises:
            ValueError: not a MiniBit tracker's answer.
        """
        reply = _object(data)
        total = int(_number(reply, "total"))
        return cls(reply.get("registrado") is True, total, _entries(reply), _interval(reply))


def full_text(reply: Welcome | Listing, block_list: Callable[[int], str]) -> str:
    """`reply` as JSON text, each peer with the list of its blocks, as the contract has it.

    Those lists are nearly all of the text and hardly change: `block_list(blocks)` gives one as text, so
    that whoever answers often can keep them.
    """
    document = reply.to_json()
    peers = ", ".join(
        f'{json.dumps(peer)[:-1]}, "blocks": {block_list(entry.blocks or 0)}}}'
        for peer, entry in zip(document.pop("peers"), reply.entries, strict=True)
    )
    return f'{json.dumps(document)[:-1]}, "peers": [{peers}]}}'


def block_list(blocks: int) -> str:
    """The numbers of `blocks` as the text of a JSON list."""
    return f"[{','.join(map(str, bitfield.indices(blocks)))}]"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The body of every 4xx and 5xx: what is wrong and what to do about it, for people to read.

    `peer` is the active peer that stands in the way of a registration (409).
    """

    message: str
    peer: PeerEntry | None = None

    def to_json(self) -> dict[str, Any]:
        document = {"status": "erro", "mensagem": self.message}
        return document if self.peer is None else document | {"peer": self.peer.to_json()}

    @classmethod
    def from_json(cls, data: object) -> "Refusal":
        """The refusal in a decoded reply; a peer that cannot be dialled is none.

        Raises:
            ValueError: no refusal of a MiniBit tracker's.
        """
        reply = _object(data)
        message = plain_text(reply.get("mensagem"), MAX_MESSAGE)
        if not message:
            raise ValueError("no reason")
        return cls(message, next(_usable([reply.get("peer")]), None))


class ConflictError(RequestError):
    """A registration is refused (409): `peer`, which is another process, is active under that name."""

    def __init__(self, message: str, peer: PeerEntry) -> None:
        super().__init__(message, status=409)
        self.peer = peer


# --- fields


def _identity(bt_id: bytes | None, blocks: int | None, block_count: int) -> dict[str, Any]:
    said = {} if bt_id is None else {"bt_id": bt_id.hex()}
    return said if blocks is None else said | {"bitfield": to_hex(blocks, block_count)}


def _object(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RequestError("the body must be a JSON object")
    return data


def _port(body: dict[str, Any]) -> int:
    value = body.get("porta")
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


def _held(body: dict[str, Any], count: int) -> int | None:
    """What the body says is held: `bitfield` (hex, wire order) or `blocks` (a list of numbers)."""
    wire = body.get("bitfield")
    if wire is not None:
        if not isinstance(wire, str):
            raise RequestError("bitfield must be a string of hexadecimal digits")
        try:
            return from_hex(wire, count)
        except ValueError as error:
            raise RequestError(f"bitfield: {error}; this share has {count} blocks") from None
    return None if body.get("blocks") is None else _listed(body, "blocks", count)


def _listed(body: dict[str, Any], field: str, count: int) -> int:
    listed = body.get(field)
    if not isinstance(listed, list) or len(listed) > count:
        raise RequestError(f"{field} must be a list of at most {count} block numbers")
    if not all(type(block) is int for block in listed):  # a bool is an int to isinstance
        raise RequestError(f"{field} must hold whole numbers only")
    try:
        return bitfield.from_indices(listed, count)
    except ValueError:
        raise RequestError(f"{field} must be numbers from 0 to {count - 1}") from None


def _entries(reply: dict[str, Any]) -> tuple[PeerEntry, ...]:
    entries = reply.get("peers")
    if not isinstance(entries, list):
        raise RequestError("no list of peers")
    return tuple(_usable(entries[:MAX_ENTRIES_READ]))


def _usable(entries: list[object]) -> Iterator[PeerEntry]:
    for entry in entries:
        try:
            yield PeerEntry.from_json(entry)
        except RequestError:
            continue


def _number(reply: dict[str, Any], field: str) -> float:
    """What the reply says, or 0."""
    value = reply.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNTER:
        return 0.0
    return float(value)


def _interval(reply: dict[str, Any]) -> float:
    value = _number(reply, "intervalo")
    return max(value, SHORTEST_INTERVAL) if 0 < value <= LONGEST_INTERVAL else DEFAULT_INTERVAL
