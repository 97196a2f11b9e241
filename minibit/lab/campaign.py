"""Many swarms under misfortune, one per seed and mode, and the tally of what came of them."""

import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from minibit.lab.chaos import Chaos, Outcome
from minibit.lab.faults import Mode, drawn
from minibit.lab.simulated_log import SimulatedLog


class Tried(Struct, frozen=True):
    """What came of one run: how it ended, or the traceback that ended it; `cpu` is seconds of a core."""

    seed: int
    mode: Mode
    outcome: Outcome | None
    cpu: float
    trace: str = ""

    @property
    def findings(self) -> tuple[str, ...]:
        """What should not have been."""
        return (self.trace,) if self.outcome is None else self.outcome.findings

    @property
    def again(self) -> str:
        """The command that plays it once more."""
        return f"minibit chaos --seed {self.seed} --mode {self.mode} --log FILE"


def tried(run: tuple[int, Mode], log: Path | None = None) -> Tried:
    """Play this seed in this mode; what it raises is a finding too."""
    seed, mode = run
    began = time.process_time()
    plan = drawn(seed, mode)
    remarks: list[str] = []
    watcher = None if log is None else SimulatedLog(log, plan.scenario, tell=remarks.append)
    chaos = Chaos(plan, watcher)
    if watcher is not None:
        watcher.keep_time(chaos.simulation.clock)
    try:
        outcome, trace = chaos.run(), ""
    except Exception:
        outcome, trace = None, traceback.format_exc()
    finally:
        if watcher is not None:
            watcher.close(chaos.simulation.now)
    return Tried(seed, mode, outcome, time.process_time() - began, "\n".join((trace, *remarks)).strip())


def runs(seeds: Iterable[int], modes: Iterable[Mode]) -> list[tuple[int, Mode]]:
    """Every seed in every mode, in an order in which both get on."""
    wanted = tuple(modes)
    return [(seed, mode) for seed in seeds for mode in wanted]


class Tally(Struct):
    """What all of them came to."""

    runs: int = 0
    virtual_seconds: float = 0.0
    cpu: float = 0.0
    events: int = 0
    faults: int = 0
    complete: int = 0  # runs in which everybody honest ended complete…
    halted: int = 0  # …and those in which somebody did not, as it may be
    slowest: float = 0.0  # virtual seconds from the last fault until all was well again, at most
    bad: list[Tried] = field(default_factory=list)

    def add(self, one: Tried) -> None:
        """One more run."""
        self.runs += 1
        self.cpu += one.cpu
        if one.findings:
            self.bad.append(one)
        if (outcome := one.outcome) is not None:
            self.virtual_seconds += outcome.seconds
            self.events += outcome.events
            self.faults += outcome.faults
            self.complete += not outcome.lacking
            self.halted += bool(outcome.lacking) and not one.findings
            if not one.findings:
                self.slowest = max(self.slowest, outcome.recovered_after)

    @property
    def hours(self) -> float:
        """Virtual hours."""
        return self.virtual_seconds / 3600

    def lines(self) -> list[str]:
        """For people."""
        pace = f", {self.hours / self.cpu:.2f} per core-second" if self.cpu else ""
        return [
            f"{self.runs:,} runs, {self.hours:,.0f} virtual hours{pace}; {self.faults:,} faults, "
            f"{self.events:,} events",
            f"{self.complete:,} ended complete, {self.halted:,} otherwise and as they may, "
            f"{len(self.bad):,} with findings; slowest recovery {self.slowest:,.0f} virtual seconds",
        ]

    def to_json(self) -> dict[str, Any]:
        """The whole tally, findings included."""
        return {
            "runs": self.runs,
            "virtual_hours": self.hours,
            "core_seconds": self.cpu,
            "events": self.events,
            "faults": self.faults,
            "complete": self.complete,
            "halted": self.halted,
            "slowest_recovery": self.slowest,
            "findings": [
                {"seed": one.seed, "mode": one.mode, "findings": list(one.findings), "again": one.again}
                for one in sorted(self.bad, key=lambda one: (one.seed, one.mode))
            ],
        }
