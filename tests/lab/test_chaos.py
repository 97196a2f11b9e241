"""Swarms under misfortune: a few seeds of what `minibit chaos` plays by the thousand; and that a swarm in
which something is wrong is found out."""

import pytest

from minibit.engine.blocks import Arrival, Blocks
from minibit.engine.effects import Effect, PeerId
from minibit.engine.engine import Engine
from minibit.lab import chaos
from minibit.lab.chaos import Chaos, Outcome
from minibit.lab.faults import Fault, Kind, Mode, Plan, drawn
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.text import ORIGIN

KIB = 1024
ALL = 0b1111  # chunks of a block
FEW = Scenario(
    (PeerClass("ana", uplink=64 * KIB), PeerClass("bia", uplink=64 * KIB)),
    12 * 64 * KIB,
    64 * KIB,
    OriginLine(upload=64 * KIB),
)


def played(*faults: Fault, scenario: Scenario = FEW, storm: float = 60.0) -> Outcome:
    return Chaos(Plan(scenario, faults, storm)).run()


@pytest.mark.parametrize(("seed", "mode"), [(6, Mode.LIVENESS), (1, Mode.SAFETY), (4, Mode.SAFETY)])
def test_whatever_befalls_a_swarm_it_ends_complete_or_with_a_reason_and_nobody_believes_in_a_wrong_byte(
    seed: int, mode: Mode
) -> None:
    assert Chaos(drawn(seed, mode)).run().findings == ()


def test_the_same_seed_is_the_same_run() -> None:
    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, Mode.SAFETY) != drawn(1)
    plan = drawn(6)
    assert Chaos(plan).run() == Chaos(plan).run()


def test_who_lacks_what_died_with_the_origin_says_so() -> None:
    outcome = played(Fault(4.0, Kind.KILLED, ORIGIN))
    assert outcome.findings == ()
    assert outcome.lacking.keys() == {"ana", "bia"}
    assert "shown by no neighbour" in outcome.lacking["ana"]


def test_who_banned_a_liar_need_not_get_what_nobody_else_has() -> None:
    run = Chaos(Plan(FEW, (Fault(1.0, Kind.LYING, "ana"), Fault(7.0, Kind.KILLED, ORIGIN)), 10.0))
    outcome = run.run()
    ana, bia = run.simulation.peers["ana"], run.simulation.peers["bia"]
    assert bia.engine.addresses.banned(ana.address)
    assert not ana.lies, "it has come back, and lies no more"
    assert ana.engine.blocks.have & ~bia.engine.blocks.have
    assert outcome.findings == ()


def test_kills_with_kept_and_with_lost_disks_silences_and_cuts_end_complete() -> None:
    outcome = played(
        Fault(2.0, Kind.KILLED, "ana"),
        Fault(3.0, Kind.RESTARTED, "ana"),
        Fault(5.0, Kind.SILENT, "bia"),
        Fault(6.0, Kind.EMPTIED, "bia"),
        Fault(7.0, Kind.CUT, "ana", ORIGIN),
        Fault(8.0, Kind.LEFT, "ana"),
        Fault(9.0, Kind.ROTTEN, "bia", blocks=0b111),
    )
    assert outcome.findings == ()
    assert (outcome.completed, outcome.lacking, outcome.faults) == (2, {}, 7)


def test_a_tracker_that_forgot_everybody_and_a_peer_for_whom_time_jumps_end_complete() -> None:
    outcome = played(
        Fault(2.0, Kind.OUTAGE, ORIGIN),
        Fault(3.0, Kind.ASLEEP, "ana"),
        Fault(20.0, Kind.REOPENED, ORIGIN),
        Fault(40.0, Kind.AWAKE, "ana"),
    )
    assert outcome.findings == ()
    assert (outcome.completed, outcome.lacking, outcome.faults) == (2, {}, 4)


def test_who_holds_more_than_lines_can_carry_is_found_out() -> None:
    run = Chaos(Plan(FEW, (), 60.0))
    run.simulation.origin.uplink = None
    run.simulation.origin.engine.uploads._bucket.rate = 0.0
    assert any("more than the origin's line can have carried" in finding for finding in run.run().findings)


def test_what_cannot_happen_to_who_is_there_does_not() -> None:
    outcome = played(
        Fault(1.0, Kind.KILLED, "nobody"),
        Fault(1.0, Kind.HEALED, "ana", "bia"),
        Fault(50.0, Kind.ROTTEN, "ana", blocks=1),  # it is complete: what is whole is not ours to mend
    )
    assert (outcome.faults, outcome.findings) == (0, ())


def test_an_engine_that_believes_in_a_wrong_block_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    believed = Engine.block_verified

    def believe(engine: Engine, block: int, _: bool, now: float) -> list[Effect]:
        return believed(engine, block, True, now)

    monkeypatch.setattr(Engine, "block_verified", believe)
    (finding, *_) = played(Fault(0.5, Kind.LYING, "ana"), Fault(0.5, Kind.LYING, ORIGIN)).findings
    assert "believes in blocks that are wrong" in finding


def test_an_engine_that_has_half_a_block_verified_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = Blocks.arrived

    def all_at_once(
        blocks: Blocks, key: int, sender: PeerId, block: int, _: int, now: float, *, exclusive: bool
    ) -> Arrival:
        return arrived(blocks, key, sender, block, ALL, now, exclusive=exclusive)

    monkeypatch.setattr(Blocks, "arrived", all_at_once)
    assert "verified before all of it is here" in played().findings[0]


def test_a_swarm_that_never_recovers_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "PEACE_SECONDS", 60.0)
    monkeypatch.setattr(Engine, "peers_found", lambda *_: [])
    findings = played().findings
    assert any("ana lacks 12 of 12 blocks that others hold" in finding for finding in findings)
