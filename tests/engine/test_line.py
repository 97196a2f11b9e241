"""What is ahead of an uplink without a limit, and what comes of that in a crowd."""

from minibit.engine.line import AHEAD_SECONDS, MIN_AHEAD, STUCK_SECONDS, Line
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation

KIB, MIB = 1 << 10, 1 << 20


def test_little_is_ahead_of_a_line_that_nobody_knows_for_all_neighbours_together() -> None:
    line = Line(0.0)
    line.handed(1, MIN_AHEAD // 2, 0.0)
    assert line.free(0.0)
    line.handed(2, MIN_AHEAD // 2, 0.0)
    assert not line.free(0.0)
    line.left(1, MIN_AHEAD // 2, 0.0)
    assert line.free(0.0)
    assert line.free_at(0.0) == 0.0


def test_ahead_of_a_quick_line_is_what_leaves_in_a_moment() -> None:
    line, now = Line(0.0), 0.0
    while now < 4.0:
        line.handed(1, MIB, now)
        line.left(1, MIB, now)
        now += 0.25
    ahead = line.rate(now) * AHEAD_SECONDS
    assert ahead > MIN_AHEAD
    line.handed(1, int(ahead) - 1, now)
    assert line.free(now)
    line.handed(2, 2, now)
    assert not line.free(now)


def test_who_takes_nothing_holds_up_the_others_for_a_second_and_no_longer() -> None:
    line = Line(0.0)
    line.handed(1, 2 * MIN_AHEAD, 0.0)
    line.handed(2, MIN_AHEAD, 0.5)
    assert line.free_at(0.0) == STUCK_SECONDS
    assert not line.free(STUCK_SECONDS), "the other one may be about to"
    assert line.free_at(STUCK_SECONDS) == 0.5 + STUCK_SECONDS
    assert line.free(0.5 + STUCK_SECONDS)
    line.left(1, 1, 2.0)
    assert not line.free(2.0 + STUCK_SECONDS / 2), "it takes again"
    line.forget(1)
    assert line.free(2.0)


def test_an_origin_on_a_line_without_a_limit_sends_first_copies_first() -> None:
    """Were a second's worth for each of them ahead of its line, this would take 3.7 times the bound."""
    scenario = Scenario(
        (PeerClass("quick", 4, uplink=4.0 * MIB), PeerClass("slow", 12, uplink=MIB / 4)),
        4 * MIB,
        64 * KIB,
        OriginLine(uplink=MIB),
    )
    simulation = Simulation(scenario)
    simulation.run(2.5 * scenario.bound)
    assert all(peer.complete for peer in simulation.peers.values())
