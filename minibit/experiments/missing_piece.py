"""The missing piece syndrome: peers that come empty and leave when complete, and a seed that is too slow.

Hajek & Zhu 2010 prove it for random contacts: the swarm is stable if the seed gives more blocks a second than
peers come, and grows without bound if it gives fewer, whichever useful block is picked. It grows as a club
whose members all lack the same one block: whoever gets that from the seed leaves, and passes it on to nobody.
"""

from collections.abc import Sequence
from typing import Final

from minibit.experiments.experiment import Case, Claim, Experiment, Reading, Seen, values
from minibit.experiments.observation import Moment, Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario

BLOCK: Final = 32 * 1024
ARRIVALS: Final = 0.5  # per second
UPLINK: Final = 1.0  # blocks per second, of a peer
BLOCKS: Final = 4
MARGIN: Final = 1.25  # more peers than are to be expected, so that they do not run out before the end
RATIOS: Final = (0.5, 0.75, 1.5, 2.0)  # the seed's blocks per arrival
POLICIES: Final = ("rarest-first", "random")
STEADY: Final = 0.05  # of the arrivals: what of growth may be chance
WHOSE: Final = "Hajek & Zhu 2010"
GROWS: Final = Claim(WHOSE, "unstable", low=STEADY)
STAYS: Final = Claim(WHOSE, "stable", high=STEADY)


def cases(full: bool) -> tuple[Case, ...]:
    """Each policy with slow and fast seeds; `full` watches five times as long."""
    seconds = 2000.0 if full else 400.0
    return tuple(
        Case(
            f"{policy}, seed ÷ arrivals {ratio:g}",
            crowd(policy, ratio, seconds),
            seconds,
            _cost(ratio, seconds),
        )
        for ratio in RATIOS
        for policy in POLICIES
    )


def crowd(policy: str, ratio: float, seconds: float, blocks: int = BLOCKS) -> Scenario:
    """Poisson arrivals for so long, at least."""
    return Scenario(
        (
            PeerClass(
                count=round(MARGIN * ARRIVALS * seconds),
                upload=UPLINK * BLOCK,
                arrive=Arrival.POISSON,
                arrive_seconds=1 / ARRIVALS,
                leave=Departure.WHEN_COMPLETE,
                picking=policy,
            ),
        ),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=ratio * ARRIVALS * BLOCK),
        name=f"missing piece, {ratio:g}",
        grant=(0.0, 0.0),
    )


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """How fast the number of peers grows, of which theory has the sign; and the club at the end."""
    readings = []
    for case in cases:
        claim = GROWS if _ratio(case) < 1 else STAYS
        readings.append(Reading(f"{case.name}: growth ÷ arrivals", values(seen[case.name], growth), claim))
    for case in cases:
        club = values(seen[case.name], lambda one: float(one.moments[-1].club))
        readings.append(Reading(f"{case.name}: the club at the end, peers", club, digits=0))
    return readings


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """Who is there, over time: a panel per policy, with a curve per seed and its club drawn thin; of the
    first run."""
    curves: dict[str, list[Line]] = {}
    for case in cases:
        moments = seen[case.name][0].moments
        at = [look.at for look in moments]
        lines = curves.setdefault(case.scenario.classes[0].picking, [])
        group = len(lines) // 2
        lines.append(
            Line(f"seed ÷ arrivals {_ratio(case):g}", at, [look.peers for look in moments], group, steps=True)
        )
        lines.append(Line("", at, [look.club for look in moments], group, faint=True, steps=True))
    return tuple(
        Panel(
            f"{policy}: peers that are there; thin: lacking the same one block",
            "seconds",
            "peers",
            tuple(lines),
        )
        for policy, lines in curves.items()
    )


def growth(one: Observation) -> float:
    """Peers more per arrival, over the second half: the slope of a straight line through it."""
    half: Sequence[Moment] = one.moments[len(one.moments) // 2 :]
    middle = sum(moment.at for moment in half) / len(half)
    above = sum((moment.at - middle) * moment.peers for moment in half)
    return above / sum((moment.at - middle) ** 2 for moment in half) / ARRIVALS


def _cost(ratio: float, seconds: float) -> float:
    """A club costs, and grows: as measured."""
    came = ARRIVALS * seconds
    return 0.005 * came + 0.002 * (max(0.0, 1 - ratio) * came) ** 2


def _ratio(case: Case) -> float:
    return case.scenario.origin.upload / BLOCK / ARRIVALS


EXPERIMENT: Final = Experiment(
    name="missing-piece",
    about="peers that leave when complete, and a seed slower or faster than they come",
    source="Hajek & Zhu, The missing piece syndrome in peer-to-peer communication, 2010 (arXiv 1002.3493)",
    runs=3,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "stable if the seed's blocks per second exceed the arrivals per second, unstable if they are fewer, "
        "whichever useful block is picked. Unstable is said here of a number of peers that grows, in the "
        f"second half of the run, by more than {100 * STEADY:.0f} % of those that come; while the "
        "seed's blocks alone let members of the club leave, it grows by 1 - seed ÷ arrivals of them",
        "they let peers meet at random, one block at a time; here a tracker names neighbours, and slots are "
        "given by rank",
    ),
)
