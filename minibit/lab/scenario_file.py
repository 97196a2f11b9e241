"""Scenarios as people write them: TOML of our own under a name, or a file of theirs.

about = "what it shows, in a line"
size = "16M"                  # of the share
block-size = "64K"            # follows from the size if left out
grant = "30-50"
latency = 0.002               # seconds, one way; simulated only, as neighbours is
neighbours = 20               # that each peer dials for; others may dial it
seed = 1

[origin]
upload = "1M/s"               # uplink = what its line carries, simulated only
choking = "tit-for-tat"
leave = "never"               # after 1 copy, after 30s; simulated only

[[peers]]                     # once per class
name = "fast"                 # fast1, fast2 …; without a name they are called like people
count = 4
upload = "2M/s"               # 0 is no limit; download likewise; uplink = of the line, simulated only
arrive = "at once"            # every 2s, poisson 2s
start = 0
leave = "never"               # when complete, after 30s, killed after 30s, silent after 30s
picking = "rarest-first"
choking = "tit-for-tat"
free-rider = false
liar = false                  # simulated only
"""

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from minibit.engine.places import SEEKS
from minibit.errors import UsageError
from minibit.lab.scenario import (
    LATENCY,
    PEOPLE,
    Arrival,
    Departure,
    OriginLine,
    PeerClass,
    Scenario,
)
from minibit.text import plain_text
from minibit.torrent.layout import block_size_for
from minibit.units import parse_size

MAX_FILE: Final = 1 << 20
MAX_ABOUT: Final = 120
MAX_INTEGER: Final = (1 << 63) - 1  # as TOML has them
_SECONDS: Final = r"(?P<seconds>\d{1,9}(?:\.\d{1,9})?)\s*s?"
_ARRIVE: Final = re.compile(rf"(?P<how>at once)|(?P<kind>every|poisson) {_SECONDS}")
_LEAVE: Final = re.compile(
    rf"(?P<how>never|when complete)|(?P<kind>after|killed after|silent after) {_SECONDS}"
)
_ORIGIN_LEAVE: Final = re.compile(
    rf"(?P<how>never)|after (?P<copies>\d{{1,4}}) cop(?:y|ies)|after {_SECONDS}"
)


def listed() -> list[tuple[str, str]]:
    """The scenarios that ship with MiniBit: (name, about)."""
    return [(path.name.removesuffix(".toml"), _read(path, path.name).about) for path in _shipped()]


def load(name: str) -> Scenario:
    """The scenario of that name, or in the file of that name (`.toml`).

    Raises:
        UsageError: there is none, or it cannot be played; the message says why.
    """
    if name.endswith(".toml"):
        return _read(Path(name), Path(name).stem)
    for path in _shipped():
        if path.name == f"{name}.toml":
            return _read(path, name)
    known = ", ".join(path.name.removesuffix(".toml") for path in _shipped())
    raise UsageError(f"--scenario: there is no {name!r}: choose {known}, or a file that ends in .toml")


def parse(document: Mapping[str, Any], name: str) -> Scenario:
    """The scenario that a decoded TOML document describes.

    Raises:
        UsageError: a key unknown or of a value that makes no sense, or the whole cannot be played.
    """
    table = _Table(document, f"scenario {name!r}")
    peers = table.take("peers", list, [])
    if not all(isinstance(each, dict) for each in peers):
        raise UsageError(f"scenario {name!r}: peers: write a [[peers]] table for each class")
    classes = tuple(_peer_class(_Table(each, f"scenario {name!r}: peers")) for each in peers)
    length = table.size("size", 12 << 20)
    block_size = table.size("block-size", 0) or block_size_for(max(1, length))
    origin = _origin(_Table(table.take("origin", dict, {}), f"scenario {name!r}: origin"))
    options: dict[str, Any] = {
        "name": plain_text(table.take("name", str, name)) or "scenario",
        "about": plain_text(table.take("about", str, ""), MAX_ABOUT),
        "grant": table.grant("grant"),
        "latency": table.number("latency", LATENCY),
        "neighbours": table.take("neighbours", int, SEEKS),
        "seed": table.take("seed", int, 0),
    }
    table.end()  # a key that is misspelt is told before what follows from its absence
    return Scenario(classes, length, block_size, origin, **options)


def to_document(scenario: Scenario) -> dict[str, Any]:
    """What `parse` makes this scenario of, all of it said."""
    origin = scenario.origin
    leave = "never"
    if origin.copies:
        leave = f"after {origin.copies} copies"
    elif origin.leave_seconds:
        leave = f"after {origin.leave_seconds!r}s"
    return {
        "name": scenario.name,
        "about": scenario.about,
        "size": scenario.size,
        "block-size": scenario.block_size,
        "grant": "-".join(f"{100 * part:.12g}" for part in scenario.grant),
        "latency": scenario.latency,
        "neighbours": scenario.neighbours,
        "seed": scenario.seed,
        "origin": {
            "upload": origin.upload,
            "uplink": origin.uplink,
            "choking": origin.choking,
            "leave": leave,
        },
        "peers": [
            {
                "name": kind.name,
                "count": kind.count,
                "upload": kind.upload,
                "uplink": kind.uplink,
                "download": kind.download,
                "arrive": _spoken(kind.arrive, kind.arrive_seconds, kind.arrive is Arrival.AT_ONCE),
                "start": kind.start,
                "leave": _spoken(kind.leave, kind.leave_seconds, kind.stays),
                "picking": kind.picking,
                "choking": kind.choking,
                "free-rider": kind.free_rider,
                "liar": kind.liar,
            }
            for kind in scenario.classes
        ],
    }


