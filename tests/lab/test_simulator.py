"""Whole swarms in virtual time: they come out as live ones do, the same each time; faults work."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from fakes.diaries import Diary
from hypothesis import given, settings
from hypothesis import strategies as st

import minibit
from minibit import bitfield
from minibit.engine.effects import Ban, Finished
from minibit.engine.journal import Chosen, Picked
from minibit.lab.casting import refined
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario, plain
from minibit.lab.scenario_file import load
from minibit.lab.simulator import Simulation
from minibit.lab.wires import WINDOW

MIB = 1 << 20
KIB = 1 << 10
BURST_SECONDS = 0.1  # what a limited uplink may have saved up
HOUR = 3600.0


def played(*kinds: PeerClass, **others: Any) -> Scenario:
    origin = OriginLine(upload=MIB)
    return Scenario(kinds, **({"size": 2 * MIB, "block_size": 64 * KIB, "origin": origin} | others))


def finished(simulation: Simulation) -> Simulation:
    while not simulation.over:
        simulation.run(HOUR)
        assert simulation.now < HOUR
    return simulation


def until(simulation: Simulation, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let time pass until this holds."""
    end = simulation.now + seconds
    simulation.run(simulation.now)
    while not holds():
        assert simulation.now < end, "it never came to that"
        simulation.run(simulation.now + 0.05)


def test_a_swarm_of_eight_comes_out_as_the_study_says() -> None:
    """N = 8 and 256 blocks: the origin carries hardly more than the share, and all end near the bound."""
    scenario = plain(8, 16 * MIB, 64 * KIB, upload=MIB, seed=2)
    summary = finished(Simulation(scenario)).summary()
    assert summary.identical
    assert 1.0 <= summary.origin_carried <= 1.05
    assert 0.99 <= summary.elapsed / scenario.bound <= 1.05
    assert all(row.downloaded < 1.02 * scenario.size for row in summary.rows)


DIGEST = """
from fakes.diaries import Diary
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation
from minibit.lab.scenario_file import parse, to_document

MIB = 1 << 20
scenario = Scenario(
    (
        PeerClass("slow", 3, upload=MIB / 2, download=2 * MIB, arrive=Arrival.POISSON, arrive_seconds=0.3),
        PeerClass("fast", 3, uplink=2 * MIB, choking="reciprocity", picking="random"),
        PeerClass("liar", liar=True, upload=MIB),
        PeerClass("gone", 2, upload=MIB, leave=Departure.KILLED, leave_seconds=1.5),
    ),
    2 * MIB, 1 << 16, OriginLine(upload=MIB), seed=5,
)
diary = Diary()
simulation = Simulation(scenario, diary)
simulation.run(60.0)
print(diary.digest, simulation.clock.events, len(diary.entries))
"""


