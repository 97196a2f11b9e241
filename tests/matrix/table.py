"""The whole matrix: its cells played, a line about each as it ends, and the table in the end.

A cell is slow if it takes longer than with libtorrent by half, and by more than half a second: 8 MiB travel
in a fraction of that, and the rest is starting an interpreter, and where in a client's second it is asked.
Every cell is played once, and counts as it came.
"""

import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from e2e.running import write_random
from matrix import trackers
from matrix.cells import CELLS, Cell
from matrix.clients import CLIENTS, Client, installed, version
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


def print_table(
    folder: Path,
    *,
    alone: bool,
    only_clients: Collection[str] | None,
    only_cells: Collection[str] | None,
    size: int,
    jobs: int,
) -> int:
    """Play and print; 0 if all is right. `alone`: there are no namespaces, all are on loopback.

    Trackers are tried if nothing is said of clients and cells.
    """
    share = write_random(folder / "share" / "film.bin", size)
    chosen = [
        client
        for client in CLIENTS
        if installed(client)
        and (not only_clients or client.name in only_clients)
        and (client.fits_loopback or not alone)
    ]
    cells = [cell for cell in CELLS if not only_cells or cell.key in only_cells]
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in range(jobs):
        numbers.put(number)

    def once(number: int, client: Client, cell: Cell, place: Path) -> Outcome:
        beside: float | None = None
        try:
            if cell.compared:
                try:
                    beside = play(
                        _ground(number, alone), place / "beside", share, client, cell, minibit=False
                    )
                except CellError as error:
                    print(f"{client.name}, {cell.title}, with libtorrent: {error}", file=sys.stderr)
            seconds = play(_ground(number, alone), place / "minibit", share, client, cell, minibit=True)
        except CellError as error:
            return Outcome(client, cell, None, beside, str(error))
        return Outcome(client, cell, seconds, beside)

    def outcome(client: Client, cell: Cell) -> Outcome:
        number = numbers.get()
        place = folder / client.name / cell.key
        try:
            found = once(number, client, cell, place)
        finally:
            numbers.put(number)
        print(f"{client.name}, {cell.title}: {found} {found.fault}", file=sys.stderr, flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda each: outcome(*each), [(c, cell) for c in chosen for cell in cells]))
    for line in lines(chosen, cells, found):
        print(line)
    faults = any(each.seconds is None or each.slow for each in found)
    if only_clients is None and only_cells is None:
        print("\n| MiniBit peers on | over | |\n|---|---|---|")
        for name, protocol, came in trackers.played(lambda: _ground(0, alone), folder / "trackers", share):
            print(f"| {name} | {protocol} | {came} |", flush=True)
            faults |= came.startswith("✗")
    return int(faults)


def lines(chosen: list[Client], cells: list[Cell], found: list[Outcome]) -> Iterator[str]:
    """The table as Markdown, a column for each client."""
    yield f"| | {' | '.join(f'{client.name} {version(client)}' for client in chosen)} |"
    yield "|---" * (len(chosen) + 1) + "|"
    for cell in cells:
        row = [str(each) for client in chosen for each in found if (each.client, each.cell) == (client, cell)]
        yield f"| {cell.title} | {' | '.join(row)} |"


def _ground(number: int, alone: bool) -> Lan | Loopback:
    return Loopback() if alone else Lan(number)
