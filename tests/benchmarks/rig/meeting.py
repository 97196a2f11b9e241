"""A benchmark as a command: its options, who is there and who is not, its rounds and what came of them."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from compileall import compile_dir
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from rich.console import Console

import minibit
from minibit.errors import MinibitError
from minibit.units import parse_size
from rig.comparison import Comparison, Figure, turns
from rig.ground import enter_private_network
from rig.table import table

INTERRUPTED = 130
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PIPED_WIDTH = 240  # characters of a table that nobody's terminal wraps

Tell = Callable[[str], None]
Play = Callable[[str, Tell], dict[str, float]]


def options(about: str, *, runs: int, size: str | None = None) -> argparse.ArgumentParser:
    """The options that all benchmarks have; a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs, help=f"rounds (default: {runs})")
    if size is not None:
        parser.add_argument("--size", default=size, help=f"bytes of the share (default: {size})")
    parser.add_argument("--only", action="append", metavar="NAME", help="this contender beside MiniBit")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where copies go (default: temporary)")
    parser.add_argument("--json", metavar="FILE", help="the results as one document; - is standard output")
    return parser


class Contender(Protocol):
    """What a meeting has to know of whoever takes part."""

    @classmethod
    def absence(cls) -> str | None:
        """What would bring it to this machine; None: it is there."""

    @classmethod
    def version(cls) -> str:
        """Which one it is, with its settings in a few words."""


class Meeting:
    """Plays contenders in turns and shows how they compare.

    Of `contenders`, ours comes first.
    """

    def __init__(self, chosen: argparse.Namespace, contenders: Mapping[str, type[Contender]]) -> None:
        self.chosen = chosen
        self._console = Console(stderr=True)
        stream = sys.stderr if chosen.json == "-" else sys.stdout
        self._shown = Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH)
        self._document: dict[str, Any] = {
            "command": " ".join(sys.argv),
            "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "machine": machine(),
            "contenders": {},
            "absent": {},
            "comparisons": {},
        }
        wanted = chosen.only and {*chosen.only, next(iter(contenders))}
        unknown = set(wanted or ()) - set(contenders)
        if unknown:
            raise MinibitError(f"--only: no contender is called {unknown.pop()!r}: {', '.join(contenders)}")
        self.present: list[str] = []
        for name, contender in contenders.items():
            if wanted and name not in wanted:
                continue
            if (absence := contender.absence()) is None:
                self.present.append(name)
                self._document["contenders"][name] = contender.version()
            else:
                self._document["absent"][name] = absence
                self.say(f"[bold red]ABSENT: {name}[/bold red] is not compared with: {absence}")

    def hold(self, title: str, figures: Sequence[Figure], play: Play, *, names: Sequence[str] = ()) -> None:
        """Play every contender (or `names`) so often as was asked, and show what came of it."""
        comparison = Comparison(list(names) or self.present, figures)
        runs = self.chosen.runs
        self.say(f"[bold]{title}[/bold]: {runs} rounds of {', '.join(comparison.names)}")
        for number, name in turns(comparison.names, runs):
            where = f"round {number + 1}/{runs}  {name}"
            with self._console.status(where) as status:
                status_of = status.update
                measured = play(name, lambda doing, where=where, to=status_of: to(f"{where}: {doing}"))
            comparison.add(name, measured)
            told = (f"{f.title} {measured[f.key]:{f.form}}" for f in figures if f.key in measured)
            self.say(f"  {where:36} {'  '.join(told)}")
        self._shown.print(table(comparison, title), crop=False)
        self._document["comparisons"][title] = comparison.document()

    def close(self) -> None:
        """Write the document, if it is wanted."""
        if self._document["absent"]:
            self.say(f"[bold red]without {', '.join(self._document['absent'])}[/bold red]")
        self.say(f"{self._document['date']}, {self._document['machine']}: {self._document['command']}")
        if self.chosen.json == "-":
            json.dump(self._document, sys.stdout, indent=1)
            print()
        elif self.chosen.json:
            Path(self.chosen.json).write_text(json.dumps(self._document, indent=1) + "\n")

    def show(self, text: str) -> None:
        """Something that belongs to the results."""
        self._shown.print(text, highlight=False, crop=False)

    def note(self, key: str, value: object) -> None:
        """Something else that the document should have."""
        self._document[key] = value

    def say(self, line: str) -> None:
        """A line about how it goes."""
        self._console.print(line, highlight=False, soft_wrap=True)


def run(main: Callable[[], None]) -> None:
    """Run a benchmark in a network of its own if that can be had; Ctrl-C leaves nothing behind."""
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    # As pip installs it: where PYTHONDONTWRITEBYTECODE is set, every launch would measure the compiler.
    compile_dir(Path(minibit.__file__).parent, quiet=2)
    try:
        if not enter_private_network():
            said = "no network of its own (unshare was refused): other traffic on the loopback is counted too"
            print(said, file=sys.stderr)
        main()
    except MinibitError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def bytes_of(text: str, where: str = "--size") -> int:
    """Bytes from what was typed."""
    return parse_size(text, where)


def machine() -> str:
    """The processor, how many cores of it are ours, the kernel, and Python."""
    model = platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for each in ENDINGS:  # once is enough: whoever insists would keep us from tidying up
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
