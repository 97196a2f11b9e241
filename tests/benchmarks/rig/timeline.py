"""How busy each uplink was, moment by moment: read from event logs, drawn in characters.

A peer's log says once a second what it has uploaded in all, and once what limits it; between two such
moments it uploaded evenly, as far as anybody knows.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from minibit.eventlog.reading import Reader
from minibit.events.kinds import Completed, Joined, Sampled
from minibit.text import ORIGIN

SHADES = " ▁▂▃▄▅▆▇█"  # from idle to full
WIDTH = 80  # columns at most


@dataclass(frozen=True)
class Timeline:
    """Parts of each uplink that were in use, 0–1, in steps of `step` seconds, until the last peer was
    complete. `rates` are their limits; one without is measured by the most that it gave."""

    step: float
    busy: dict[str, list[float]]
    rates: dict[str, float]

    @property
    def mean(self) -> float:
        """Of all peers' uplinks, each by its rate; the origin's is left out."""
        peers = [name for name in self.busy if name != ORIGIN]
        given = sum(self.rates[name] * mean(self.busy[name]) for name in peers)
        return given / sum(self.rates[name] for name in peers)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {"step": self.step, "mean": self.mean, "rates": self.rates, "busy": self.busy}


def read(logs: Sequence[Path], width: int = WIDTH) -> Timeline:
    """The timeline of one swarm, whose log is one file or one per process.

    Raises:
        UsageError: one of them is no event log.
    """
    uploaded: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    limits: dict[str, float] = {}
    launches: list[float] = []
    ends: list[float] = []
    for path in logs:
        with Reader(path) as reader:
            for entry, _ in reader.entries():
                at = reader.header.start + entry.t
                match entry.event:
                    case Joined(origin=origin, upload_limit=limit):
                        limits[entry.peer] = limit
                        uploaded[entry.peer].append((at, 0.0))
                        if not origin:
                            launches.append(at)
                    case Sampled(uploaded=total):
                        uploaded[entry.peer].append((at, total))
                    case Completed():
                        ends.append(at)
    start, end = min(launches, default=0.0), max(ends, default=1.0)
    step = max(1.0, (end - start) / width)
    given = {name: list(_steps(points, start, end, step)) for name, points in by_name(uploaded)}
    rates = {name: limits.get(name) or max(given[name], default=0.0) or 1.0 for name in given}
    busy = {name: [min(1.0, each / rates[name]) for each in given[name]] for name in given}
    return Timeline(step, busy, rates)


def drawn(timeline: Timeline) -> str:
    """A row per uplink, a column per step."""
    width = max(map(len, timeline.busy), default=0)
    rows = [
        f"{name:{width}} {''.join(shade(part) for part in parts)}| {100 * mean(parts):3.0f} %"
        for name, parts in timeline.busy.items()
    ]
    about = f"a column is {timeline.step:.1f} s; peers' uplinks were {100 * timeline.mean:.0f} % busy"
    return "\n".join((*rows, about))


def shade(part: float) -> str:
    """How full a column is drawn."""
    return SHADES[round(max(0.0, min(1.0, part)) * (len(SHADES) - 1))]


def by_name(uploaded: dict[str, list[tuple[float, float]]]) -> list[tuple[str, list[tuple[float, float]]]]:
    """The origin first, and peer2 before peer10."""
    return sorted(uploaded.items(), key=lambda each: (each[0] != ORIGIN, len(each[0]), each[0]))


def _steps(points: list[tuple[float, float]], start: float, end: float, step: float) -> Iterator[float]:
    """Bytes per second in each step."""
    at = start
    while at + step / 2 < end:
        until = min(at + step, end)
        yield (_total(points, until) - _total(points, at)) / (until - at)
        at = until


def _total(points: list[tuple[float, float]], at: float) -> float:
    """What had been uploaded by then."""
    after = bisect_right(points, (at, float("inf")))
    if after in (0, len(points)):
        return points[min(after, len(points) - 1)][1]
    (t0, before), (t1, later) = points[after - 1], points[after]
    return before + (later - before) * (at - t0) / (t1 - t0) if t1 > t0 else later
