"""The shapes that a field of an event has, each both ways: as JSON, and back from a stranger's JSON.

An event's class names the shape of each field as its type: `who: Name`. Reading checks and bounds, and
raises `ValueError`; writing trusts. Numbers are rounded so that the same run is the same bytes everywhere.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, get_args, get_type_hints

from msgspec import Struct

from minibit import bitfield
from minibit.text import plain_text
from minibit.torrent.layout import MAX_BLOCKS

MAX_LABEL: Final = 64  # characters of a neighbour's name, or of its address
MAX_REASON: Final = 1000  # characters
MAX_NUMBER: Final = 1 << 62
DECIMALS: Final = 3  # of rates and scores


class Shape(Struct, frozen=True):
    """How a field is read, and how it is written; `write` is None for what JSON has as it is."""

    read: Callable[[object], Any]
    write: Callable[[Any], Any] | None = None


def text(limit: int) -> Callable[[object], str]:
    """Reads a stranger's text as a printable line of at most `limit` characters."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("a text was expected")
        return plain_text(value, limit)

    return read


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false was expected")
    return value


def count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise ValueError("a count was expected")
    return value


def number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
        raise ValueError("a number was expected")
    return value


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)


def _read_blocks(value: object) -> int:
    if not isinstance(value, str) or len(value) > MAX_BLOCKS // 4:
        raise ValueError("a set of blocks was expected")
    wire = bytes.fromhex(value)
    return bitfield.from_wire(wire, 8 * len(wire))


def _write_blocks(blocks: int) -> str:
    return bitfield.to_wire(blocks, blocks.bit_length()).hex()


def _maybe(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else read(value)


def _list_of(read: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    def read_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list was expected")
        return tuple(map(read, value))

    return read_all


def _pair_of(first: Callable[[object], Any], second: Callable[[object], Any]) -> Callable[[object], Any]:
    def read(value: object) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError("a pair was expected")
        return first(value[0]), second(value[1])

    return read


def _write_scores(pairs: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    return [(who, _rounded(score)) for who, score in pairs]


label = text(MAX_LABEL)

Name = Annotated[str, Shape(label)]
"""What a peer is called, or its address if it told no name."""
MaybeName = Annotated[str | None, Shape(_maybe(label))]
Names = Annotated[tuple[str, ...], Shape(_list_of(label))]
Reason = Annotated[str, Shape(text(MAX_REASON))]
Flag = Annotated[bool, Shape(flag)]
Count = Annotated[int, Shape(count)]
MaybeCount = Annotated[int | None, Shape(_maybe(count))]
Number = Annotated[float, Shape(number, _rounded)]
Blocks = Annotated[int, Shape(_read_blocks, _write_blocks)]
"""A set of blocks: hex in wire order (BEP 3: block 0 is the first byte's highest bit), zeros at its end
left out."""
Counts = Annotated[tuple[tuple[str, int], ...], Shape(_list_of(_pair_of(label, count)))]
"""A count for each of several peers: a list of [name, count]."""
Scores = Annotated[tuple[tuple[str, float], ...], Shape(_list_of(_pair_of(label, number)), _write_scores)]
"""The same with numbers."""
Moves = Annotated[tuple[tuple[str, str], ...], Shape(_list_of(_pair_of(label, label)))]
"""What happened to each of several peers: a list of [name, what]."""


def shapes_of(kind: type) -> dict[str, Shape]:
    """The shape of each field of this class, in order."""
    return {
        name: next(each for each in get_args(hint) if isinstance(each, Shape))
        for name, hint in get_type_hints(kind, include_extras=True).items()
    }
