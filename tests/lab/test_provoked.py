"""Stalls that we provoke, played by real engines in virtual time: the answer names the truth."""

from pathlib import Path
from typing import Any

from minibit.eventlog.reading import Reader
from minibit.inquiry.progress import Progress, Verdict, progress
from minibit.inquiry.scene import Scene
from minibit.lab.scenario_file import parse
from minibit.lab.simulated_log import SimulatedLog
from minibit.lab.simulator import Simulation


def played(folder: Path, at: float, peer: str, **document: Any) -> Progress:
    """How `peer` stands at that moment of this scenario."""
    scenario = parse({"size": "2M", "block-size": "64K", "grant": "0-0", "seed": 2, **document}, "provoked")
    path = folder / "log"
    log = SimulatedLog(path, scenario, tell=lambda _: None)
    simulation = Simulation(scenario, log)
    log.keep_time(simulation.clock)
    simulation.run(at)
    log.close(simulation.now)
    with Reader(path) as reader:
        scene = Scene(reader.header.layout)
        for entry, _ in reader.entries():
            scene.apply(entry)
    return progress(scene, scene.actors[peer])


def test_the_last_copy_of_a_block_is_gone(tmp_path: Path) -> None:
    told = played(
        tmp_path,
        400.0,
        "ana",
        origin={"upload": "256K/s", "leave": "after 1 copy"},
        peers=[
            {"count": 2, "upload": "16K/s"},
            {"name": "victim", "upload": "16K/s", "leave": "killed after 14s"},
        ],
    )
    assert told.verdict is Verdict.GONE
    assert told.gone_count == told.in_all - told.have > 0
    assert [holder.who for holder in told.holders] == ["victim", "origin"]
    assert (told.holders[0].ended.how, told.holders[0].ended.at) == ("killed", 14.0)


def test_a_slow_uplink(tmp_path: Path) -> None:
    told = played(tmp_path, 30.0, "ana", origin={"upload": "16K/s"}, peers=[{"count": 3, "upload": "1M/s"}])
    assert told.verdict is Verdict.UPLINKS
    assert [debtor.who for debtor in told.debtors if debtor.busy] == ["origin"]


def test_a_liar(tmp_path: Path) -> None:
    told = played(
        tmp_path,
        8.0,
        "honest3",
        origin={"upload": "256K/s"},
        peers=[
            {"name": "honest", "count": 3, "upload": "512K/s"},
            {"name": "liar", "upload": "1M/s", "liar": True},
        ],
    )
    assert [who for who, _ in told.banned] == ["liar"]
    assert told.spoilers[0][0] == "liar"
