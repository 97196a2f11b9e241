"""The whole matrix: its cells played, a line about each as it ends, and the table in the end.

A cell is slow if it takes longer than with libtorrent by half, and by more than half a second: 8 MiB travel
in a fraction of that, and the rest is starting an interpreter, and where in a client's second it is asked.
Every cell is played once, and counts as it came.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from matrix import trackers
from matrix.cells import Cell
from matrix.clients import Client, installed, version
from matrix.lan import Lan, Loopback
from matrix.stage import CellError, Stage

TOLERATED: Final = 1.5  # times what it takes with libtorrent
NOTHING: Final = 0.5  # s that make no difference


@dataclass(frozen=True)
class Outcome:
    """What came of one cell of one client; `beside`: seconds with libtorrent in MiniBit's place."""

    client: Client
    cell: Cell
    seconds: float | None
    beside: float | None = None
    fault: str = ""

    @property
    def slow(self) -> bool:
        """Whether it takes so much longer than beside that it is not noise."""
        if self.seconds is None or self.beside is None:
            return False
        return self.seconds > max(TOLERATED * self.beside, self.beside + NOTHING)

    def __str__(self) -> str:
        if self.seconds is None:
            return "✗" if self.beside is None else f"✗ ({self.beside:.1f})"
        beside = "" if self.beside is None else f" ({self.beside:.1f})"
        return f"{'slow ' if self.slow else ''}{self.seconds:.1f} s{beside}"


def play(
    ground: Lan | Loopback, folder: Path, share: Path, client: Client, cell: Cell, *, minibit: bool
) -> float:
    """The cell's seconds.

    Raises:
        CellError: what was to happen did not.
    """
    stage = Stage(ground, folder, share, client, minibit=minibit)
    try:
        return cell.run(stage)
    finally:
        stage.close()


@dataclass(frozen=True)
class Ground:
    """Where swarms are played: `alone`, all on loopback, where there are no namespaces; else each on a
    network of its own. `folder` is for all that programs write, `share` the file that they share."""

    alone: bool
    folder: Path
    share: Path

    def lay(self, number: int) -> Lan | Loopback:
        """The network of that number, of those that there are at a time."""
        return Loopback() if self.alone else Lan(number)

    def takes(self, client: Client) -> bool:
        """Whether this client is here and trades here."""
        return installed(client) and (client.fits_loopback or not self.alone)


def print_table(
    ground: Ground, clients: Sequence[Client], cells: Sequence[Cell], *, compared: bool, jobs: int
) -> bool:
    """Play these cells with those of these clients that can be, and print what came of it; whether all is
    right. `compared`: also with libtorrent in MiniBit's place."""
    chosen = [client for client in clients if ground.takes(client)]
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in range(jobs):
        numbers.put(number)

    def once(number: int, client: Client, cell: Cell, place: Path) -> Outcome:
        beside: float | None = None
        try:
            if compared and cell.compared:
                try:
                    beside = play(
                        ground.lay(number), place / "beside", ground.share, client, cell, minibit=False
                    )
                except CellError as error:
                    print(f"{client.name}, {cell.title}, with libtorrent: {error}", file=sys.stderr)
            seconds = play(ground.lay(number), place / "minibit", ground.share, client, cell, minibit=True)
        except CellError as error:
            return Outcome(client, cell, None, beside, str(error))
        return Outcome(client, cell, seconds, beside)

    def outcome(client: Client, cell: Cell) -> Outcome:
        number = numbers.get()
        try:
            found = once(number, client, cell, ground.folder / client.name / cell.key)
        finally:
            numbers.put(number)
        print(f"{client.name}, {cell.title}: {found} {found.fault}", file=sys.stderr, flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda each: outcome(*each), [(c, cell) for c in chosen for cell in cells]))
    for line in lines(chosen, cells, found):
        print(line)
    return not any(each.seconds is None or each.slow for each in found)


def print_trackers(ground: Ground) -> bool:
    """Play MiniBit peers on other people's trackers, and print what came of it; whether all is right."""
    right = True
    print("\n| MiniBit peers on | over | |\n|---|---|---|")
    for name, protocol, came in trackers.played(
        lambda: ground.lay(0), ground.folder / "trackers", ground.share
    ):
        print(f"| {name} | {protocol} | {came} |", flush=True)
        right &= not came.startswith("✗")
    return right


def lines(chosen: list[Client], cells: list[Cell], found: list[Outcome]) -> Iterator[str]:
    """The table as Markdown, a column for each client."""
    yield f"| | {' | '.join(f'{client.name} {version(client)}' for client in chosen)} |"
    yield "|---" * (len(chosen) + 1) + "|"
    for cell in cells:
        row = [str(each) for client in chosen for each in found if (each.client, each.cell) == (client, cell)]
        yield f"| {cell.title} | {' | '.join(row)} |"
