"""Whom to serve when lines are unequal, and some only take: who gives more than it gets?

The lines are those of Bharambe, Herley & Padmanabhan 2006: thirds of 6000:3000, 1500:400 and 784:128 kb/s,
and one seed at 6000 kb/s. To these come free riders, with lines like the middle third's.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from minibit.experiments.experiment import Case, Claim, Experiment, Reading, Seen, values
from minibit.experiments.observation import Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario

KIB: Final = 1024
KILOBIT: Final = 1000 / 8  # bytes
BLOCK: Final = 256 * KIB
SEED: Final = 6000 * KILOBIT
LINES: Final = {"fast": (6000, 3000), "middle": (1500, 400), "slow": (784, 128)}  # kb/s, down and up
RIDER: Final = "rider"
FREE: Final = 0.2  # of all peers
JOINING_SECONDS: Final = 10.0
MANNERS: Final = ("reciprocity", "tit-for-tat", "unchoke-all")
CLAIM: Final = Claim("Bharambe et al. 2006 (abstract)", "less than 1", high=1.0)


def cases(full: bool) -> tuple[Case, ...]:
    """Each way to choke; `full` is 1,000 peers and 400 blocks."""
    peers, blocks, neighbours = (1000, 400, 40) if full else (30, 100, 20)
    return tuple(Case(manners, crowd(manners, peers, blocks, neighbours)) for manners in MANNERS)


def crowd(manners: str, peers: int, blocks: int, neighbours: int) -> Scenario:
    """Thirds of unequal lines, and free riders, who all leave when complete."""
    riders = round(FREE * peers)
    third = (peers - riders) // len(LINES)
    classes = [_kind(name, third, *rates, manners) for name, rates in LINES.items()]
    classes.append(_kind(RIDER, riders, *LINES["middle"], manners, free=True))
    return Scenario(
        tuple(classes),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=SEED, choking=manners),
        name="choking",
        grant=(0.0, 0.0),
        neighbours=neighbours,
    )


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """What a class gave for what it got, of which the paper tells for slow peers under rate-based
    tit-for-tat; then times, and what riding free brought."""
    readings = []
    for case in cases:
        runs = seen[case.name]
        for name in LINES:
            claim = CLAIM if (case.name, name) == ("reciprocity", "slow") else None
            given = values(runs, partial(_given, name))
            readings.append(Reading(f"{case.name}, {name}: uploaded ÷ downloaded", given, claim))
    for case in cases:
        for name in (*LINES, RIDER):
            took = values(seen[case.name], partial(_mean, name))
            readings.append(Reading(f"{case.name}, {name}: mean download", took, None, " s", 0))
    for case in cases:
        riding = values(seen[case.name], _riding)
        readings.append(Reading(f"{case.name}: free riders' time ÷ middle's", riding))
    return readings


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """When which class was complete, a panel for each way to choke, of the first run."""
    return tuple(
        Panel(
            case.name,
            "seconds since its arrival",
            "complete, % of the class",
            tuple(_curve(seen[case.name][0], name, group) for group, name in enumerate((*LINES, RIDER))),
        )
        for case in cases
    )


def _kind(name: str, count: int, down: int, up: int, manners: str, *, free: bool = False) -> PeerClass:
    return PeerClass(
        name,
        count,
        upload=up * KILOBIT,
        download=down * KILOBIT,
        arrive=Arrival.EVERY,
        arrive_seconds=JOINING_SECONDS / count,
        leave=Departure.WHEN_COMPLETE,
        choking=manners,
        free_rider=free,
    )


def _given(kind: str, one: Observation) -> float | None:
    taken = sum(part.downloaded for part in one.of(kind))
    return sum(part.uploaded for part in one.of(kind)) / taken if one.complete else None


def _mean(kind: str, one: Observation) -> float | None:
    took = [part.took for part in one.of(kind) if part.took is not None]
    return sum(took) / len(took) if one.complete else None


def _riding(one: Observation) -> float | None:
    riders, others = _mean(RIDER, one), _mean("middle", one)
    return riders / others if riders and others else None


def _curve(one: Observation, kind: str, group: int) -> Line:
    took = sorted(part.took for part in one.of(kind) if part.took is not None)
    count = len(one.of(kind))
    done = [100 * number / count for number in range(len(took) + 1)]
    return Line(kind, [0.0, *took], done, group, steps=True)


EXPERIMENT: Final = Experiment(
    name="choking",
    about="unequal lines and 20 % free riders: who gives more than it gets",
    source="Bharambe, Herley & Padmanabhan, Analyzing and improving a BitTorrent network's performance "
    "mechanisms, 2006",
    runs=3,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "the paper says that slow peers download more than they upload when fast ones are there, under "
        "rate-based tit-for-tat (reciprocity), and has no free riders: all else is ours alone",
        "--full has 1,000 peers, 400 blocks of 256 KiB and 40 neighbours",
    ),
)
