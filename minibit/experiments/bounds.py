"""How near a swarm comes to what arithmetic allows: in rounds of whole blocks, and as a fluid.

A fluid needs D = max{F/u_s, F/d, N·F/(u_s + N·u)} seconds until the last of N peers has F bytes (Kumar & Ross
2006), the origin uploading u_s and every peer u, with a downlink d. Whole blocks over equal uplinks need
M + ⌊log₂N⌋ rounds, a round being one of M blocks on one uplink (Mundinger, Weber & Weiss 2008).
"""

from collections.abc import Sequence
from typing import Final

from minibit.experiments.experiment import Case, Experiment, Reading, Seen, near, values
from minibit.experiments.observation import Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import OriginLine, PeerClass, Scenario

KIB: Final = 1024
MEGABIT: Final = 1e6 / 8  # bytes
BLOCK: Final = 64 * KIB
ROUNDS: Final = "Mundinger, Weber & Weiss 2008"
TEXTBOOK: Final = "Kurose & Ross, 8th ed., p. 171"
TEXTBOOK_BYTES: Final = 15e9 / 8  # F
SERVER: Final = 30 * MEGABIT  # u_s
DOWNLINK: Final = 2 * MEGABIT  # d

# Seconds, by N: client–server, and peer to peer with uplinks of so many Mb/s each.
TABLE: Final[dict[int, dict[float, float]]] = {
    10: {0: 7500, 0.5: 7500, 1: 7500, 2: 7500},
    100: {0: 50000, 0.5: 18750, 1: 11538, 2: 7500},
    1000: {0: 500000, 0.5: 28302, 1: 14563, 2: 7500},
}


def cases(full: bool) -> tuple[Case, ...]:
    """Equal uplinks by N; then the textbook's table, cell by cell, those of N = 1000 with `full` only."""
    blocks = 400 if full else 32
    sizes = (10, 100, 1000)
    found = [Case(_rounds_name(peers), equal(peers, blocks if peers < 1000 or full else 16)) for peers in sizes]
    for peers in sizes if full else sizes[:2]:
        found += [Case(_cell_name(peers, uplink), cell(peers, uplink, 400 if full else 100)) for uplink in TABLE[peers]]
    return tuple(found)


def equal(peers: int, blocks: int) -> Scenario:
    """Peers and an origin with the same uplink, one block per second, and nothing granted."""
    return Scenario(
        (PeerClass(count=peers, upload=BLOCK),),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=BLOCK),
        name="equal uplinks",
        grant=(0.0, 0.0),
        neighbours=_neighbours(peers),
    )


def cell(peers: int, megabits: float, blocks: int) -> Scenario:
    """A cell of the textbook's table, with a smaller F. Without uplinks it is client–server: nobody gives
    but the origin, and that to all at once."""
    return Scenario(
        (
            PeerClass(
                count=peers, upload=(megabits or 1) * MEGABIT, download=DOWNLINK, free_rider=not megabits
            ),
        ),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=SERVER, choking="tit-for-tat" if megabits else "unchoke-all"),
        name="textbook",
        grant=(0.0, 0.0),
        neighbours=_neighbours(peers),
    )


def rounds(peers: int, blocks: int) -> int:
    """M + ⌊log₂N⌋."""
    return blocks + peers.bit_length() - 1


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """The last one's completion: in rounds, in D, and in the textbook's seconds."""
    readings = []
    for case in cases:
        scenario = case.scenario
        peers, runs = scenario.peers, seen[case.name]
        if scenario.name == "equal uplinks":
            least = rounds(peers, scenario.layout.block_count)
            took = values(runs, lambda one: one.last)
            readings.append(Reading(f"{case.name}, rounds", took, near(ROUNDS, least), "", 1))
            readings.append(Reading(f"{case.name}, last ÷ D", values(runs, _over), near(FLUID, 1.0, "", 2)))
        else:
            claim = near(TEXTBOOK, TABLE[peers][_megabits(scenario)], " s")
            readings.append(Reading(case.name, values(runs, _textbook_seconds), claim, " s", 0))
    return readings


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """Last ÷ D by the number of peers."""
    lines = []
    kinds = {"equal uplinks": [case for case in cases if case.scenario.name == "equal uplinks"]}
    for case in cases:
        if case.scenario.name != "equal uplinks":
            kinds.setdefault(_cell_kind(_megabits(case.scenario)), []).append(case)
    for group, (label, members) in enumerate(kinds.items()):
        points = [
            (case.scenario.peers, over)
            for case in members
            for one in seen[case.name]
            if (over := _over(one)) is not None
        ]
        lines.append(Line(label, [x for x, _ in points], [y for _, y in points], group, points=True))
    return (
        Panel("the last one's completion ÷ the least time D", "peers", "last ÷ D", tuple(lines), logarithmic=True),
    )


FLUID: Final = "Kumar & Ross 2006"


def _rounds_name(peers: int) -> str:
    return f"equal uplinks, N = {peers}"


def _cell_name(peers: int, megabits: float) -> str:
    return f"{_cell_kind(megabits)}, N = {peers}"


def _cell_kind(megabits: float) -> str:
    return f"uplinks of {megabits:g} Mb/s" if megabits else "client–server"


def _megabits(scenario: Scenario) -> float:
    (kind,) = scenario.classes
    return kind.fastest / MEGABIT


def _neighbours(peers: int) -> int:
    return 20 if peers > 50 else 50  # as many as make large swarms affordable


def _over(one: Observation) -> float | None:
    return None if one.last is None else one.last / one.bound


def _textbook_seconds(one: Observation) -> float | None:
    return None if one.last is None else one.last * TEXTBOOK_BYTES / one.size


EXPERIMENT: Final = Experiment(
    name="bounds",
    about="how near the last one comes to the least time that uplinks allow",
    source="Kumar & Ross, Peer-assisted file distribution: the minimum distribution time, 2006; Mundinger, Weber & "
    "Weiss, Optimal scheduling of peer-to-peer file dissemination, 2008; Kurose & Ross, Computer Networking, 8th "
    "ed., pp. 170–171",
    runs=1,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "Both are bounds for a plan that knows everything: a swarm agrees if it is no quicker, and at most 10 % "
        "slower. They are reached as blocks become many (Mundinger, Weber & Weiss expect a decentralised swarm "
        "close to theirs)",
        "the textbook shares 15 Gb: these swarms share less, and their seconds are scaled up to that",
    ),
)
