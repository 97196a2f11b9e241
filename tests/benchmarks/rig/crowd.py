"""Crowds: who comes, how quick each uplink is, and the figures that tell how near the bound they end."""

import re
from dataclasses import dataclass
from statistics import mean

from minibit.errors import UsageError
from minibit.units import parse_size
from rig.comparison import Figure
from rig.swarm import Run
from rig.task import Task

FORM = "write it like 8x4M, or 4x4M+12x256K@1M with the origin's rate behind the @"
SLOWEST = 6.0  # × D, before a run is given up
SPARE_SECONDS = 60.0


@dataclass(frozen=True)
class Crowd:
    """Peers that come at once, each with its limit, in bytes per second; `name` is how it is written."""

    name: str
    origin: int
    limits: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Crowd":
        """`COUNTxRATE+…@RATE`; without the last, the origin is like the first class.

        Raises:
            UsageError: it is not written like that.
        """
        classes, _, origin = text.partition("@")
        limits: list[int] = []
        for each in classes.split("+"):
            found = re.fullmatch(r"(\d{1,4})x(\w+)", each)
            if found is None or not int(found[1]):
                raise UsageError(f"{text!r} is no crowd: {FORM}")
            limits += [parse_size(found[2], "crowd")] * int(found[1])
        return cls(text, parse_size(origin, "crowd") if origin else limits[0], tuple(limits))


FIGURES = (
    Figure("launch", "÷ D from launch", ".3f", lower_wins=True),
    Figure("begun", "÷ D from registration", ".3f", lower_wins=True),
    Figure("mean", "mean ÷ D", ".3f", lower_wins=True),
    Figure("origin", "origin ×", ".3f", lower_wins=True),
    Figure("wasted", "wasted %", ".2f"),
    Figure("cpu", "CPU s", ".1f", lower_wins=True),
    Figure("peak_origin", "origin MiB", ".0f", lower_wins=True),
    Figure("peak_peer", "peer MiB", ".0f", lower_wins=True),
)


def measured(run: Run, task: Task) -> dict[str, float]:
    """The `FIGURES` of one run. "From registration" is from each peer's own, or, where a contender does not
    tell that, from the first payload byte. Wasted is what was sent beyond one copy for each peer."""
    bound, size = task.bound, task.size
    begun = max(run.registered, default=run.last - run.first_byte)
    return {
        "launch": run.last / bound,
        "begun": begun / bound,
        "mean": mean(run.complete) / bound,
        "origin": run.sent[0] / size,
        "wasted": 100 * (sum(run.sent) / size / task.peers - 1),
        "cpu": run.cpu_origin + run.cpu_peers,
        "peak_origin": run.peak_origin,
        "peak_peer": run.peak_peer,
    }


def patience(task: Task) -> float:
    """Seconds after which a run is given up."""
    return SLOWEST * task.bound + SPARE_SECONDS
