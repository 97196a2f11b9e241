"""Options that several commands share, and what their values may be.

Nothing heavy is imported here: `minibit --help` reads every command's options.
"""

import math
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from minibit.errors import UsageError
from minibit.text import name_fault, plain_text
from minibit.units import parse_size
from minibit.wire.encryption import Encryption

if TYPE_CHECKING:
    from minibit.address import Address
    from minibit.torrent.magnet import Magnet

DEFAULT_TRACKER: Final = "http://127.0.0.1:5000"
# What the processes of a swarm are forked from.
# Without the current folder on the path, where a user's random.py would stand in for Python's own.
NURSERY: Final = [sys.executable, "-u", "-P", "-m", "minibit.cli.nursery"]


def whole_number(text: object, *, where: str, low: int | None = None, high: int | None = None) -> int:
    """A whole number from `low` to `high`, as far as these are given; `where` names the option.

    Raises:
        UsageError: it is none.
    """
    bounds = (
        f" from {low} to {high}" if high is not None else f" of at least {low}" if low is not None else ""
    )
    try:
        number = int(str(text))
    except ValueError:
        raise UsageError(
            f"{where}: {text!r} is not a whole number; choose one{bounds or ', like 7'}"
        ) from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise UsageError(f"{where}: {number} is out of range; choose a whole number{bounds}")
    return number


def port_number(text: object, *, where: str) -> int:
    """A port, or 0 for any; `where` names the option.

    Raises:
        UsageError: it is none.
    """
    try:
        number: object = int(str(text))
    except ValueError:
        if said := elsewhere([str(text)]):
            raise UsageError(said) from None
        number = repr(text)
    if not (isinstance(number, int) and 0 <= number <= 65535):
        raise UsageError(f"{where}: {number} is not a port; choose 1024–65535, or 0 for any free one")
    return number


def second_count(text: object, *, where: str) -> float:
    """A length of time in seconds; `where` names the option.

    Raises:
        UsageError: it is none.
    """
    try:
        number = float(str(text))
    except ValueError:
        number = -1
    if not 0 <= number < math.inf:
        raise UsageError(f"{where}: {text!r} is not a number of seconds; write it like 30 or 0.5")
    return number


def whole(where: str, low: int | None = None, high: int | None = None, *, help: str) -> Any:
    """An option that takes a whole number."""
    return typer.Option(
        where, metavar="N", parser=partial(whole_number, where=where, low=low, high=high), help=help
    )


def port(where: str, *, help: str) -> Any:
    """An option that takes a port."""
    return typer.Option(where, metavar="PORT", parser=partial(port_number, where=where), help=help)


def seconds(where: str, *, help: str) -> Any:
    """An option that takes a length of time."""
    return typer.Option(where, metavar="SECONDS", parser=partial(second_count, where=where), help=help)


def picking_names() -> list[str]:
    """What a shell may complete."""
    from minibit.registry import PICKING

    return list(PICKING)


def choking_names() -> list[str]:
    """What a shell may complete."""
    from minibit.registry import CHOKING

    return list(CHOKING)


Tracker = Annotated[str, typer.Option(metavar="URL", help="The tracker's address.", envvar="MINIBIT_TRACKER")]
Torrent = Annotated[
    str | None,
    typer.Option(metavar="FILE|URL", help="Join this torrent's swarm, by its own trackers, instead."),
]
MagnetLink = Annotated[
    str | None,
    typer.Option(metavar="LINK", help="Join the swarm of this magnet link instead; put it in quotes."),
]
Lan = Annotated[
    bool, typer.Option("--lan", help="Look for peers on the local network too, and be found there.")
]
Nodes = Annotated[
    list[str] | None,
    typer.Option(
        "--dht",
        metavar="public|HOST:PORT",
        help="Look for peers in the DHT too, beginning with this node; repeat it for more.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files in the way that are not of this share.")
]
LeaveWhenDone = Annotated[
    bool, typer.Option("--leave-when-done", help="End when complete instead of helping others.")
]
UploadLimit = Annotated[
    str | None, typer.Option(metavar="RATE", help="Bytes per second, like 500K or 2M; 0 for no limit.")
]
DownloadLimit = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Bytes per second that each peer fetches at most; 0 for no limit."),
]
Encrypt = Annotated[
    Encryption,
    typer.Option(
        "--encryption",
        metavar="HOW",
        help="allow: encrypt where the other side wants it; prefer: encrypt with all who can; require: "
        "hang up on who does not.",
    ),
]
_PICKING: Final = "rarest-first, random, sequential, or your own: module:Class, file.py:Class."
_CHOKING: Final = (
    "tit-for-tat, reciprocity, unchoke-all, unchoke-none (a free rider), or your own: module:Class, "
    "file.py:Class."
)
Picking = Annotated[str, typer.Option(metavar="NAME", autocompletion=picking_names, help=_PICKING)]
Choking = Annotated[str, typer.Option(metavar="NAME", autocompletion=choking_names, help=_CHOKING)]
PickingOrScenario = Annotated[
    str | None,
    typer.Option(metavar="NAME", autocompletion=picking_names, help=f"{_PICKING}  [default: rarest-first]"),
]
ChokingOrScenario = Annotated[
    str | None,
    typer.Option(metavar="NAME", autocompletion=choking_names, help=f"{_CHOKING}  [default: tit-for-tat]"),
]
StallTimeout = Annotated[
    float | None,
    seconds("--stall-timeout", help="End with 1, and say why, when nothing has come for so long."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
UntilEof = Annotated[bool, typer.Option("--until-eof", help="End when standard input ends.", hidden=True)]
Share = Annotated[Path | None, typer.Option(metavar="PATH", help="The file or folder to share.")]
BlockSize = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Like 256K; by default as large as leaves 256 blocks, up to 1M."),
]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write down what happens, and why, for minibit replay."),
]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Spread the runs over a Dask cluster, like tcp://HOST:8786 (minibit[dask])."
    ),
]
Jobs = Annotated[
    int | None, whole("--jobs", 1, 1000, help="How many runs at a time.  [default: one per core]")
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw the curves, as .svg or .png (minibit[plot]).")
]
_GRANT: Final = "Percent of all blocks dealt to each new peer."
Grant = Annotated[str, typer.Option(metavar="LOW-HIGH", help=_GRANT)]
GrantOrScenario = Annotated[str | None, typer.Option(metavar="LOW-HIGH", help=f"{_GRANT}  [default: 30-50]")]
Port = Annotated[
    int,
    typer.Argument(
        metavar="PORT",
        parser=partial(port_number, where="PORT"),
        help="The port to listen on; 0 for any.",
    ),
]
Seed = Annotated[int | None, whole("--seed", help="Makes every random choice repeatable.")]


