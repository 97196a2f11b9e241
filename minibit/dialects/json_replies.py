"""The replies of MiniBit's JSON dialect of the tracker protocol, to JSON and back.

The rules are DESIGN's contract *tracker, JSON side*; `concedidos`, `registrado` and `intervalo` are what our
own tracker adds. Everything parsed here comes from a stranger: a bad reply is taken for none. The reply of
`GET /status` is in `snapshot`, for displays read it too.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from minibit import bitfield
from minibit.address import Address, PeerAddress, ip_literal
from minibit.dialects import json_fields
from minibit.dialects.announce import MAX_COUNTER
from minibit.dialects.refusal import RequestError
from minibit.text import plain_text

MAX_ENTRIES_READ: Final = 1000  # of one reply; our tracker lists 50
MAX_MESSAGE: Final = 300  # characters read of a `mensagem`
DEFAULT_INTERVAL: Final = 10.0  # seconds, where a tracker names none that makes sense
SHORTEST_INTERVAL: Final = 0.5  # no tracker makes us call it in a tight loop…
LONGEST_INTERVAL: Final = 30.0  # …nor be silent until it forgets us


class PeerEntry(Struct, frozen=True):
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
        entry = json_fields.mapping(data)
        ip = ip_literal(entry.get("ip"))
        name = plain_text(entry.get("peer_id"))
        if ip is None or not name:
            raise RequestError("a peer without a name or an IP address")
        port, bt_id = json_fields.port(entry), json_fields.bt_id(entry)
        address = PeerAddress(name, ip, port, bt_id, entry.get("origin") is True)
        return cls(address, _number(entry, "timestamp"))


class Welcome(Struct, frozen=True):
    """The answer to a registration: blocks granted in all and just now (bitfields), peers to dial.

    `message` is for people; `interval` is seconds until the first heartbeat; `ip` is where others are told
    to dial the newcomer.
    """

    message: str
    granted: int
    new: int
    entries: tuple[PeerEntry, ...]
    interval: float
    ip: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "status": "sucesso",
            "mensagem": self.message,
            "blocos_iniciais": list(bitfield.indices(self.new)),
            "concedidos": list(bitfield.indices(self.granted)),
            "intervalo": self.interval,
            "ip": self.ip,
            "peers": [entry.to_json() for entry in self.entries],
        }

    @classmethod
    def from_json(cls, data: object, block_count: int) -> "Welcome":
        """The welcome in a decoded reply; entries that cannot be dialled are left out.

        Raises:
            ValueError: not a MiniBit tracker's answer.
        """
        reply = json_fields.mapping(data)
        granted, new = (
            json_fields.block_numbers(reply, field, block_count)
            for field in ("concedidos", "blocos_iniciais")
        )
        ip = ip_literal(reply.get("ip"))
        return cls(_message(reply), granted, new, _entries(reply), _interval(reply), ip)


class Listing(Struct, frozen=True):
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
        reply = json_fields.mapping(data)
        total = int(_number(reply, "total"))
        return cls(reply.get("registrado") is True, total, _entries(reply), _interval(reply))


class Farewell(Struct, frozen=True):
    """The answer to a goodbye; `message` is for people."""

    message: str

    def to_json(self) -> dict[str, Any]:
        return {"status": "sucesso", "mensagem": self.message}

    @classmethod
    def from_json(cls, data: object) -> "Farewell":
        """The farewell in a decoded reply.

        Raises:
            ValueError: not a MiniBit tracker's answer.
        """
        return cls(_message(json_fields.mapping(data)))


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


class Refusal(Struct, frozen=True):
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
        reply = json_fields.mapping(data)
        message = _message(reply)
        if not message:
            raise ValueError("no reason")
        return cls(message, next(_usable([reply.get("peer")]), None))


class ConflictError(RequestError):
    """A registration is refused (409): `peer`, which is another process, is active under that name."""

    def __init__(self, message: str, peer: PeerEntry) -> None:
        super().__init__(message, status=409)
        self.peer = peer


class DoubtError(ConflictError):
    """A registration from elsewhere wants the name of a peer that may be gone (409).

    Whether somebody is still at `at` is not for the swarm to find out: whoever has seen that nobody
    answers there says so, and registers again.
    """

    def __init__(self, message: str, peer: PeerEntry, at: Address) -> None:
        super().__init__(message, peer)
        self.at = at


def _message(reply: dict[str, Any]) -> str:
    return plain_text(reply.get("mensagem"), MAX_MESSAGE)


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
