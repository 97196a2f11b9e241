"""How near a swarm comes to what arithmetic allows: in rounds of whole blocks, and as a fluid.

A fluid needs D = max{F/u_s, F/d, N·F/(u_s + N·u)} seconds until the last of N peers has F bytes (Kumar & Ross
2006), the origin uploading u_s and every peer u, with a downlink d. Whole blocks over equal uplinks need
M + ⌊log₂N⌋ rounds, a round being one of M blocks on one uplink (Mundinger, Weber & Weiss 2008).

A limit on uploads lets a chunk go and counts it afterwards. Blocks are four chunks here, so that this is
worth a quarter of a round at each hop, and not the whole of it.
"""

from collections.abc import Sequence
from typing import Final

from minibit.experiments.experiment import Case, Experiment, Reading, Seen, level, near, values
from minibit.experiments.observation import Observation
from minibit.lab.report import Line, Panel
from minibit.lab.scenario import OriginLine, PeerClass, Scenario

KIB: Final = 1024
MEGABIT: Final = 1e6 / 8  # bytes
BLOCK: Final = 64 * KIB
EQUAL: Final = "equal uplinks"
FLUID: Final = "Kumar & Ross 2006"
ROUNDS: Final = "Mundinger, Weber & Weiss 2008 (derived from it)"
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
    blocks = dict.fromkeys(TABLE, 400) if full else {10: 400, 100: 32, 1000: 16}
    found = [Case(f"N = {peers}, M = {blocks[peers]}", equal(peers, blocks[peers])) for peers in TABLE]
    for peers in TABLE if full else (10, 100):
        for uplink in TABLE[peers]:
            scenario = cell(peers, uplink, 100 if peers == 100 and not full else 400)
            found.append(Case(f"N = {peers}, {_lines(uplink)}", scenario))
    return tuple(found)


def equal(peers: int, blocks: int) -> Scenario:
    """Peers and an origin with the same uplink, one block per second, and nothing granted."""
    return Scenario(
        (PeerClass(count=peers, upload=BLOCK),),
        blocks * BLOCK,
        BLOCK,
        OriginLine(upload=BLOCK),
        name=EQUAL,
        grant=(0.0, 0.0),
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
    )


def rounds(peers: int, blocks: int) -> int:
    """M + ⌊log₂N⌋."""
    return blocks + peers.bit_length() - 1


def read(cases: Sequence[Case], seen: Seen) -> list[Reading]:
    """The last one's completion: in rounds, in D, and in the textbook's seconds."""
    readings = []
    for case in cases:
        scenario, runs = case.scenario, seen[case.name]
        if scenario.name == EQUAL:
            least = rounds(scenario.peers, scenario.layout.block_count)
            took = values(runs, lambda one: one.last)  # a round is a second here
            readings.append(Reading(f"{case.name}: rounds", took, near(ROUNDS, least), digits=1))
            readings.append(Reading(f"{case.name}: last ÷ D", values(runs, over), near(FLUID, 1.0, digits=2)))
        else:
            claim = near(TEXTBOOK, TABLE[scenario.peers][_megabits(scenario)], " s")
            readings.append(Reading(case.name, values(runs, _textbook_seconds), claim, " s", 0))
    return readings


def draw(cases: Sequence[Case], seen: Seen) -> tuple[Panel, ...]:
    """Last ÷ D by the number of peers, a line for each kind of swarm."""
    points: dict[str, list[tuple[int, float]]] = {}
    for case in cases:
        scenario = case.scenario
        label = EQUAL if scenario.name == EQUAL else _lines(_megabits(scenario))
        points.setdefault(label, []).extend((scenario.peers, each) for each in values(seen[case.name], over))
    lines = [
        Line(label, [x for x, _ in found], [y for _, y in found], group, points=True)
        for group, (label, found) in enumerate(points.items())
    ]
    title = "the last one's completion ÷ the least time D"
    return (Panel(title, "peers", "last ÷ D", (*lines, level(f"D ({FLUID})", lines)), logarithmic=True),)


def over(one: Observation) -> float | None:
    """When the last one was complete, in D."""
    return None if one.last is None else one.last / one.bound


def _textbook_seconds(one: Observation) -> float | None:
    return None if one.last is None else one.last * TEXTBOOK_BYTES / one.size


def _lines(megabits: float) -> str:
    return f"uplinks of {megabits:g} Mb/s" if megabits else "client–server"


def _megabits(scenario: Scenario) -> float:
    (kind,) = scenario.classes
    return kind.fastest / MEGABIT


EXPERIMENT: Final = Experiment(
    name="bounds",
    about="how near the last one comes to the least time that uplinks allow",
    source="Kumar & Ross, Peer-assisted file distribution: the minimum distribution time, 2006; "
    "Mundinger, Weber & Weiss, Optimal scheduling of peer-to-peer file dissemination, 2008; "
    "Kurose & Ross, Computer Networking, 8th ed., pp. 170–171",
    runs=1,
    cases=cases,
    read=read,
    draw=draw,
    notes=(
        "these are bounds for a plan that knows everything: a swarm agrees if it is no quicker, and at most "
        "10 % slower. Whole blocks cannot reach D: their own bound is (M + ⌊log₂N⌋) / M of it, and "
        "Mundinger, Weber & Weiss expect a decentralised swarm close to that. A block is four requests here, "
        "asked of several and on its way beside others: a peer has less to pass on than in whole rounds",
        "the textbook shares 15 Gb; these swarms share less (100 or 400 blocks of 64 KiB), and their seconds "
        "are scaled up to that: the fewer the blocks and the rounds of 10 s, the further from a fluid",
    ),
)
