"""Options that several commands share, and what their values may be.

Nothing heavy is imported here: `minibit --help` reads every command's options.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from minibit.errors import UsageError
from minibit.text import name_fault
from minibit.units import parse_size

DEFAULT_TRACKER: Final = "http://127.0.0.1:5000"

Tracker = Annotated[str, typer.Option(help="The tracker's address.", envvar="MINIBIT_TRACKER")]
UploadLimit = Annotated[
    str | None, typer.Option(metavar="RATE", help="Bytes per second, like 500K or 2M; 0 for no limit.")
]
_PICKING: Final = "rarest-first, random, sequential, or your own as module:Class."
_CHOKING: Final = (
    "tit-for-tat, reciprocity, unchoke-all, unchoke-none (a free rider), or your own as module:Class."
)
Picking = Annotated[str, typer.Option(metavar="NAME", help=_PICKING)]
Choking = Annotated[str, typer.Option(metavar="NAME", help=_CHOKING)]
PickingOrScenario = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"{_PICKING}  [default: rarest-first]")
]
ChokingOrScenario = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"{_CHOKING}  [default: tit-for-tat]")
]
StallTimeout = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="SECONDS", help="End with 1, and say why, when nothing has come for so long."
    ),
]
Seed = Annotated[int | None, typer.Option(help="Makes every random choice repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
UntilEof = Annotated[bool, typer.Option("--until-eof", help="End when standard input ends.", hidden=True)]
Share = Annotated[Path | None, typer.Option(metavar="PATH", help="The file or folder to share.")]
BlockSize = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Like 256K; chosen by the size of the share.")
]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write down what happens, and why, for minibit replay."),
]
_GRANT: Final = "Percent of all blocks dealt to each new peer."
Grant = Annotated[str, typer.Option(metavar="LOW-HIGH", help=_GRANT)]
GrantOrScenario = Annotated[str | None, typer.Option(metavar="LOW-HIGH", help=f"{_GRANT}  [default: 30-50]")]


def peer_name(name: str) -> str:
    """NAME, which is also the name of a folder.

    Raises:
        UsageError: no peer may be called that.
    """
    if fault := name_fault(name):
        raise UsageError(f"NAME: {fault}")
    if name in (".", "..") or "/" in name:
        raise UsageError(f"NAME: {name!r} is not a peer's name: choose one that a folder can have")
    return name


def port_number(port: int, where: str) -> int:
    """A port, or 0 for any; `where` names the option.

    Raises:
        UsageError: out of range.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"{where}: {port} is not a port; choose 1024–65535, or 0 for any free one")
    return port


def upload_rate(text: str) -> float:
    """Bytes per second.

    Raises:
        UsageError: not a size.
    """
    return float(parse_size(text.removesuffix("/s"), "--upload-limit"))


def block_bytes(text: str | None) -> int | None:
    """A block's size in bytes; None if it is to follow from the share's.

    Raises:
        UsageError: not a size.
    """
    return None if text is None else parse_size(text, "--block-size")


def strategy_name(name: str) -> str:
    """`name`, with the current folder importable if it is `module:Class`."""
    # Last on the path, that folder shadows nothing.
    if ":" in name and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return name


def grant_parts(text: str) -> tuple[float, float]:
    """The smallest and the largest part of all blocks, 0–1.

    Raises:
        UsageError: not LOW-HIGH in percent.
    """
    low, dash, high = text.partition("-")
    if not dash or not (low + high).isdecimal() or not 0 <= int(low) <= int(high) <= 100:
        raise UsageError(f"--grant: {text!r} is not LOW-HIGH in percent; the default is 30-50")
    return int(low) / 100, int(high) / 100


def with_values(arguments: Sequence[str]) -> list[str]:
    """The command line with an empty value for `--scenario` where it has none: that asks for the list."""
    return [
        "--scenario=" if word == "--scenario" and (not after or after.startswith("--")) else word
        for word, after in zip(arguments, [*arguments[1:], ""], strict=True)
    ]


def pace(text: str | None) -> float | None:
    """Virtual seconds per second; None if none is asked for.

    Raises:
        UsageError: not a number above 0.
    """
    if text is None:
        return None
    number = text.removesuffix("x")
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", number) or not float(number):
        raise UsageError(f"--speed: {text!r} is no pace: write it like 10x or 0.5x")
    return float(number)
