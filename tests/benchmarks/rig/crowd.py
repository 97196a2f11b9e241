"""Crowds: who comes, how quick each uplink is, how near its bound each ends, and what that cost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from minibit.errors import UsageError
from minibit.units import parse_size
from rig.aria2_swarm import Aria2Swarm
from rig.comparison import Figure
from rig.ground import folder
from rig.libtorrent_swarm import LibtorrentSwarm, SuperSeeding
from rig.meeting import Meeting, Tell, bytes_of
from rig.minibit_swarm import MinibitCommands, MinibitSwarm
from rig.swarm import COST, Run, Swarm, play
from rig.task import Task, prepare
from rig.timeline import drawn, read

CONTENDERS: dict[str, type[Swarm]] = {
    each.name: each for each in (MinibitSwarm, LibtorrentSwarm, SuperSeeding, Aria2Swarm)
}
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
    *COST,
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
        **run.cost,
    }


def patience(task: Task) -> float:
    """Seconds after which a run is given up."""
    return SLOWEST * task.bound + SPARE_SECONDS


def kinds(*, commands: bool) -> dict[str, type[Swarm]]:
    """The contenders; with `commands`, MiniBit's peers are not forked."""
    return CONTENDERS | ({MinibitSwarm.name: MinibitCommands} if commands else {})


def hold(
    meeting: Meeting,
    crowd: Crowd,
    size: str,
    blocks: int,
    kinds: Mapping[str, type[Swarm]],
    *,
    timeline: bool = False,
) -> None:
    """Play one crowd with a share of `size` in so many blocks; then show how busy its uplinks were, if that
    is wanted."""
    chosen, length = meeting.chosen, bytes_of(size)
    with folder(chosen.work, (1 + len(crowd.limits)) * length) as place:
        share, metainfo = prepare(place, length, length // blocks, meeting.say)
        task = Task(share, metainfo, crowd.origin, crowd.limits)
        logs = place / "logs"
        if timeline:
            logs.mkdir()
            MinibitSwarm.logs = logs

        def once(name: str, tell: Tell) -> dict[str, float]:
            for log in logs.glob("*") if name == MinibitSwarm.name else ():
                log.unlink()
            with folder(place, task.peers * length) as work:
                return measured(play(kinds[name], task, work, tell, patience(task)), task)

        meeting.hold(f"crowd {crowd.name}, {size}, D = {task.bound:.1f} s", FIGURES, once)
        if timeline:
            busy = read(list(logs.iterdir()))
            meeting.show(drawn(busy))
            meeting.note(f"timeline {crowd.name}", busy.document())
