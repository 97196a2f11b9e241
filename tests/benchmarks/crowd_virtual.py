"""How near a flash crowd comes to its lower bound, in virtual time: the real engines, no byte moved.

Run by hand, from the root of a checkout: `python tests/benchmarks/crowd_virtual.py [ROW …] [--seeds 10]`.
Each row is a crowd; each figure is a median over the seeds, with its range. The bound of a crowd that
comes at once is D = max(F/u of the origin, N·F/Σu) (Kumar & Ross 2006); one that comes one by one is
measured from each peer's own join, in F/u.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product

from msgspec.structs import replace

from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation

KIB, MIB = 1 << 10, 1 << 20
GRAIN = 1.0  # seconds of virtual time between two looks


def crowd(
    peers: int,
    mib: float,
    block_kib: int,
    rate: float,
    *,
    line: bool = False,
    latency: float = 0.002,
    **more: object,
) -> Scenario:
    """Peers alike, each with `rate` bytes/s: of its own limit, or of its `line`."""
    kind = "uplink" if line else "upload"
    return Scenario(
        (PeerClass(count=peers, **{kind: rate}, **more),),
        int(mib * MIB),
        block_kib * KIB,
        OriginLine(**{kind: rate}),
        latency=latency,
    )


def uneven(classes: list[tuple[int, float]], rate: float, *, line: bool = False) -> Scenario:
    """Classes of (count, bytes/s), 16 MiB in blocks of 64 KiB; the origin has `rate`."""
    kind = "uplink" if line else "upload"
    kinds = tuple(PeerClass(f"class{n}_", count, **{kind: each}) for n, (count, each) in enumerate(classes))
    return Scenario(kinds, 16 * MIB, 64 * KIB, OriginLine(**{kind: rate}))


def spread(peers: int, low: float, high: float) -> list[tuple[int, float]]:
    """As many classes of one peer, their rates spread evenly."""
    return [(1, low + (high - low) * n / (peers - 1)) for n in range(peers)]


POISSON = {"arrive": Arrival.POISSON, "arrive_seconds": 1.0}
LEAVES = {"leave": Departure.WHEN_COMPLETE}
ROWS: dict[str, Callable[[], Scenario]] = {
    "1": lambda: crowd(1, 16, 64, MIB),
    "2": lambda: crowd(2, 16, 64, MIB),
    "8": lambda: crowd(8, 64, 256, 4 * MIB),
    "8-line": lambda: crowd(8, 64, 256, 4 * MIB, line=True),
    "16": lambda: crowd(16, 64, 256, 2 * MIB),
    "16-small": lambda: crowd(16, 16, 64, MIB),
    "16-line": lambda: crowd(16, 16, 64, MIB, line=True),
    "32": lambda: crowd(32, 16, 64, MIB),
    "50": lambda: crowd(50, 16, 64, MIB),
    "16-leaving": lambda: crowd(16, 16, 64, MIB, **LEAVES),
    "16-halves": lambda: uneven(spread(16, 0.5 * MIB, 1.5 * MIB), MIB),
    "16-far": lambda: crowd(16, 16, 64, MIB, latency=0.05),
    "16-far-line": lambda: crowd(16, 16, 64, MIB, latency=0.05, line=True),
    "4+12": lambda: uneven([(4, 4 * MIB), (12, MIB / 4)], MIB),
    "4+12-line": lambda: uneven([(4, 4 * MIB), (12, MIB / 4)], MIB, line=True),
    "poisson": lambda: crowd(16, 16, 64, MIB, **POISSON),
    "poisson-leaving": lambda: crowd(16, 16, 64, MIB, **POISSON, **LEAVES),
}


def play(row: str, seed: int) -> dict[str, float]:
    """One run: seconds ÷ the bound (last, mean), the origin's share, waste, how busy uplinks were, CPU."""
    scenario = replace(ROWS[row](), seed=seed)
    before = time.process_time()
    simulation = Simulation(scenario)
    while not simulation.over:
        simulation.run(simulation.now + GRAIN)
    peers = list(simulation.peers.values())
    arrivals = scenario.classes[0].arrive is Arrival.POISSON
    bound = scenario.size / scenario.origin.fastest if arrivals else scenario.bound
    took = [
        float("inf") if p.completed_at is None else p.completed_at - (p.joined_at if arrivals else 0.0)
        for p in peers
    ]
    end = max(p.completed_at or simulation.now for p in peers)
    busy = [p.engine.uploads.total / p.kind.fastest / (end - p.joined_at) for p in peers]
    received = sum(p.engine.downloads.total for p in peers)
    return {
        "last": max(took) / bound,
        "mean": statistics.mean(took) / bound,
        "origin": simulation.origin.engine.uploads.total / scenario.size,
        "wasted %": 100 * (received / scenario.size / len(peers) - 1),
        "busy %": 100 * statistics.mean(busy),
        "CPU s": time.process_time() - before,
    }


def shown(values: list[float]) -> str:
    """A median and its range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", default=[], help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    chosen = parser.parse_args()
    with ProcessPoolExecutor(chosen.jobs) as pool:
        tasks = list(product(chosen.rows or ROWS, range(1, chosen.seeds + 1)))
        runs = zip(tasks, pool.map(play, *zip(*tasks, strict=True)), strict=True)
        for row in chosen.rows or ROWS:
            results = [next(runs)[1] for _ in range(chosen.seeds)]
            cells = (f"{name} {shown([r[name] for r in results])}" for name in results[0])
            print(f"{row:16} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
