"""The requests of MiniBit's JSON dialect of the tracker protocol, to JSON and back.

The rules are DESIGN's contract *tracker, JSON side*: Portuguese field names are fixed, more may be added
(`bt_id`, `bitfield`, `substituir` and `figures` are what our own peers add). Everything parsed here comes
from a stranger, who is told what is wrong with it.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from minibit import units
from minibit.dialects import json_fields
from minibit.dialects.announce import DEFAULT_NUMWANT
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, from_hex, to_hex
from minibit.text import name_fault, plain_text


class Registration(Struct, frozen=True):
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
        body = json_fields.mapping(data)
        name = body.get("peer_id")
        if not isinstance(name, str):
            raise RequestError("peer_id must be a string: the peer's name")
        if fault := name_fault(name):
            raise RequestError(f"peer_id: {fault}")
        ip = body.get("ip")
        if ip is not None and not isinstance(ip, str):
            raise RequestError("ip must be a string; leave it out to use the address you connect from")
        replace = body.get("substituir", False)
        if not isinstance(replace, bool):
            raise RequestError("substituir must be true or false")
        port, blocks = json_fields.port(body), _held(body, block_count)
        return cls(name, port, ip, blocks, json_fields.bt_id(body), replace)


class ListingQuery(Struct, frozen=True):
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


class Heartbeat(Struct, frozen=True):
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
        body = json_fields.mapping(data)
        figures = body.get("figures")
        try:
            parsed = None if figures is None else Figures.from_json(figures)
        except ValueError as error:
            raise RequestError(f"figures: {plain_text(str(error), 120)}") from None
        return cls(json_fields.bt_id(body), _held(body, block_count), parsed)


class Goodbye(Struct, frozen=True):
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
        body = json_fields.mapping(data)
        name = body.get("peer_id")
        if not isinstance(name, str) or not name:
            raise RequestError("peer_id must name the peer that leaves")
        return cls(name, json_fields.bt_id(body))


def _identity(bt_id: bytes | None, blocks: int | None, block_count: int) -> dict[str, Any]:
    said = {} if bt_id is None else {"bt_id": bt_id.hex()}
    return said if blocks is None else said | {"bitfield": to_hex(blocks, block_count)}


def _held(body: dict[str, Any], count: int) -> int | None:
    """What the body says is held: `bitfield` (hex, wire order) or `blocks` (a list of numbers)."""
    wire = body.get("bitfield")
    if wire is not None:
        if not isinstance(wire, str):
            raise RequestError("bitfield must be a string of hexadecimal digits")
        try:
            return from_hex(wire, count)
        except ValueError as error:
            raise RequestError(f"bitfield: {error}; this share has {units.count(count, 'block')}") from None
    return None if body.get("blocks") is None else json_fields.block_numbers(body, "blocks", count)