def peer_name(name: str) -> str:
    """NAME, which is also the name of a folder.

    Raises:
        UsageError: no peer may be called that.
    """
    if said := elsewhere([name]):
        raise UsageError(said)
    if fault := name_fault(name):
        raise UsageError(f"NAME: {fault}")
    return name


def elsewhere(words: Sequence[str]) -> str:
    """What to say of a magnet link or a .torrent file where none belongs; nothing of any other word."""
    for word in words:
        if word.startswith("magnet:"):
            return "a magnet link: join its swarm by minibit peer NAME PORT --magnet 'LINK'"
        if word.endswith(".torrent"):
            shown = plain_text(word, 60)
            return f"{shown!r} is a torrent: join its swarm by minibit peer NAME PORT --torrent {shown}"
    return ""


def tracker_url(url: str) -> str:
    """A tracker's address, as far as one can be told at a glance.

    Raises:
        UsageError: it is a magnet link, or a file.
    """
    if said := elsewhere([url]):
        raise UsageError(said)
    return url


def one_place(jobs: int | None, dask: str | None) -> None:
    """Nothing, if runs are not spread in two ways.

    Raises:
        UsageError: they are.
    """
    if jobs is not None and dask is not None:
        raise UsageError("--jobs is of this machine: leave it or --dask out")


def magnet_link(link: str | None, torrent: str | None) -> "Magnet | None":
    """What `--magnet` names, beside this `--torrent`.

    Raises:
        UsageError: it is no link that we can follow, or both are named.
    """
    from minibit.torrent import magnet

    if torrent is not None and (said := elsewhere([torrent] if torrent.startswith("magnet:") else [])):
        raise UsageError(said)
    if link is None:
        return None
    if torrent is not None:
        raise UsageError("--magnet and --torrent both name a swarm: leave one of them out")
    return magnet.parse(link)


def dht_nodes(words: Sequence[str]) -> "tuple[Address, ...]":
    """The nodes that `--dht` names.

    Raises:
        UsageError: one is neither a host with a port nor `public`.
    """
    from minibit.net.dht import PUBLIC

    nodes: list[tuple[str, int]] = []
    for word in words:
        host, _, port = word.rpartition(":")
        if word == "public":
            nodes += PUBLIC
        elif re.fullmatch(r"[^\s:]{1,253}", host) and re.fullmatch("[0-9]{1,5}", port) and int(port) <= 65535:
            nodes.append((host, int(port)))
        else:
            shown = plain_text(word, 60)
            raise UsageError(f"--dht: {shown!r} is no node: use HOST:PORT, or public for well-known ones")
    return tuple(nodes)


def web_addresses(urls: list[str] | None) -> tuple[str, ...]:
    """Web servers of a share.

    Raises:
        UsageError: one is none.
    """
    from minibit.torrent.torrent_file import WEB_SCHEMES

    return tuple(web_address(url, WEB_SCHEMES, "--web-seed") for url in urls or ())


def web_address(url: str, schemes: tuple[str, ...], option: str) -> str:
    """A URL of one of these schemes.

    Raises:
        UsageError: it is none.
    """
    from minibit.torrent.torrent_file import MAX_URL, usable

    if not usable(url.strip(), schemes):
        raise UsageError(
            f"{option}: {plain_text(url, 100)!r} is no such address: it begins with "
            f"{', '.join(f'{scheme}://' for scheme in schemes)}, has at most {MAX_URL} characters, "
            f"and no user name in it{', and udp needs a port' if 'udp' in schemes else ''}"
        )
    return url.strip()


def limit(text: str, option: str) -> float:
    """Bytes per second.

    Raises:
        UsageError: not a size.
    """
    return float(parse_size(text.removesuffix("/s"), option))


def block_bytes(text: str | None) -> int | None:
    """A block's size in bytes; None if it is to follow from the share's.

    Raises:
        UsageError: not a size.
    """
    return None if text is None else parse_size(text, "--block-size")


def strategy_name(name: str) -> str:
    """`name`; `module:Class` is then looked for in the current folder too, a file's path is in full."""
    # Last on the path, that folder shadows nothing.
    if ":" in name and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    path, _, class_name = name.rpartition(":")
    return f"{Path(path).absolute()}:{class_name}" if path.endswith(".py") else name


def strategy_names(names: str | None) -> str | None:
    """Several names with commas between them, each as `strategy_name` has it."""
    return None if names is None else ",".join(strategy_name(name.strip()) for name in names.split(","))


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
