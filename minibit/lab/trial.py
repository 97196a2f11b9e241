"""One run of a scenario, in the figures by which runs are compared; small enough to be sent around."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, to_builtins

from minibit import __version__, bitfield, registry
from minibit.copies import Copies
from minibit.errors import MinibitError, StrategyError
from minibit.lab.evidence import jain, quantile
from minibit.lab.scenario import Scenario
from minibit.lab.simulator import Simulation
from minibit.snapshot import Summary

LOOKS: Final = 40  # at the copies of blocks, while the bound lasts…
MOST_LOOKS: Final = 160  # …and in all; then half of them are forgotten, and half as many follow


class Spread(Struct, frozen=True):
    """How many copies the blocks have among peers, the origin left out, `at` so many seconds."""

    at: float
    least: int
    mean: float
    most: int


class Trial(Struct, frozen=True):
    """How one run came out. Times are seconds; it counts the peers that were to stay until complete."""

    seed: int
    bound: float  # D: the least seconds in which the last one can be complete, from the start
    awaited: int
    times: tuple[float, ...]  # from their own arrival, of those that became complete
    moments: tuple[float, ...]  # from the start, of the same
    origin_carried: float  # sizes of the share that the origin uploaded
    waste: float  # bytes that came and were not needed, as a part of those that were
    copies: tuple[Spread, ...]

    @property
    def complete(self) -> bool:
        return len(self.times) == self.awaited

    @property
    def median(self) -> float | None:
        """Seconds in which half of the peers were complete."""
        return self._quantile(0.5)

    @property
    def late(self) -> float | None:
        """Seconds in which nine of ten were."""
        return self._quantile(0.9)

    @property
    def last(self) -> float | None:
        """When the last one was complete, in D; None without that, or if no line has a limit."""
        return max(self.moments) / self.bound if self.complete and self.bound else None

    @property
    def fairness(self) -> float | None:
        """Jain's index of the speeds at which peers downloaded: 1 if all were equally fast."""
        return jain([1 / time for time in self.times]) if self.complete else None

    def _quantile(self, part: float) -> float | None:
        missing = self.awaited - len(self.times)
        found = quantile([*self.times, *[float("inf")] * missing], part)
        return None if found == float("inf") else found

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = to_builtins(self)
        return document


def trial(scenario: Scenario, summary: Summary, copies: Iterable[Spread]) -> Trial:
    """What is to be remembered of a run of `scenario`, live or simulated."""
    arrivals = {newcomer.name: newcomer.arrives for newcomer in scenario.newcomers()}
    done = [row for row in summary.rows if row.stays and row.completed_after is not None]
    needed = len(done) * summary.total_size
    return Trial(
        seed=scenario.seed,
        bound=scenario.bound,
        awaited=summary.awaited,
        times=tuple(row.completed_after or 0.0 for row in done),
        moments=tuple(arrivals[row.name] + (row.completed_after or 0.0) for row in done),
        origin_carried=summary.origin_carried,
        waste=sum(row.downloaded for row in done) / needed - 1 if needed else 0.0,
        copies=tuple(copies),
    )


def simulated(scenario: Scenario, version: str = __version__) -> Trial:
    """Play `scenario` in virtual time, and say how it came out; `version` is whose figures are wanted.

    Raises:
        StrategyError: a strategy raised; its traceback travels with it.
        MinibitError: this is another MiniBit than that.
    """
    if version != __version__:
        raise MinibitError(
            f"a worker has MiniBit {__version__} and this is {version}: give all of them the same"
        )
    try:
        simulation = Simulation(scenario)
        looks = Looks(scenario)
        while not simulation.over:
            if simulation.run(looks.next):
                looks.look(simulation.now, simulation.holdings())
        looks.look(simulation.now, simulation.holdings())
    except StrategyError as error:
        error.trace = registry.trace_of(error)  # a cause does not travel between processes
        raise
    return trial(scenario, simulation.summary(), looks.taken)


class Looks:
    """Looks at who holds what, as often as a curve needs; `next` is when to look again."""

    def __init__(self, scenario: Scenario) -> None:
        self.taken: list[Spread] = []
        self._count = scenario.layout.block_count
        self._step = max(scenario.bound, 1.0) / LOOKS
        self.next = self._step

    def look(self, at: float, holdings: Iterable[int]) -> None:
        """At this moment, peers hold these blocks."""
        self.taken.append(spread(at, holdings, self._count))
        if len(self.taken) > MOST_LOOKS:
            self.taken = self.taken[1::2]
            self._step *= 2
        self.next = at + self._step


def spread(at: float, holdings: Iterable[int], count: int) -> Spread:
    """How many copies the `count` blocks have in `holdings`."""
    here, lacking = Copies(count), Copies(count)
    full = bitfield.full(count)
    held = peers = 0
    for blocks in holdings:
        here.add(blocks)
        lacking.add(full & ~blocks)
        held += blocks.bit_count()
        peers += 1
    return Spread(at, here.rarest(full)[0], held / count, peers - lacking.rarest(full)[0])
