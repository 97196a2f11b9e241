"""What it costs that the tracker deals 30–50 % of all blocks to each newcomer: nothing, or much?

Were every granted block fetched from the origin, its uplink would be busy for the granted bytes ÷ its rate,
and no swarm ended before max{D, that}. A grant is a right here, not an order: what others hold is fetched
from them, and D (Kumar & Ross 2006) alone is the bound.
"""

import itertools
from collections.abc import Sequence
from typing import Final

from minibit.experiments.bounds import FLUID, over
from minibit.experiments.experiment import Case, Experiment, Reading, Seen, level, near, values
from minibit.experiments.observation import Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import OriginLine, PeerClass, Scenario

KIB: Final = 1024
BLOCK: Final = 64 * KIB
RATE: Final = 512.0 * KIB  # bytes per second, of every uplink
DEALT: Final = {"no grants": (0.0, 0.0), "30–50 %": (0.3, 0.5)}


def cases(full: bool) -> tuple[Case, ...]:
    """Both, in swarms of several sizes."""
    blocks = 1024 if full else 256
    sizes = (4, 8, 16, 32, 50) if full else (4, 8, 16)
    return tuple(
        Case(f"N = {peers}, {name}", crowd(peers, blocks, dealt))
        for peers in sizes
        for name, dealt in DEALT.items()
    )


def crowd(peers: int, blocks: int, dealt: tuple[float, float]) -> Scenario:
    """Peers alike, who all come at once and stay."""
    return Scenario(
        (PeerClass(count=peers, upload=RATE),),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=RATE),
        name="grant",
        grant=dealt,
    )


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """Last ÷ D; what the origin carried; and last ÷ the bound of grants that are orders."""
    readings = [
        Reading(f"{case.name}: last ÷ D", values(seen[case.name], over), near(FLUID, 1.0, digits=2), digits=3)
        for case in cases
    ]
    for before, after in itertools.pairwise(cases):
        if before.scenario.peers == after.scenario.peers:
            pairs = zip(values(seen[before.name], over), values(seen[after.name], over), strict=False)
            more = tuple(dealt - plain for plain, dealt in pairs)
            readings.append(Reading(f"{after.name} less no grants: last ÷ D", more, digits=3))
    for case in cases:
        carried = values(seen[case.name], lambda one: one.origin_uploaded / one.size)
        readings.append(Reading(f"{case.name}: the origin carried, shares", carried, digits=3))
    for case in cases:
        if case.scenario.grant != (0.0, 0.0):
            taken = values(seen[case.name], _over_orders)
            readings.append(Reading(f"{case.name}: last ÷ max{{D, granted ÷ uplink}}", taken, digits=3))
    return readings


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """Last ÷ D by the number of peers."""
    lines = []
    for group, (name, dealt) in enumerate(DEALT.items()):
        points = [
            (case.scenario.peers, each)
            for case in cases
            if case.scenario.grant == dealt
            for each in values(seen[case.name], over)
        ]
        lines.append(Line(name, [x for x, _ in points], [y for _, y in points], group, points=True))
    return (
        Panel(
            "the last one's completion ÷ the least time D",
            "peers",
            "last ÷ D",
            (*lines, level(f"D ({FLUID})", lines)),
        ),
    )


def _over_orders(one: Observation) -> float | None:
    return None if one.last is None else one.last / max(one.bound, one.granted / RATE)


EXPERIMENT: Final = Experiment(
    name="grant",
    about="nothing dealt against 30–50 % of all blocks for each newcomer",
    source="Kumar & Ross, Peer-assisted file distribution: the minimum distribution time, 2006",
    runs=6,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "D is a bound for a plan that knows everything: a swarm agrees if it is no quicker, and at most 10 % "
        "slower",
        "max{D, granted ÷ uplink} would bind if every granted block came from the origin: below 1, it "
        "does not",
    ),
)
