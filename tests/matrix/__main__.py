"""`python -m tests.matrix`: other people's clients and MiniBit, every one with the other, as a table.

    python -m tests.matrix                                every client that is installed, every cell
    python -m tests.matrix --client aria2 --cell mixed    some of them
    python -m tests.matrix --keep out                     what every program said is kept there
    python -m tests.matrix --list                         which clients are here
    python -m tests.matrix --trackers                     only other people's trackers

Every swarm lives in network namespaces of its own, at the clients' default settings and ports; without leave
for that, on loopback, with those that trade there. Every copy is compared byte by byte. In brackets: the
seconds with libtorrent in MiniBit's place. The exit code is 1 unless every cell is right.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))  # as pytest has it

from e2e.running import write_random  # noqa: E402
from matrix import lan  # noqa: E402
from matrix.cells import CELLS  # noqa: E402
from matrix.clients import CLIENTS, installed, version  # noqa: E402
from matrix.table import Ground, print_table, print_trackers  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix", description="Foreign clients and MiniBit."
    )
    names, keys = [client.name for client in CLIENTS], [cell.key for cell in CELLS]
    parser.add_argument(
        "--client", action="append", choices=names, help="only this client; repeat it for more"
    )
    parser.add_argument("--cell", action="append", choices=keys, help="only this cell; repeat it for more")
    parser.add_argument("--trackers", action="store_true", help="only MiniBit peers on foreign trackers")
    parser.add_argument("--uncompared", action="store_true", help="never with libtorrent in MiniBit's place")
    parser.add_argument("--size", type=int, default=8, metavar="MIB", help="of the share (8)")
    parser.add_argument("--jobs", type=int, default=2, help="swarms at a time (2)")
    parser.add_argument("--keep", type=Path, help="a new folder for all that the programs write")
    parser.add_argument("--list", action="store_true", help="say which clients are here, and end")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    if asked.list:
        for client in CLIENTS:
            print(f"{client.name}: {version(client) if installed(client) else 'not here'}")
        return 0
    if not asked.inside and (enclosing := lan.enclosing()) is not None:
        command = [*enclosing, sys.executable, "-m", "tests.matrix", "--inside", *sys.argv[1:]]
        return subprocess.call(command, cwd=TESTS.parent)
    if asked.inside:
        lan.enclosed()
    with tempfile.TemporaryDirectory(prefix="matrix-") as temporary:
        folder = asked.keep.absolute() if asked.keep else Path(temporary)
        os.makedirs(folder, exist_ok=True)
        share = write_random(folder / "share" / "film.bin", asked.size << 20)
        ground = Ground(not asked.inside, folder, share)
        some = asked.client or asked.cell
        right = True
        if some or not asked.trackers:
            clients = [client for client in CLIENTS if client.name in (asked.client or [client.name])]
            cells = [cell for cell in CELLS if cell.key in (asked.cell or [cell.key])]
            right &= print_table(ground, clients, cells, compared=not asked.uncompared, jobs=asked.jobs)
        if asked.trackers or not some:
            right &= print_trackers(ground)
    return int(not right)


if __name__ == "__main__":
    raise SystemExit(main())
