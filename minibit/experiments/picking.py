"""Which block to ask for, in the swarms of Bharambe, Herley & Padmanabhan 2006: how busy are uplinks?

Peers with 1500 kb/s down and 400 kb/s up come within ten seconds and leave when complete; one seed is slower
or faster than they are. With a seed of s, peers of u each and N of them, nobody can have everything before
the seed has said it once, so that at most (N-1)/N·s/u of the uplinks can be busy on average, and never more
than all: the ceiling that ours is divided by.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from minibit.experiments.experiment import CLOSE, SLACK, Case, Claim, Experiment, Reading, Seen, level, values
from minibit.experiments.observation import Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario

KIB: Final = 1024
KILOBIT: Final = 1000 / 8  # bytes
UPLINK: Final = 400 * KILOBIT
DOWNLINK: Final = 1500 * KILOBIT
JOINING_SECONDS: Final = 10.0
SEEDS: Final = (200, 400, 1000)  # kb/s
POLICIES: Final = ("rarest-first", "random", "sequential")
CLAIM: Final = Claim("Bharambe et al. 2006 (abstract)", "near-optimal", 1 - CLOSE, 1 + SLACK)


def cases(full: bool) -> tuple[Case, ...]:
    """Every policy with every seed; `full` is 1,000 peers and 400 blocks."""
    peers, blocks, block_size, neighbours = (1000, 400, 256 * KIB, 40) if full else (20, 300, 64 * KIB, 20)
    return tuple(
        Case(
            f"{policy}, seed of {seed} kb/s",
            crowd(policy, seed, peers, blocks * block_size, block_size, neighbours),
        )
        for seed in SEEDS
        for policy in POLICIES
    )


def crowd(policy: str, seed: int, peers: int, size: int, block_size: int, neighbours: int) -> Scenario:
    """Their swarm, with a seed of so many kb/s."""
    return Scenario(
        (
            PeerClass(
                count=peers,
                upload=UPLINK,
                download=DOWNLINK,
                arrive=Arrival.EVERY,
                arrive_seconds=JOINING_SECONDS / peers,
                leave=Departure.WHEN_COMPLETE,
                picking=policy,
                choking="reciprocity",
            ),
        ),
        size,
        block_size,
        OriginLine(upload=seed * KILOBIT, choking="reciprocity"),
        name="picking",
        grant=(0.0, 0.0),
        neighbours=neighbours,
    )


def ceiling(scenario: Scenario) -> float:
    """Which part of the peers' uplinks can be busy on average, at best."""
    (kind,) = scenario.classes
    return min(1.0, (kind.count - 1) / kind.count * scenario.origin.fastest / kind.fastest)


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """Utilisation ÷ ceiling, of which the paper says that it is near-optimal with rarest first; and times."""
    readings = []
    for case in cases:
        claim = CLAIM if case.scenario.classes[0].picking == "rarest-first" else None
        busy = values(seen[case.name], partial(busy_part, ceiling(case.scenario)))
        readings.append(Reading(f"{case.name}: uplinks busy ÷ ceiling", busy, claim))
    times = [(case.name, values(seen[case.name], _mean)) for case in cases]
    return readings + [Reading(f"{name}: mean download", took, None, " s", 0) for name, took in times]


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """Utilisation ÷ ceiling by the seed's rate, a line per policy."""
    lines = []
    for group, policy in enumerate(POLICIES):
        points = [
            (case.scenario.origin.upload / KILOBIT, one.utilisation / ceiling(case.scenario))
            for case in cases
            if case.scenario.classes[0].picking == policy
            for one in seen[case.name]
        ]
        lines.append(Line(policy, [x for x, _ in points], [y for _, y in points], group, points=True))
    return (
        Panel(
            "uplinks busy ÷ ceiling",
            "seed's uplink, kb/s",
            "of what can be",
            (*lines, level("ceiling", lines)),
        ),
    )


def busy_part(most: float, one: Observation) -> float | None:
    """Which part of `most` the uplinks were busy; None if somebody never became complete."""
    return one.utilisation / most if one.complete else None


def _mean(one: Observation) -> float | None:
    took = [part.took for part in one.parts if part.took is not None]
    return sum(took) / len(took) if one.complete else None


EXPERIMENT: Final = Experiment(
    name="picking",
    about="rarest first, random and sequential: how busy uplinks are with slow and fast seeds",
    source="Bharambe, Herley & Padmanabhan, Analyzing and improving a BitTorrent network's performance "
    "mechanisms, 2006",
    runs=1,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "their swarm as their simulator's scripts have it: 1500/400 kb/s, all come within 10 s and leave "
        "when complete, rate-based tit-for-tat (reciprocity) with five slots, a smart seed. --full has their "
        "1,000 peers, 400 blocks of 256 KiB and 40 neighbours",
        "near-optimal, except in extreme conditions, is what their abstract says of uplinks; here it is at "
        "least 90 % of the ceiling, which follows from the set-up and is not a figure of theirs",
    ),
)
