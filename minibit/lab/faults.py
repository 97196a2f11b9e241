"""What goes wrong in a swarm, and when: drawn from a seed, so that any run can be had again.

A plan is only a description: who takes part, on which lines, and what befalls whom; `chaos` plays it.
"""

from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

from minibit.engine.places import SEEKS
from minibit.lab.scenario import Arrival, OriginLine, PeerClass, Scenario
from minibit.text import ORIGIN

HOUR: Final = 3600.0
KIB: Final = 1024
STORMS: Final = (60.0, 120.0, 300.0, 300.0, 600.0, HOUR, 4 * HOUR)  # s; in short ones much befalls each
LINES: Final = (2.0, 30.0, 120.0, 600.0)  # s that an honest line takes for the share…
SLOWEST: Final = 5_000.0  # …but it carries so many bytes per second
TRICKLES: Final = (2_000.0, 10_000.0)  # …and one that hardly carries anything…
LEAST: Final = 300.0  # …but this: on less, a chunk takes longer than anybody is silent
BLOCKS: Final = (16, 32, 64, 256, 1024)  # KiB
LATENCIES: Final = (0.002, 0.05, 0.5)
HEARTBEATS: Final = (1.0, 5.0, 20.0)  # s between those of a peer, as in swarms of few and of many
NEIGHBOURS: Final = (2, 3, 5, 10, SEEKS)


class Mode(StrEnum):
    """What is asked of a swarm."""

    SAFETY = "safety"  # anything happens to anybody, all the time: nobody believes in what is wrong
    LIVENESS = "liveness"  # the faults stop: everybody becomes complete, or can say what is gone


class Kind(StrEnum):
    """What may happen; those in the second half take back one of the first."""

    KILLED = "killed"  # its memory is lost
    LEFT = "left"  # with a goodbye
    SILENT = "silent"  # nothing breaks, nothing comes any more
    CUT = "cut"  # nothing passes between it and another one
    CLOGGED = "clogged"  # its line carries `rate`
    SPOILT = "spoilt"  # its memory: no hash of these blocks is right, whoever sent them
    ROTTEN = "rotten"  # its disk has lost these blocks
    LYING = "lying"  # what it sends is wrong
    ASLEEP = "asleep"  # its process stands still
    OUTAGE = "outage"  # the tracker's process is gone, its origin with it, and all that it knew

    RESTARTED = "restarted"  # by the same line
    EMPTIED = "emptied"  # the same, and its disk is lost
    HEALED = "healed"
    FREED = "freed"
    MENDED = "mended"
    AWAKE = "awake"  # for it, time has jumped
    REOPENED = "reopened"


AFTER: Final = {
    Kind.KILLED: Kind.RESTARTED,
    Kind.LEFT: Kind.RESTARTED,
    Kind.SILENT: Kind.RESTARTED,
    Kind.CUT: Kind.HEALED,
    Kind.CLOGGED: Kind.FREED,
    Kind.SPOILT: Kind.MENDED,
    Kind.ASLEEP: Kind.AWAKE,
    Kind.OUTAGE: Kind.REOPENED,
}


class Fault(Struct, frozen=True):
    """This befalls `who` at `at`; `whom` is the other one of a cut, `blocks` a bitfield."""

    at: float
    kind: Kind
    who: str
    whom: str = ""
    rate: float = 0.0
    blocks: int = 0


class Plan(Struct, frozen=True):
    """A swarm, and what befalls it in its first `storm` seconds, in order."""

    scenario: Scenario
    faults: tuple[Fault, ...]
    storm: float
    mode: Mode = Mode.LIVENESS
    heartbeat: float = 1.0


def drawn(seed: int, mode: Mode = Mode.LIVENESS) -> Plan:
    """The plan of this seed: a minute to four hours of anything."""
    rng = Random(f"{seed} {mode}")
    storm = rng.choice(STORMS)
    scenario = _scenario(seed, rng)
    arrivals = {newcomer.name: newcomer.arrives for newcomer in scenario.newcomers()}
    faults: list[Fault] = []
    pause = storm / rng.choice((10, 30, 100) if mode is Mode.LIVENESS else (30, 100, 300))
    now = 0.0
    while (now := now + rng.expovariate(1 / pause)) < storm:
        present = [name for name, arrives in arrivals.items() if arrives <= now]
        if present:
            faults += _befalls(now, present, scenario, rng)
    if rng.random() < 0.2:
        faults.append(Fault(rng.uniform(0.0, storm), Kind.KILLED, ORIGIN))
    if mode is Mode.SAFETY and rng.random() < 0.2:  # what nobody could recover from
        faults.append(Fault(rng.uniform(0.0, storm), Kind.LYING, ORIGIN))
    return Plan(
        scenario, tuple(sorted(faults, key=lambda fault: fault.at)), storm, mode, rng.choice(HEARTBEATS)
    )


