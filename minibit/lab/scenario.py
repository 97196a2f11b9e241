"""A scenario: who takes part in a swarm, with which lines and manners, when they come and how they go.

One frozen value for live and simulated runs. It is only a description: `scenario_file` reads one,
`processes` and `simulator` play it. Sizes are bytes, rates are bytes per second (0 is no limit), times are
seconds since the start.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from minibit.errors import UsageError
from minibit.text import ORIGIN, name_fault
from minibit.torrent.layout import Layout, block_size_for

NAMES: Final = ("ana", "bia", "caio", "duda", "eva", "fabio", "gabi", "hugo", "iris", "joana", "lia", "nina")
PEOPLE: Final = "peer"  # the class whose peers are called like people
MAX_LIVE: Final = 100  # peers that are processes of this machine…
MAX_SIMULATED: Final = 5000  # …and that are simulated: as many as one tracker lists
LATENCY: Final = 0.002  # seconds, one way
NEIGHBOURS: Final = 50


class Arrival(StrEnum):
    """How the peers of a class come; the last two take seconds."""

    AT_ONCE = "at once"
    EVERY = "every"
    POISSON = "poisson"


class Departure(StrEnum):
    """How a peer goes; the last three take seconds since it came."""

    NEVER = "never"
    WHEN_COMPLETE = "when complete"
    AFTER = "after"  # with a goodbye
    KILLED = "killed after"  # its connections break, nobody is told
    SILENT = "silent after"  # nothing breaks, nothing comes any more


@dataclass(frozen=True, slots=True)
class PeerClass:
    """`count` peers alike.

    `upload` is what each limits itself to, live and simulated. `uplink` and `download` are what its line
    carries, simulated only.
    """

    name: str = PEOPLE
    count: int = 1
    upload: float = 0.0
    uplink: float = 0.0
    download: float = 0.0
    start: float = 0.0
    arrive: Arrival = Arrival.AT_ONCE
    arrive_seconds: float = 0.0
    leave: Departure = Departure.NEVER
    leave_seconds: float = 0.0
    picking: str = "rarest-first"
    choking: str = "tit-for-tat"
    free_rider: bool = False  # takes and never gives
    liar: bool = False  # what it gives is wrong

    @property
    def stays(self) -> bool:
        """Whether its peers are there until they are complete, or longer."""
        return self.leave in (Departure.NEVER, Departure.WHEN_COMPLETE)

    @property
    def fastest(self) -> float:
        """Bytes per second that one of its peers can give at best; infinity is no limit."""
        if self.free_rider or self.liar:
            return 0.0
        return min(self.upload or float("inf"), self.uplink or float("inf"))


@dataclass(frozen=True, slots=True)
class OriginLine:
    """What an origin is like. It leaves when `copies` of every block are out; 0 is never."""

    upload: float = 0.0
    uplink: float = 0.0
    choking: str = "tit-for-tat"
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One peer of a scenario: what it is called, when it comes, and what it is like."""

    name: str
    arrives: float
    kind: PeerClass


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole run. `seed` decides all that is chance; `about` is a line for people.

    Raises (on creation):
        UsageError: such a swarm cannot be, or could not finish.
    """

    classes: tuple[PeerClass, ...]
    size: int
    block_size: int
    origin: OriginLine = OriginLine()
    name: str = "swarm"
    about: str = ""
    grant: tuple[float, float] = (0.3, 0.5)
    latency: float = LATENCY  # one way, between any two
    neighbours: int = NEIGHBOURS  # how many each peer looks for
    seed: int = 0

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise UsageError(f"scenario {self.name!r}: {fault}")

    @property
    def layout(self) -> Layout:
        return Layout(self.size, self.block_size)

    @property
    def info_hash(self) -> bytes:
        """What stands for the share that is never read."""
        return hashlib.sha1(f"{self.name} {self.layout}".encode()).digest()

    @property
    def peers(self) -> int:
        return sum(kind.count for kind in self.classes)

    @property
    def bound(self) -> float:
        """The least seconds in which everybody can have everything, had all come at the start: D = max(F/u of
        the origin, N·F/Σu), Kumar & Ross 2006. Nobody is quicker than that or than its own line."""
        seconds = self.size / min(self.origin.upload or float("inf"), self.origin.uplink or float("inf"))
        everyone = min(self.origin.upload or float("inf"), self.origin.uplink or float("inf"))
        everyone += sum(kind.count * kind.fastest for kind in self.classes)
        slowest = min((kind.download for kind in self.classes if kind.download), default=float("inf"))
        return max(seconds, self.peers * self.size / everyone, self.size / slowest)

    def newcomers(self) -> list[Newcomer]:
        """Every peer, in the order in which they come; the same each time."""
        rng = Random(f"{self.seed} arrivals")
        everyone: list[Newcomer] = []
        people = iter(_people())
        for kind in self.classes:
            at = kind.start
            for number in range(1, kind.count + 1):
                if kind.arrive is Arrival.POISSON:
                    at += rng.expovariate(1 / kind.arrive_seconds)
                if kind.name == PEOPLE:
                    name = next(people)
                else:
                    name = kind.name if kind.count == 1 else f"{kind.name}{number}"
                everyone.append(Newcomer(name, at, kind))
                if kind.arrive is Arrival.EVERY:
                    at += kind.arrive_seconds
        return sorted(everyone, key=lambda newcomer: newcomer.arrives)


def plain(
    peers: int,
    size: int,
    block_size: int | None,
    *,
    upload: float = 0.0,
    picking: str = "rarest-first",
    choking: str = "tit-for-tat",
    grant: tuple[float, float] = (0.3, 0.5),
    seed: int = 0,
) -> Scenario:
    """What `minibit swarm` without a scenario plays: peers alike, who all come at once and stay."""
    return Scenario(
        (PeerClass(count=peers, upload=upload, picking=picking, choking=choking),),
        size,
        block_size or block_size_for(size),
        OriginLine(upload=upload, choking=choking),
        grant=grant,
        seed=seed,
    )


def _people() -> Iterator[str]:
    number = 0
    while True:
        yield NAMES[number] if number < len(NAMES) else f"{PEOPLE}{number + 1}"
        number += 1


def _fault(scenario: Scenario) -> str:
    """What is wrong with it: the key, and the remedy; nothing if it can be played."""
    if not scenario.peers:
        return "no peers: add a [[peers]] table with a count of at least 1"
    if scenario.peers > MAX_SIMULATED:
        return f"peers: {scenario.peers} are too many: choose at most {MAX_SIMULATED:,}"
    return ""


_ = (ORIGIN, name_fault)
