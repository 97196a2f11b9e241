"""Swarms under misfortune in virtual time, one after another on every core: see `minibit.lab.chaos`.

Run by hand, from the root of a checkout:

    python -m tests.soak.chaos                       two hundred seeds
    python -m tests.soak.chaos --seeds 5000 --first 1000
    python -m tests.soak.chaos --first 17 --seeds 1 --log 17.jsonl

A seed that finds something is named with what it found, and the exit code is then 1; alone, with `--log`, it
leaves an event log that `minibit replay` shows.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

from minibit.lab.chaos import Chaos, Outcome
from minibit.lab.faults import drawn
from minibit.lab.simulated_log import SimulatedLog


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one seed: how it ended, or the traceback that ended it."""

    seed: int
    outcome: Outcome | None
    trace: str = ""

    @property
    def findings(self) -> tuple[str, ...]:
        return (self.trace,) if self.outcome is None else self.outcome.findings


def tried(seed: int, log: Path | None = None) -> Tried:
    """Play this seed; what it raises is a finding too."""
    plan = drawn(seed)
    watcher = None if log is None else SimulatedLog(log, plan.scenario, tell=print)
    chaos = Chaos(plan, watcher)
    if watcher is not None:
        watcher.keep_time(chaos.simulation.clock)
    try:
        return Tried(seed, chaos.run())
    except Exception:
        return Tried(seed, None, traceback.format_exc())
    finally:
        if watcher is not None:
            watcher.close(chaos.simulation.now)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.chaos", description="Swarms under misfortune."
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--log", type=Path, help="the event log of a single seed")
    chosen = parser.parse_args()
    if chosen.log is not None and chosen.seeds != 1:
        parser.error("--log is for a single seed: add --seeds 1")
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.log is not None:
        return _report([tried(chosen.first, chosen.log)], 1)
    with Pool(chosen.processes) as pool:
        return _report(pool.imap_unordered(tried, seeds), len(seeds))


def _report(results: Iterable[Tried], count: int) -> int:
    started = time.monotonic()
    bad: list[int] = []
    hours, events, faults, complete, with_reason = 0.0, 0, 0, 0, 0
    for number, one in enumerate(results, start=1):
        if one.outcome is not None:
            hours += one.outcome.seconds / 3600
            events += one.outcome.events
            faults += one.outcome.faults
            complete += not one.outcome.lacking
            with_reason += bool(one.outcome.lacking) and not one.findings
        if one.findings:
            bad.append(one.seed)
            print(f"seed {one.seed}:", *one.findings, sep="\n  ", flush=True)
        if number % 10 == 0 or number == count:
            print(
                f"{number}/{count} seeds in {time.monotonic() - started:.0f} s: {hours:,.0f} virtual hours, "
                f"{faults:,} faults, {events:,} events; {complete} ended complete, {with_reason} with a "
                f"reason, {len(bad)} with findings",
                flush=True,
            )
    if bad:
        print(f"findings in seeds {', '.join(map(str, sorted(bad)))}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