def _scenario(seed: int, rng: Random) -> Scenario:
    block_size = rng.choice(BLOCKS) * KIB
    count = rng.randint(1, 40) if block_size < 1 << 18 else rng.randint(1, 5)
    size = max(1, count * block_size - rng.randrange(block_size))
    lines = [max(SLOWEST, size / seconds) for seconds in LINES]
    arrive, seconds = rng.choice(((Arrival.AT_ONCE, 0.0), (Arrival.EVERY, 30.0), (Arrival.POISSON, 120.0)))

    def kind(
        name: str,
        count: int,
        *,
        uplink: float = 0.0,
        download: float = 0.0,
        liar: bool = False,
        free_rider: bool = False,
    ) -> PeerClass:
        return PeerClass(
            name,
            count,
            choking=rng.choice(("tit-for-tat", "tit-for-tat", "reciprocity", "unchoke-all")),
            picking=rng.choice(("rarest-first", "rarest-first", "random", "sequential")),
            arrive=arrive,
            arrive_seconds=seconds,
            uplink=uplink,
            download=download,
            liar=liar,
            free_rider=free_rider,
        )

    kinds = [
        kind(f"line{n}-", rng.randint(1, 3), uplink=rng.choice(lines), download=rng.choice((0.0, *lines)))
        for n in range(rng.randint(1, 3))
    ]
    kinds += [kind(f"trickler{n}", 1, uplink=_trickle(size, rng)) for n in range(rng.choice((0, 0, 1, 3)))]
    kinds += [
        kind(f"liar{n}", 1, uplink=rng.choice(lines), liar=True) for n in range(rng.choice((0, 0, 1, 2)))
    ]
    kinds += [kind(f"free{n}", 1, free_rider=True) for n in range(rng.choice((0, 0, 1)))]
    return Scenario(
        tuple(kinds),
        size,
        block_size,
        OriginLine(
            upload=rng.choice((0.0, *lines)),
            uplink=rng.choice(lines),
            choking=rng.choice(("tit-for-tat", "reciprocity", "unchoke-all")),
        ),
        name=f"chaos {seed}",
        grant=rng.choice(((0.0, 0.0), (0.3, 0.5), (1.0, 1.0))),
        latency=rng.choice(LATENCIES),
        neighbours=rng.choice(NEIGHBOURS),
        seed=seed,
    )


def _befalls(now: float, present: list[str], scenario: Scenario, rng: Random) -> list[Fault]:
    """One misfortune at this moment, and its end, if it has one."""
    kind = rng.choice([kind for kind in Kind if kind in AFTER or kind in (Kind.ROTTEN, Kind.LYING)])
    if kind in (Kind.LYING, Kind.OUTAGE) and rng.random() < 0.7:  # one liar goes a long way
        kind = Kind.KILLED
    who = rng.choice(present)
    count = scenario.layout.block_count
    until = now + rng.choice((0.0, 1.0, rng.expovariate(1 / 30.0), rng.expovariate(1 / 600.0)))
    match kind:
        case Kind.KILLED | Kind.LEFT | Kind.SILENT:
            back = Kind.EMPTIED if rng.random() < 0.2 else Kind.RESTARTED
            return [Fault(now, kind, who), Fault(until, back, who)]
        case Kind.CUT:
            everybody = rng.sample([ORIGIN, *present], 1 + len(present))
            # One cable, all of somebody's, or the swarm in two halves.
            here, there = rng.choice(((1, 1), (1, len(present)), (len(everybody) // 2, len(present))))
            far = everybody[here : here + there]
            pairs = [(one, other) for one in everybody[:here] for other in far]
            cut = [Fault(now, kind, one, other) for one, other in pairs]
            return cut + [Fault(until, Kind.HEALED, one, other) for one, other in pairs]
        case Kind.CLOGGED:
            who = rng.choice([ORIGIN, who])
            slow = _trickle(scenario.size, rng)
            return [Fault(now, kind, who, rate=slow), Fault(until, Kind.FREED, who)]
        case Kind.SPOILT:
            return [Fault(now, kind, who, blocks=rng.getrandbits(count)), Fault(until, Kind.MENDED, who)]
        case Kind.ASLEEP:
            return [Fault(now, kind, who), Fault(until, Kind.AWAKE, who)]
        case Kind.OUTAGE:
            return [Fault(now, kind, ORIGIN), Fault(until, Kind.REOPENED, ORIGIN)]
        case Kind.ROTTEN:
            return [Fault(now, kind, who, blocks=rng.getrandbits(count))]
        case _:
            return [Fault(now, kind, who)]


def _trickle(size: int, rng: Random) -> float:
    return max(LEAST, size / rng.choice(TRICKLES))
