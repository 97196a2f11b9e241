"""A scenario: who takes part in a swarm, with which lines and manners, when they come and how they go.

One frozen value for live and simulated runs. It is only a description: `scenario_file` reads one,
`processes` and `simulator` play it. Sizes are bytes, rates are bytes per second (0 is no limit), times are
seconds since the start.
"""

import hashlib
import math
from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct, field

from minibit.engine.places import MAX_NEIGHBOURS, SEEKS
from minibit.errors import UsageError
from minibit.text import name_fault
from minibit.torrent.layout import MAX_BLOCK_SIZE, MAX_BLOCKS, MIN_BLOCK_SIZE, Layout, block_size_for
from minibit.units import rate, size

NAMES: Final = ("ana", "bia", "caio", "duda", "eva", "fabio", "gabi", "hugo", "iris", "joana", "lia", "nina")
FREE_RIDING: Final = "unchoke-none"
PEOPLE: Final = "peer"  # the class whose peers are called like people
MAX_SIMULATED: Final = 5000  # peers: as many as one tracker lists
LATENCY: Final = 0.002  # seconds, one way
MAX_LATENCY: Final = 5.0
MAX_SECONDS: Final = 1e5  # a day and more in which peers may come and go…
MAX_BOUND: Final = 1e7  # …and four months that a run may take at best
MAX_RATE: Final = 1e12


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


