"""The log of a simulation: the same bytes each time, everywhere, and true to what was simulated."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minibit import bitfield
from minibit.eventlog.reading import Reader
from minibit.events import kinds
from minibit.lab.replay import Replay
from minibit.lab.scenario import plain
from minibit.lab.simulated_log import SimulatedLog
from minibit.lab.simulator import Simulation
from minibit.snapshot import State

PEERS = 6
MIB = 1 << 20


def logged(path: Path, seed: int = 1) -> Simulation:
    scenario = plain(PEERS, 2 * MIB, 65536, upload=MIB, seed=seed)
    log = SimulatedLog(path, scenario, tell=pytest.fail)
    simulation = Simulation(scenario, log)
    log.keep_time(simulation.clock)
    while not simulation.over:
        simulation.run(float("inf"), 1000)
    log.close(simulation.now)
    return simulation


def test_the_same_seed_gives_the_same_bytes_whatever_hashes_are_and_another_one_others(
    tmp_path: Path,
) -> None:
    logged(tmp_path / "here")
    here = hashlib.sha256((tmp_path / "here").read_bytes()).hexdigest()
    for hash_seed in ("1", "2"):
        path = tmp_path / hash_seed
        command = ["swarm", "--simulate", "--peers", "5", "--upload-limit", "4M", "--seed", "1", "--json"]
        subprocess.run(
            [sys.executable, "-m", "minibit", *command, "--log", str(path)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    logged(tmp_path / "again")
    assert hashlib.sha256((tmp_path / "again").read_bytes()).hexdigest() == here
    logged(tmp_path / "other", seed=2)
    assert hashlib.sha256((tmp_path / "other").read_bytes()).hexdigest() != here


def test_whoever_watches_changes_nothing(tmp_path: Path) -> None:
    scenario = plain(PEERS, 2 * MIB, 65536, upload=MIB, seed=1)
    unwatched = Simulation(scenario)
    while not unwatched.over:
        unwatched.run(float("inf"), 1000)
    assert logged(tmp_path / "log").summary() == unwatched.summary()


def test_its_replay_ends_as_the_simulation_did(tmp_path: Path) -> None:
    simulation = logged(tmp_path / "log")
    with Reader(tmp_path / "log") as reader:
        assert (reader.header.kind, reader.header.start, reader.header.seed) == ("simulated", 0.0, 1)
        view = Replay(reader).at(float("inf"))
        assert reader.remarks() == []
    summary = {row.name: row for row in simulation.summary().rows}
    assert view.origin is not None
    assert view.origin.figures.uploaded == simulation.origin.engine.uploads.total
    assert len(view.peers) == PEERS
    for row in view.peers:
        assert row.blocks == bitfield.full(32)
        assert row.figures.state is State.COMPLETE
        assert row.figures.completed_after == pytest.approx(summary[row.name].completed_after, abs=1e-5)
        assert row.figures.from_origin == summary[row.name].from_origin
        assert row.given == summary[row.name].given


def test_it_answers_why_from_the_file_alone(tmp_path: Path) -> None:
    """Why each block came from whom, who was choked and for whom, and whence every block came."""
    logged(tmp_path / "log")
    with Reader(tmp_path / "log") as reader:
        story = [entry for entry, _ in reader.entries()]
    names = {entry.peer for entry in story}
    picks = {(e.peer, e.event.block): e.event for e in story if isinstance(e.event, kinds.Picked)}
    blocks = [(e.peer, e.event) for e in story if isinstance(e.event, kinds.Verified)]
    assert len(blocks) == PEERS * 32
    for peer, verified in blocks:
        assert sum(chunks for _, chunks in verified.senders) == 4
        assert {who for who, _ in verified.senders} <= names
        pick = picks[peer, verified.block]
        assert 1 <= pick.tied <= pick.candidates
        assert pick.copies is not None
    held: dict[str, set[str]] = {name: set() for name in names}
    for entry in story:
        if isinstance(entry.event, kinds.Chosen):
            now = {*entry.event.fixed, *filter(None, [entry.event.optimistic])}
            moved = {who for who, _ in entry.event.moves}
            assert now ^ held[entry.peer] <= moved, "somebody got or lost a place and nobody says why"
            held[entry.peer] = now


def test_who_is_killed_or_falls_silent_is_said(tmp_path: Path) -> None:
    scenario = plain(3, 2 * MIB, 65536, upload=MIB / 4, seed=1)
    log = SimulatedLog(tmp_path / "log", scenario, tell=pytest.fail)
    simulation = Simulation(scenario, log)
    log.keep_time(simulation.clock)
    simulation.run(2.0)
    simulation.kill("ana")
    simulation.silence("bia")
    simulation.run(3.0)
    log.close(simulation.now)
    with Reader(tmp_path / "log") as reader:
        left = [(e.t, e.peer, e.event.how) for e, _ in reader.entries() if isinstance(e.event, kinds.Left)]
    assert left == [(2.0, "ana", "killed"), (2.0, "bia", "silent")]