def digest(hash_seed: int) -> str:
    """What a process of its own makes of the same scenario."""
    root = Path(minibit.__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={"PYTHONPATH": f"{root}:{root / 'tests'}", "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout


def test_the_same_scenario_gives_the_same_events_whatever_the_hash_seed() -> None:
    one = digest(1)
    assert len(one.split()[0]) == 64
    assert int(one.split()[2]) > 1000
    assert digest(2) == one


def test_another_seed_is_another_run() -> None:
    diaries = [Diary(), Diary(), Diary()]
    for seed, diary in zip((1, 1, 2), diaries, strict=True):
        finished(Simulation(plain(3, MIB, 64 * KIB, upload=MIB, seed=seed), diary))
    same, again, other = (diary.digest for diary in diaries)
    assert same == again != other


@settings(max_examples=12, deadline=None)
@given(
    fast=st.integers(0, 3),
    slow=st.integers(1, 4),
    free=st.integers(0, 2),
    late=st.sampled_from([0.0, 0.4]),
    physical=st.booleans(),
    choking=st.sampled_from(["tit-for-tat", "unchoke-all", "reciprocity"]),
    seed=st.integers(0, 1000),
)
def test_nobody_beats_the_bound(
    fast: int, slow: int, free: int, late: float, physical: bool, choking: str, seed: int
) -> None:
    line = "uplink" if physical else "upload"
    arrive: dict[str, Any] = {"arrive": Arrival.EVERY, "arrive_seconds": late} if late else {}
    kinds = (
        *([PeerClass("fast", fast, **{line: 2.0 * MIB}, choking=choking, **arrive)] if fast else []),
        PeerClass("slow", slow, **{line: MIB / 4}, download=MIB / 2, choking=choking),
        *([PeerClass("free", free, upload=MIB, free_rider=True)] if free else []),
    )
    scenario = played(*kinds, seed=seed)
    summary = finished(Simulation(scenario)).summary()
    assert summary.identical
    elapsed = summary.elapsed
    assert elapsed >= scenario.bound - BURST_SECONDS
    # Who comes late gives late: what all can have given, each since it came, covers what all have got.
    given = scenario.origin.fastest * (elapsed + BURST_SECONDS)
    for newcomer in scenario.newcomers():
        given += newcomer.kind.fastest * (elapsed - newcomer.arrives + BURST_SECONDS)
    assert given >= scenario.peers * scenario.size
    # And nobody is quicker than its own line, nor than all the others together.
    everyone = scenario.origin.fastest + sum(kind.count * kind.fastest for kind in kinds)
    for row, newcomer in zip(summary.rows, scenario.newcomers(), strict=True):
        line_rate = min(newcomer.kind.download or math.inf, everyone - newcomer.kind.fastest)
        assert row.completed_after is not None
        assert row.completed_after >= scenario.size / line_rate - BURST_SECONDS


def test_who_watches_is_told_of_everything() -> None:
    diary = Diary()
    simulation = finished(Simulation(plain(3, MIB, 64 * KIB, upload=MIB), diary))
    assert [entry[0] for entry in diary.of("ana", tuple)] == ["joined"]
    assert len(diary.of("ana", Picked)) >= 16
    assert diary.of("ana", Chosen)
    assert len(diary.of("ana", Finished)) == 1
    assert diary.of("origin", tuple)[0][0] == "joined"
    assert simulation.peers["ana"].completed_at is not None


def test_the_table_is_what_the_tracker_knows() -> None:
    simulation = Simulation(plain(3, 2 * MIB, 64 * KIB, upload=MIB / 2))
    simulation.run(4.0)
    view = simulation.status()
    assert [row.name for row in view.rows] == ["origin", "ana", "bia", "caio"]
    assert all(0 < row.blocks.bit_count() < 32 for row in view.peers)
    assert all(row.figures.fixed or row.figures.optimistic for row in view.rows)
    assert view.origin is not None
    assert 0.3 * MIB < view.origin.figures.up_rate < 0.6 * MIB
    assert all(10 <= row.given <= 16 for row in view.peers)


def test_peers_come_leave_and_are_killed_as_the_scenario_says() -> None:
    diary = Diary()
    scenario = played(
        PeerClass("stays", 2, upload=MIB / 4),
        PeerClass("done", upload=MIB, leave=Departure.WHEN_COMPLETE),
        PeerClass("visitor", upload=MIB, leave=Departure.AFTER, leave_seconds=1.0),
        PeerClass("victim", upload=MIB, start=0.5, leave=Departure.KILLED, leave_seconds=1.0),
        PeerClass("mute", upload=MIB, leave=Departure.SILENT, leave_seconds=1.0),
        seed=2,  # who leaves when it is done is not the last one
    )
    simulation = finished(Simulation(scenario, diary))
    notes = [(now, who, note) for now, who, note in diary.entries if isinstance(note, tuple)]
    gone = {who: (now, note[1]) for now, who, note in notes if note[0] == "left"}
    assert gone["visitor"] == (1.0, "goodbye")
    assert gone["victim"] == (1.5, "killed")
    assert gone["mute"] == (1.0, "silent")
    assert gone["done"][1] == "goodbye"
    assert gone["done"][0] == simulation.peers["done"].completed_at
    summary = simulation.summary()
    assert summary.identical, "who was not to stay need not complete"
    assert (summary.awaited, len(summary.rows)) == (3, 6)
    listed = {row.name for row in simulation.status().peers}
    assert {"victim", "mute"} <= listed, "nobody told the tracker"
    assert not {"visitor", "done"} & listed


def test_the_origin_leaves_when_one_copy_is_out_and_the_swarm_finishes_without_it() -> None:
    scenario = played(PeerClass(count=4, upload=MIB / 4), origin=OriginLine(upload=MIB, copies=1))
    simulation = finished(Simulation(scenario))
    assert not simulation.origin.alive
    assert simulation.summary().identical
    assert simulation.summary().origin_carried < 3.0


def test_a_swarm_whose_last_copy_dies_ends_and_says_who_lacks_what() -> None:
    simulation = Simulation(played(PeerClass(count=2, upload=MIB)))
    simulation.run(1.0)
    simulation.kill("origin")
    finished(simulation)
    assert simulation.stuck
    assert not simulation.summary().identical
    assert "of 32 blocks and 1 more lack some; nobody there holds" in simulation.lacking
    assert simulation.now < 600


def test_a_line_on_which_a_chunk_takes_minutes_is_no_standstill() -> None:
    slow = OriginLine(upload=50.0)  # a chunk in 328 s
    simulation = finished(Simulation(played(PeerClass(upload=50.0), origin=slow, size=32 * KIB)))
    assert simulation.summary().identical


def test_a_killed_peer_goes_on_from_its_disk_under_its_name() -> None:
    diary = Diary()
    simulation = Simulation(played(PeerClass(count=3, upload=MIB)), diary)
    until(simulation, lambda: simulation.peers["ana"].engine.blocks.have.bit_count() > 8)
    held = simulation.peers["ana"].engine.blocks.have
    simulation.kill("ana")
    simulation.run(simulation.now + 1.0)
    simulation.restart("ana")
    assert simulation.peers["ana"].engine.blocks.have == held
    finished(simulation)
    assert simulation.peers["ana"].complete
    assert [entry[0] for entry in diary.of("ana", tuple)] == ["joined", "left", "joined"]
    one, other = (entry[1].peer_id for entry in diary.of("ana", tuple) if entry[0] == "joined")
    assert one != other


def test_a_peer_that_lost_its_disk_starts_from_nothing() -> None:
    simulation = Simulation(played(PeerClass(count=2, upload=MIB)))
    finished(simulation)
    simulation.kill("bia")
    simulation.restart("bia", keep_disk=False)
    assert simulation.peers["bia"].engine.blocks.have == 0
    finished(simulation)
    assert simulation.peers["bia"].complete


def test_a_living_peer_is_not_started_twice() -> None:
    simulation = Simulation(played(PeerClass()))
    simulation.run(0.1)
    with pytest.raises(ValueError, match="ana has not ended"):
        simulation.restart("ana")


def test_connections_of_a_killed_peer_break_after_one_latency() -> None:
    simulation = Simulation(played(PeerClass(count=2, upload=MIB), latency=0.1))
    until(simulation, lambda: len(simulation.peers["ana"].engine.neighbours) == 2)
    simulation.kill("bia")
    simulation.run(simulation.now + 0.05)
    assert len(simulation.peers["ana"].engine.neighbours) == 2
    simulation.run(simulation.now + 0.3)
    assert len(simulation.peers["ana"].engine.neighbours) == 1


def test_a_silent_peer_is_kept_until_it_is_noticed_and_others_finish_without_it() -> None:
    diary = Diary()
    simulation = Simulation(played(PeerClass(count=3, upload=MIB / 2)), diary)
    simulation.run(1.0)
    simulation.silence("bia")
    received = simulation.peers["bia"].engine.downloads.total
    until(simulation, lambda: simulation.peers["ana"].complete and simulation.peers["caio"].complete, 200)
    assert len(simulation.peers["ana"].engine.neighbours) >= 2, "nobody was told"
    assert simulation.peers["bia"].engine.downloads.total == received
    simulation.run(simulation.now + 200)
    assert any(reason.startswith("silent for") for reason in diary.hang_ups("ana"))


def test_a_liar_is_found_out_and_banned_and_everybody_still_finishes() -> None:
    diary = Diary()
    scenario = played(PeerClass(count=4, upload=MIB / 2), PeerClass("liar", upload=2 * MIB, liar=True))
    simulation = finished(Simulation(scenario, diary))
    assert simulation.summary().identical
    bans = [effect for _, _, effect in diary.entries if isinstance(effect, Ban)]
    assert {ban.source.split()[0].decode() for ban in bans} == {simulation.peers["liar"].address[0]}
    assert sum(peer.engine.downloads.corrupt for peer in simulation.peers.values()) > 0


def test_honest_swarms_see_no_corrupt_block() -> None:
    simulation = finished(Simulation(played(PeerClass(count=4, upload=MIB))))
    assert not any(peer.engine.downloads.corrupt for peer in simulation.peers.values())


def test_a_spoilt_disk_fails_its_blocks_until_it_is_mended() -> None:
    simulation = Simulation(played(PeerClass(count=1, upload=MIB)))
    simulation.run(0.01)
    simulation.spoil("ana", 0b1)
    until(simulation, lambda: simulation.peers["ana"].engine.downloads.corrupt > 0)
    assert not simulation.peers["ana"].engine.blocks.have & 1


def test_between_two_that_are_cut_off_nothing_passes_until_they_are_reunited() -> None:
    simulation = Simulation(played(PeerClass(count=2, upload=MIB / 4)))
    until(simulation, lambda: len(simulation.peers["ana"].engine.neighbours) == 2)
    simulation.cut("ana", "bia")
    simulation.run(simulation.now + 0.1)

    def from_bia() -> int:
        ana, bia = simulation.peers["ana"].engine, simulation.peers["bia"].engine.identity.peer_id
        return sum(n.supply.flow.total for n in ana.neighbours.values() if n.peer_id == bia)

    before = from_bia()
    simulation.run(simulation.now + 2.0)
    assert from_bia() == before
    simulation.heal("ana", "bia")
    finished(simulation)
    assert from_bia() > before
    assert simulation.summary().identical


def test_a_neighbour_with_a_clogged_line_holds_its_senders_queue() -> None:
    simulation = Simulation(played(PeerClass(count=1), origin=OriginLine(), size=8 * MIB))
    simulation.run(0.02)
    simulation.clog("ana", 64.0 * KIB)
    simulation.run(1.0)
    origin, ana = simulation.origin.engine, simulation.peers["ana"].engine
    (neighbour,) = origin.neighbours.values()
    before = ana.downloads.total
    assert neighbour.demand.unsent > 0, "the engine is told only of what left"
    assert origin.uploads.total <= before + 2 * WINDOW
    simulation.run(3.0)
    assert ana.downloads.total - before <= 3 * 64 * KIB
    simulation.clog("ana", 0.0)
    finished(simulation)
    assert simulation.summary().identical


def test_a_slow_downlink_slows_its_own_peer_only() -> None:
    scenario = played(
        PeerClass("fast", 2, upload=4 * MIB),
        PeerClass("slow", upload=MIB, download=MIB / 8),
        origin=OriginLine(upload=4 * MIB),
    )
    simulation = finished(Simulation(scenario))
    done = {row.name: row.completed_after or 0.0 for row in simulation.summary().rows}
    assert max(done["fast1"], done["fast2"]) < 4.0
    assert 16.0 <= done["slow"] < 24.0


def test_a_swarm_without_limits_moves_too() -> None:
    simulation = finished(Simulation(plain(3, 4 * MIB, 64 * KIB)))
    assert simulation.summary().identical
    assert bitfield.full(64) == simulation.peers["ana"].engine.blocks.have


def waiting(simulation: Simulation) -> int:
    """How many neighbours, in all, compete for a slot of somebody who chokes them."""
    everybody = (simulation.origin, *simulation.peers.values())
    return sum(
        neighbour.interested and not neighbour.demand.unchoked
        for peer in everybody
        for neighbour in peer.engine.neighbours.values()
        if not peer.kind.free_rider
    )


def test_in_the_classroom_choking_can_be_seen_and_the_free_rider_pays() -> None:
    waited: dict[str, list[int]] = {}
    rode: dict[str, list[float]] = {}
    for choking, seeds in (("reciprocity", 5), ("tit-for-tat", 5), ("unchoke-all", 3)):
        for seed in range(seeds):
            simulation = Simulation(refined(load("classroom"), seed=seed, choking=choking))
            simulation.run(12.0)
            waited.setdefault(choking, []).append(waiting(simulation))
            assert 20 < finished(simulation).now < 50
            rows = {row.name: row.completed_after or 0.0 for row in simulation.summary().rows}
            rode.setdefault(choking, []).append(rows["rider"])
    assert min(waited["reciprocity"] + waited["tit-for-tat"]) >= 5
    assert waited["unchoke-all"] == [0, 0, 0]
    assert median(rode["reciprocity"]) > 1.1 * median(rode["tit-for-tat"])


def test_in_a_crowd_of_equals_every_grant_is_honoured() -> None:
    """Each gets about its part of the first copies of what it was granted from the origin itself."""
    simulation = finished(Simulation(plain(8, 8 * MIB, 32 * KIB, upload=MIB, seed=1)))
    honoured = [
        (peer.granted & peer.engine.downloads.by_origin).bit_count() for peer in simulation.peers.values()
    ]
    assert min(honoured) > 0.75 * sum(honoured) / len(honoured)