class PeerClass(Struct, frozen=True):
    """`count` peers alike.

    `upload` and `download` are what each limits itself to, live and simulated. `uplink` is what its line
    carries, simulated only; a simulated line carries no more than `download` either.
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
    def manners(self) -> str:
        """The choking strategy that it plays."""
        return FREE_RIDING if self.free_rider else self.choking

    @property
    def fastest(self) -> float:
        """Bytes per second that one of its peers can give at best; infinity is no limit."""
        if self.free_rider or self.liar:
            return 0.0
        return min(self.upload or math.inf, self.uplink or math.inf)


class OriginLine(Struct, frozen=True):
    """What an origin is like. It leaves when `copies` of every block are out, or after `leave_seconds`; 0 is
    never."""

    upload: float = 0.0
    uplink: float = 0.0
    choking: str = "tit-for-tat"
    copies: int = 0
    leave_seconds: float = 0.0

    @property
    def leaves(self) -> bool:
        return bool(self.copies or self.leave_seconds)

    @property
    def fastest(self) -> float:
        """Bytes per second that it can give at best; infinity is no limit."""
        return min(self.upload or math.inf, self.uplink or math.inf)


class Newcomer(Struct, frozen=True):
    """One peer of a scenario: what it is called, when it comes, and what it is like."""

    name: str
    arrives: float
    kind: PeerClass


class Scenario(Struct, frozen=True):
    """A whole run. `seed` decides all that is chance; `about` is a line for people.

    Raises:
        UsageError: on creation: such a swarm cannot be, or could not finish.
    """

    classes: tuple[PeerClass, ...]
    size: int
    block_size: int
    origin: OriginLine = field(default_factory=OriginLine)
    name: str = "swarm"
    about: str = ""
    grant: tuple[float, float] = (0.3, 0.5)
    latency: float = LATENCY  # one way, between any two
    neighbours: int = SEEKS  # how many each peer but the origin dials for
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
    def slowest(self) -> float:
        """The least bytes per second of any line or limit; infinity if there are none."""
        rates = [self.origin.upload, self.origin.uplink]
        for kind in self.classes:
            rates += [kind.upload, kind.uplink, kind.download]
        return min(filter(None, rates), default=math.inf)

    @property
    def bound(self) -> float:
        """The least seconds in which everybody can have everything, had all come at the start: D = max(F/u of
        the origin, N·F/Σu), Kumar & Ross 2006. Nobody is quicker than that or than its own line."""
        everyone = self.origin.fastest + sum(kind.count * kind.fastest for kind in self.classes)
        staying = [kind for kind in self.classes if kind.stays]
        slowest = min((kind.download for kind in staying if kind.download), default=math.inf)
        count = sum(kind.count for kind in staying)
        return max(self.size / self.origin.fastest, count * self.size / everyone, self.size / slowest)

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
    download: float = 0.0,
    picking: str = "rarest-first",
    choking: str = "tit-for-tat",
    grant: tuple[float, float] = (0.3, 0.5),
    seed: int = 0,
) -> Scenario:
    """What `minibit swarm` without a scenario plays: peers alike, who all come at once and stay."""
    return Scenario(
        (PeerClass(count=peers, upload=upload, download=download, picking=picking, choking=choking),),
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


def _fault(scenario: Scenario) -> str | None:
    """What is wrong with it: the key, and the remedy; None if it can be played."""
    kinds, origin = scenario.classes, scenario.origin
    if any(kind.count < 1 for kind in kinds) or not kinds:
        return "peers: nobody takes part: add a [[peers]] table, with a count of at least 1"
    if scenario.peers > MAX_SIMULATED:
        return f"peers: {scenario.peers:,} are too many: at most {MAX_SIMULATED:,}"
    if fault := _share_fault(scenario):
        return fault
    for where, each in [*(("peers", kind) for kind in kinds), ("origin", origin)]:
        for key in ("upload", "uplink", "download"):
            value = getattr(each, key, 0.0)
            if not (value == 0 or 1 <= value <= MAX_RATE):
                return f"{where}.{key}: {value:g} is no rate: write 0 for no limit, or like 500K/s"
    for kind in kinds:
        for key, seconds in (("start", kind.start), ("leave", kind.leave_seconds)):
            if not 0 <= seconds <= MAX_SECONDS:
                return f"peers.{key}: {seconds:g} s is no time: choose 0 or more"
        if kind.arrive is not Arrival.AT_ONCE and not 0 < kind.arrive_seconds <= MAX_SECONDS:
            return f"peers.arrive: {kind.arrive_seconds:g} s apart is no time: choose more than 0"
    if not scenario.bound <= MAX_BOUND:
        days = scenario.bound / 86400
        return f"upload: this would take {days:,.0f} days at best: raise the rates, or share less"
    if not 0 <= scenario.latency <= MAX_LATENCY:
        return f"latency: {scenario.latency:g} s is not one: choose 0–{MAX_LATENCY:g} seconds"
    if not 1 <= scenario.neighbours <= MAX_NEIGHBOURS:
        return f"neighbours: {scenario.neighbours} cannot be: choose 1–{MAX_NEIGHBOURS}"
    if origin.copies < 0 or not 0 <= origin.leave_seconds <= MAX_SECONDS:
        return "origin.leave: choose never, after 1 copy, or after 30s"
    return _newcomers_fault(scenario) or _cannot_finish(scenario)


def _share_fault(scenario: Scenario) -> str | None:
    block_size = scenario.block_size
    if scenario.size < 1:
        return "size: there is nothing to share: choose a size like 16M"
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE or block_size & (block_size - 1):
        return f"block-size: {block_size} cannot be: choose a power of two, {MIN_BLOCK_SIZE >> 10}K–16M"
    if scenario.layout.block_count > MAX_BLOCKS:
        return f"block-size: {size(block_size)} is too small for {size(scenario.size)}: choose a larger one"
    low, high = scenario.grant
    if not 0 <= low <= high <= 1:
        return "grant: it is LOW-HIGH in percent, like 30-50"
    return None


def _newcomers_fault(scenario: Scenario) -> str | None:
    names: dict[str, None] = {}
    newcomers = scenario.newcomers()
    if newcomers[-1].arrives > MAX_SECONDS:
        last = newcomers[-1].arrives
        return f"peers.arrive: the last would come after {last:,.0f} s: at most {MAX_SECONDS:,.0f} s"
    for newcomer in newcomers:
        if fault := name_fault(newcomer.name):
            return f"peers.name: {newcomer.name!r}: {fault}"
        if "/" in newcomer.name or newcomer.name in (".", "..", "tracker") or newcomer.name in names:
            return f"peers.name: {newcomer.name!r} is taken or no name for a folder: choose another one"
        names[newcomer.name] = None
    return None


def _cannot_finish(scenario: Scenario) -> str | None:
    origin = scenario.origin
    if not any(kind.stays for kind in scenario.classes):
        return "peers.leave: everybody leaves before the end: let somebody stay, or leave when complete"
    if origin.leave_seconds and origin.leave_seconds * origin.fastest < scenario.size:
        return (
            f"origin.leave: in {origin.leave_seconds:g} s at {rate(origin.fastest)} the origin cannot give "
            f"one copy of {size(scenario.size)}, and grants do not come without it: let it stay longer"
        )
    if origin.leaves and not any(kind.fastest for kind in scenario.classes):
        return "origin.leave: nobody uploads once the origin is gone: let it stay, or somebody give"
    if origin.choking == FREE_RIDING and _left_out(scenario) >= 1:
        return (
            f"origin.choking: with {FREE_RIDING} nothing leaves the origin but grants, and these do "
            "not cover every block: choose another one, or a larger grant"
        )
    return None


def _left_out(scenario: Scenario) -> float:
    """How many blocks, on average, nobody is granted."""
    low, high = scenario.grant
    return scenario.layout.block_count * float(1 - (low + high) / 2) ** scenario.peers
