"""An event log, line by line: JSON objects, the first one a header, every other one an event.

    {"log":"minibit events","schema":1,"kind":"live","version":"0.3.0","start":1795471200.0, …}
    {"t":0.512004,"peer":"ana","event":"picked","block":17,"who":"bia","rule":"rarest", …}

`t` is in seconds since the header's `start`, to the microsecond, and never falls. `peer` is whose view it
is; the origin's name is "origin". Readers pass over fields and kinds of events that they do not know, so
both may be added without another schema.
"""

from enum import StrEnum
from json import JSONEncoder, loads
from typing import Any, Final

from msgspec import Struct

from minibit.events.kinds import KINDS, Event
from minibit.events.shapes import count, label, number, shapes_of, text
from minibit.text import plain_text
from minibit.torrent.layout import MAX_BLOCKS, Layout

SCHEMA: Final = 1
MAGIC: Final = "minibit events"
MAX_LINE: Final = 2 << 20  # bytes; two sets of 2**21 blocks take half of it
MICROSECONDS: Final = 6  # decimals

_ENCODER: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_SHAPES: Final = {kind: shapes_of(kind) for kind in _NAMES}
_LATER: Final = {  # fields that came after the first logs of this schema, and are not in every one
    kind: frozenset(kind.__struct_fields__[len(shapes) - len(kind.__struct_defaults__) :])
    for kind, shapes in _SHAPES.items()
}
_WRITERS: Final = {
    kind: tuple((name, shape.write) for name, shape in shapes.items()) for kind, shapes in _SHAPES.items()
}


class Kind(StrEnum):
    """Where the events come from."""

    LIVE = "live"
    SIMULATED = "simulated"


class Header(Struct, frozen=True):
    """What a log is of. `start` is Unix time, 0 if simulated; `settings` is whatever describes the run."""

    kind: Kind
    version: str  # of the MiniBit that wrote it
    start: float
    share: str
    total_size: int
    block_size: int
    info_hash: str
    seed: int | None = None
    settings: dict[str, Any] | None = None
    schema: int = SCHEMA

    @property
    def layout(self) -> Layout:
        return Layout(self.total_size, self.block_size)

    def encode(self) -> str:
        document = {
            "log": MAGIC,
            "schema": self.schema,
            "kind": self.kind,
            "version": self.version,
            "start": round(self.start, MICROSECONDS),
            "share": self.share,
            "total_size": self.total_size,
            "block_size": self.block_size,
            "info_hash": self.info_hash,
            "seed": self.seed,
            "settings": self.settings,
        }
        return _line(document)

    @classmethod
    def decode(cls, line: bytes) -> "Header":
        """The header that this line is.

        Raises:
            ValueError: it is none.
        """
        data = _object(line)
        if data.get("log") != MAGIC:
            raise ValueError("no event log")
        seed, settings = data.get("seed"), data.get("settings")
        if isinstance(seed, bool) or not isinstance(seed, int | None):
            raise ValueError("seed: a whole number was expected")
        if not isinstance(settings, dict | None):
            raise ValueError("settings: an object was expected")
        total_size, block_size = count(data.get("total_size")), count(data.get("block_size"))
        if not total_size or not block_size or -(-total_size // block_size) > MAX_BLOCKS:
            raise ValueError("no share is cut like that")
        return cls(
            kind=Kind(label(data.get("kind"))),
            version=label(data.get("version")),
            start=number(data.get("start")),
            share=text(255)(data.get("share")),
            total_size=total_size,
            block_size=block_size,
            info_hash=label(data.get("info_hash")),
            seed=seed,
            settings=settings,
            schema=count(data.get("schema")),
        )


class Entry(Struct, frozen=True):
    """One event: `t` seconds after the log's start, as `peer` saw it."""

    t: float
    peer: str
    event: Event

    def encode(self) -> str:
        event = self.event
        kind = type(event)
        document: dict[str, Any] = {
            "t": round(self.t, MICROSECONDS),
            "peer": self.peer,
            "event": _NAMES[kind],
        }
        for name, write in _WRITERS[kind]:
            value = getattr(event, name)
            document[name] = value if write is None else write(value)
        return _line(document)

    @classmethod
    def decode(cls, line: bytes) -> "Entry | None":
        """The event that this line tells of; None if it is of a kind that we do not know.

        Raises:
            ValueError: it tells of none.
        """
        data = _object(line)
        t = number(data.get("t"))
        if t < 0:
            raise ValueError("t: nothing happens before the start")
        peer, name = plain_text(data.get("peer")), data.get("event")
        if not peer or not isinstance(name, str):
            raise ValueError("peer and event: texts were expected")
        kind = KINDS.get(name)
        if kind is None:
            return None
        try:
            told = {
                field: shape.read(data[field])
                for field, shape in _SHAPES[kind].items()
                if field in data or field not in _LATER[kind]
            }
        except KeyError as error:
            raise ValueError(f"{name} without {error}") from None
        return cls(t, peer, kind(**told))


def _line(document: dict[str, Any]) -> str:
    return _ENCODER.encode(document) + "\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise ValueError("too long a line")
    try:
        data = loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("an object was expected")
    return data
