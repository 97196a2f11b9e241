"""One run watched for a researcher: what each peer gave and got, and who was there, moment by moment."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, to_builtins

from minibit import bitfield
from minibit.lab.scenario import Scenario
from minibit.lab.simulator import Simulation

LOOKS: Final = 60  # at a run of a fixed length
MANY: Final = 1 << 62  # events


class Run(Struct, frozen=True):
    """What is to be played: until everybody is complete, or for so many `seconds` whatever became of it."""

    scenario: Scenario
    seconds: float | None = None


class Part(Struct, frozen=True):
    """What one peer did. Times are seconds since the start, `line` is the bytes per second it can give.

    It was `present` for so many seconds: until it left, or the run ended.
    """

    name: str
    kind: str
    line: float
    arrived: float
    completed: float | None
    present: float
    uploaded: int
    downloaded: int

    @property
    def took(self) -> float | None:
        """Seconds from its own arrival until it was complete."""
        return None if self.completed is None else self.completed - self.arrived


class Moment(Struct, frozen=True):
    """`peers` are there `at` so many seconds; of these `club` lack the same one block and nothing else."""

    at: float
    peers: int
    club: int


class Observation(Struct, frozen=True):
    """All that is remembered of a run, small enough to be sent around. `moments` are of fixed-length runs."""

    seed: int
    ended: float
    bound: float  # D, in seconds (Kumar & Ross 2006)
    size: int
    granted: int  # bytes that the tracker granted, to all peers together
    origin_uploaded: int
    parts: tuple[Part, ...]
    moments: tuple[Moment, ...]

    @property
    def complete(self) -> bool:
        """Whether everybody who came became complete."""
        return all(part.completed is not None for part in self.parts)

    @property
    def last(self) -> float | None:
        """When the last one was complete; None if somebody never was."""
        done = [part.completed for part in self.parts if part.completed is not None]
        return max(done) if done and len(done) == len(self.parts) else None

    @property
    def utilisation(self) -> float:
        """Which part of what peers' uplinks could have carried while they were there they did carry."""
        could = sum(part.line * part.present for part in self.parts)
        return sum(part.uploaded for part in self.parts) / could if could else 0.0

    def of(self, kind: str) -> list[Part]:
        """The peers of one class."""
        return [part for part in self.parts if part.kind == kind]

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = to_builtins(self)
        return document


def observed(run: Run) -> Observation:
    """Play this run in virtual time, and say what was seen."""
    scenario = run.scenario
    simulation = Simulation(scenario)
    moments: list[Moment] = []
    if run.seconds is None:
        simulation.run(float("inf"))
    else:
        for look in range(1, LOOKS + 1):
            at = run.seconds * look / LOOKS
            simulation.clock.run(at, MANY, lambda: False)  # even if all are complete by then
            moments.append(moment(at, simulation.holdings(), scenario.layout.block_count))
    ended = simulation.now
    came = [newcomer for newcomer in simulation.newcomers if newcomer.name in simulation.peers]
    parts = []
    for newcomer in came:
        peer = simulation.peers[newcomer.name]
        until = ended if peer.alive or peer.completed_at is None else peer.completed_at
        parts.append(
            Part(
                name=newcomer.name,
                kind=newcomer.kind.name,
                line=newcomer.kind.fastest,
                arrived=newcomer.arrives,
                completed=peer.completed_at,
                present=until - newcomer.arrives,
                uploaded=peer.engine.uploads.total,
                downloaded=peer.engine.downloads.total,
            )
        )
    return Observation(
        seed=scenario.seed,
        ended=ended,
        bound=scenario.bound,
        size=scenario.size,
        granted=sum(scenario.layout.size_of(peer.granted) for peer in simulation.peers.values()),
        origin_uploaded=simulation.origin.engine.uploads.total,
        parts=tuple(parts),
        moments=tuple(moments),
    )


def moment(at: float, holdings: Sequence[int], blocks: int) -> Moment:
    """How it stands when peers hold these sets of so many blocks."""
    full = bitfield.full(blocks)
    lacking = Counter(full & ~held for held in holdings if held.bit_count() == blocks - 1)
    return Moment(at, len(holdings), max(lacking.values(), default=0))
