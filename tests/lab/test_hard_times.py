"""Swarms on lines that hardly carry anything, and among neighbours who have nothing: slow is not stuck."""

from fakes.diaries import Diary

from minibit.engine.effects import HangUp
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation
from minibit.text import ORIGIN

KIB = 1024


def partings(diary: Diary) -> set[str]:
    """Why anybody hung up on somebody."""
    return {entry.reason for _, _, entry in diary.entries if isinstance(entry, HangUp)}


def played(simulation: Simulation, seconds: float) -> Simulation:
    simulation.run(simulation.now + seconds)
    return simulation


def test_many_on_one_line_of_a_kib_per_second_wait_and_do_not_part() -> None:
    """Each gets a chunk every three minutes."""
    scenario = Scenario(
        (PeerClass("peer", 12, uplink=KIB),), 64 * KIB, 64 * KIB, OriginLine(uplink=KIB), latency=0.05
    )
    diary = Diary()
    simulation = played(Simulation(scenario, diary), 3000.0)
    assert simulation.summary().identical
    assert partings(diary) == set()


def test_two_tricklers_who_serve_three_bring_every_block() -> None:
    scenario = Scenario(
        (PeerClass("trickler", 2, uplink=300.0), PeerClass("late", 3, uplink=300.0, start=100.0)),
        4 * 64 * KIB,
        64 * KIB,
        OriginLine(uplink=1024.0 * KIB),
    )
    diary = Diary()
    simulation = played(Simulation(scenario, diary), 90.0)
    simulation.kill(ORIGIN)
    played(simulation, 2500.0)
    assert simulation.summary().identical
    assert partings(diary) <= {"a second connection to the same peer"}


def test_a_clique_of_peers_that_have_nothing_finds_out_of_itself() -> None:
    """Four meet when nobody has anything and seek two each; who has it all is there, and dials nobody."""
    scenario = Scenario(
        (PeerClass("seed", uplink=64.0 * KIB), PeerClass("clique", 4, uplink=64.0 * KIB, start=100.0)),
        4 * 64 * KIB,
        64 * KIB,
        OriginLine(uplink=1024.0 * KIB),
        neighbours=2,
    )
    simulation = played(Simulation(scenario), 90.0)
    seed = simulation.peers["seed"]
    assert seed.complete
    simulation.kill(ORIGIN)
    simulation.nap("seed")
    played(simulation, 70.0)  # the tracker forgets it, dials to it fail
    clique = [peer for name, peer in simulation.peers.items() if name != "seed"]
    assert all(len(peer.engine.neighbours) >= 2 for peer in clique)
    simulation.wake("seed")
    played(simulation, 400.0)
    assert simulation.summary().identical
