"""One run of one contender: an origin, its peers, and what is measured of them. Alike for all contenders."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

from minibit.errors import MinibitError
from rig.comparison import Figure
from rig.ground import identical, loopback_bytes
from rig.measured_process import Crew, MeasuredProcess
from rig.task import Task

OPEN_SECONDS = 300.0  # for an origin to hash its share and stand by
LOOK_SECONDS = 0.001  # between two looks at the loopback's counter
CONTROL_BYTES = 256 << 10  # that a swarm's start carries besides the payload, and four times its torrent
COST = (
    Figure("cpu", "CPU s", ".1f", lower_wins=True),
    Figure("peak_origin", "origin MiB", ".0f", lower_wins=True),
    Figure("peak_peer", "peer MiB", ".0f", lower_wins=True),
)


@dataclass(frozen=True)
class Run:
    """Seconds are since the peers were launched. `registered`: how long each peer took from its own
    registration on, if the contender tells. `sent`: payload bytes, the origin's first."""

    first_byte: float  # to any peer
    complete: list[float]  # each peer: all verified and written
    registered: list[float]
    sent: list[int]
    cpu_origin: float  # from the launch to the last one's completion, as for the next
    cpu_peers: float
    peak_origin: float  # MiB
    peak_peer: float  # of the largest

    @property
    def last(self) -> float:
        return max(self.complete)

    @property
    def cost(self) -> dict[str, float]:
        """Its values for the `COST` figures."""
        return {
            "cpu": self.cpu_origin + self.cpu_peers,
            "peak_origin": self.peak_origin,
            "peak_peer": self.peak_peer,
        }


class Swarm(ABC):
    """How one contender does a `Task`; made anew for each run.

    `complete` is how the line begins that a peer says when it is complete; with `dials_at_launch`, a peer
    has nothing to do before it dials others.
    """

    name: ClassVar[str]
    complete: ClassVar[str]
    dials_at_launch: ClassVar[bool] = False

    def __init__(self, task: Task, folder: Path, crew: Crew) -> None:
        self.task = task
        self.folder = folder
        self.crew = crew

    @classmethod
    @abstractmethod
    def absence(cls) -> str | None:
        """What would bring it to this machine; None: it is there."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Which one it is, with its settings in a few words."""

    @abstractmethod
    def open(self) -> list[MeasuredProcess]:
        """Start the origin, and return its processes when it stands by."""

    @abstractmethod
    def launch(self, number: int) -> MeasuredProcess:
        """Start the peer `number` (from 0), which fetches at once to `copy(number)`."""

    @abstractmethod
    def sent(self) -> list[int]:
        """Payload bytes that each has sent, the origin first, once all are complete."""

    def registered(self) -> list[float]:
        """Seconds from each peer's own registration to its completion; none if that is not known."""
        return []

    def place(self, number: int) -> Path:
        """The folder of a peer."""
        return self.folder / f"peer{number}"

    def copy(self, number: int) -> Path:
        """Where a peer's copy is."""
        return self.place(number) / self.task.share.name


@dataclass
class _Counter:
    """Notes when the loopback has carried more than a start takes."""

    beyond: int
    noted: float | None = None
    over: Event = field(default_factory=Event)

    def watch(self) -> None:
        while not self.over.is_set():
            if loopback_bytes() > self.beyond:
                self.noted = time.monotonic()
                return
            time.sleep(LOOK_SECONDS)


def play(
    kind: type[Swarm], task: Task, folder: Path, tell: Callable[[str], None], limit_seconds: float
) -> Run:
    """One run, every byte compared.

    Raises:
        MinibitError: it did not come to its end, or a copy is wrong.
    """
    with Crew(folder) as crew:
        swarm = kind(task, folder, crew)
        for number in range(task.peers):
            swarm.place(number).mkdir()
        tell("the origin starts")
        origins = swarm.open()
        before = sum(each.cpu() for each in origins)
        torrent = 20 * task.metainfo.layout.block_count
        counter = _Counter(loopback_bytes() + CONTROL_BYTES + task.peers * 4 * torrent)
        watcher = Thread(target=counter.watch, daemon=True)
        watcher.start()
        begun = time.monotonic()
        peers = [swarm.launch(number) for number in range(task.peers)]
        try:
            ends = []
            for number, peer in enumerate(peers):
                tell(f"{number} of {task.peers} complete")
                left = limit_seconds - (time.monotonic() - begun)
                ends.append(peer.said(kind.complete, max(0.1, left))[0] - begun)
        finally:
            counter.over.set()
            watcher.join()
        cpu_origin = sum(each.cpu() for each in origins) - before
        cpu_peers = sum(each.cpu() for each in peers)
        peaks = max(each.peak() for each in origins), max(each.peak() for each in peers)
        sent, registered = swarm.sent(), swarm.registered()
    tell("comparing every byte")
    for number in range(task.peers):
        if not identical(task.share, swarm.copy(number)):
            raise MinibitError(f"{kind.name}: the copy of peer {number} is not the share")
    # The counter looks now and then: a small share may be there before it is seen to begin.
    first = min(ends if counter.noted is None else [counter.noted - begun, *ends])
    return Run(first, ends, registered, sent, cpu_origin, cpu_peers, *peaks)