class _Table:
    """A table of a document, from which each key is taken once; `where` names it to people."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._left = dict(table)
        self._where = where
        self._known: list[str] = []

    def _pop(self, key: str, default: Any) -> Any:
        self._known.append(key)
        value = self._left.pop(key, default)
        if isinstance(value, int) and abs(value) > MAX_INTEGER:  # Python can hold it, and not print it
            raise UsageError(f"{self._where}: {key}: so large a number cannot be: choose a smaller one")
        return value

    def take(self, key: str, kind: type, default: Any) -> Any:
        value = self._pop(key, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(key, value, f"give it a {_KINDS[kind]}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, value, "give it a number")
        return float(value)

    def size(self, key: str, default: int) -> int:
        """Bytes, as a number or like "64M"."""
        value = self._pop(key, default)
        if isinstance(value, str):
            return parse_size(value, f"{self._where}: {key}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(key, value, "write it like 16M")
        return value

    def rate(self, key: str) -> float:
        """Bytes per second, as a number or like "1M/s"."""
        value = self._pop(key, 0)
        if isinstance(value, str):
            return float(parse_size(value.removesuffix("/s"), f"{self._where}: {key}"))
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self.wrong(key, value, "write it like 500K/s; 0 is no limit")
        return float(value)

    def grant(self, key: str) -> tuple[float, float]:
        value = self._pop(key, "30-50")
        match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,12})?)-(\d{1,3}(?:\.\d{1,12})?)", str(value))
        if match is None or not float(match[1]) <= float(match[2]) <= 100:
            raise self.wrong(key, value, "write it like 30-50, in percent")
        return float(match[1]) / 100, float(match[2]) / 100

    def match(self, key: str, pattern: re.Pattern[str], default: str, remedy: str) -> re.Match[str]:
        value = self._pop(key, default)
        match = pattern.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self.wrong(key, value, remedy)
        return match

    def end(self) -> None:
        """Every key was taken; else the first that was not is named."""
        for key in self._left:
            raise UsageError(
                f"{self._where}: unknown key {plain_text(key)!r}: there are {', '.join(self._known)}"
            )

    def wrong(self, key: str, value: object, remedy: str) -> UsageError:
        return UsageError(f"{self._where}: {key}: {plain_text(repr(value), 60)} cannot be: {remedy}")


_KINDS: Final[dict[type, str]] = {
    int: "whole number",
    str: "text in quotes",
    bool: "true or false",
    list: "[[peers]] table per class",
    dict: "table",
}


def _peer_class(table: _Table) -> PeerClass:
    arrive = table.match("arrive", _ARRIVE, "at once", "write at once, every 2s, or poisson 2s")
    leave = table.match(
        "leave",
        _LEAVE,
        "never",
        "write never, when complete, after 30s, killed after 30s, or silent after 30s",
    )
    kind = PeerClass(
        name=plain_text(table.take("name", str, PEOPLE)),
        count=table.take("count", int, 1),
        upload=table.rate("upload"),
        uplink=table.rate("uplink"),
        download=table.rate("download"),
        start=table.number("start", 0.0),
        arrive=Arrival(arrive["how"] or arrive["kind"]),
        arrive_seconds=float(arrive["seconds"] or 0),
        leave=Departure(leave["how"] or leave["kind"]),
        leave_seconds=float(leave["seconds"] or 0),
        picking=table.take("picking", str, "rarest-first"),
        choking=table.take("choking", str, "tit-for-tat"),
        free_rider=table.take("free-rider", bool, False),
        liar=table.take("liar", bool, False),
    )
    table.end()
    return kind


def _origin(table: _Table) -> OriginLine:
    leave = table.match("leave", _ORIGIN_LEAVE, "never", "write never, after 1 copy, or after 30s")
    origin = OriginLine(
        upload=table.rate("upload"),
        uplink=table.rate("uplink"),
        choking=table.take("choking", str, "tit-for-tat"),
        copies=int(leave["copies"] or 0),
        leave_seconds=float(leave["seconds"] or 0),
    )
    if not leave["how"] and not origin.leaves:
        raise table.wrong("leave", leave[0], "it would be gone before it gave anything; write after 1 copy")
    table.end()
    return origin


def _spoken(how: str, seconds: float, alone: bool) -> str:
    return str(how) if alone else f"{how} {seconds:.9f}s"


def _shipped() -> list[Traversable]:
    folder = files("minibit.lab") / "scenarios"
    return sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda p: p.name)


def _read(path: Traversable, name: str) -> Scenario:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"--scenario: cannot read {str(path)!r} ({error.strerror}): check the path"
        ) from None
    if len(data) > MAX_FILE:
        raise UsageError(f"--scenario: {str(path)!r} is no scenario: it is larger than 1 MiB")
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # of TOML, UTF-8, or of a number's length
        raise UsageError(f"--scenario: {str(path)!r} is not TOML: {plain_text(str(error), 120)}") from None
    return parse(document, name)
