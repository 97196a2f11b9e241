"""`--log` on real processes: one log of a whole swarm, however it ends, and its replay."""

import json
from pathlib import Path

import pytest
from e2e.running import PROC, Start, await_blocks, eventually, write_random

from minibit.eventlog.reading import Reader
from minibit.events import kinds
from minibit.events.entries import Entry


def story(path: Path) -> list[Entry]:
    with Reader(path) as reader:
        told = [entry for entry, _ in reader.entries()]
        assert reader.remarks() == []
    assert [entry.t for entry in told] == sorted(entry.t for entry in told)
    return told


def test_a_swarm_in_one_log_and_its_replay(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_001)
    log = tmp_path / "all.jsonl"
    swarm = minibit("swarm", "--peers", 3, "--share", share, "--block-size", "64K", "--log", log)
    assert swarm.wait() == 0, str(swarm)
    assert f"what happened is in {log}: minibit replay {log}" in swarm.out

    told = story(log)
    names = {"origin", "ana", "bia", "caio"}
    assert {entry.peer for entry in told} == names
    verified = [entry.event for entry in told if isinstance(entry.event, kinds.Verified)]
    assert len(verified) == 3 * 16
    assert {who for event in verified for who, _ in event.senders} <= names
    left = {entry.peer: entry.event.how for entry in told if isinstance(entry.event, kinds.Left)}
    assert left == dict.fromkeys(names, "goodbye")
    assert not [
        entry for entry in told if isinstance(entry.event, kinds.Connected) and ":" in entry.event.who
    ]

    replay = minibit("replay", log, "--json")
    assert replay.wait() == 0, str(replay)
    view = json.loads(replay.out[0])
    assert {peer["peer_id"]: peer["have"] for peer in view["peers"]} == dict.fromkeys(names, 16)
    assert {peer["state"] for peer in view["peers"]} == {"complete"}


@pytest.mark.skipif(not PROC.exists(), reason="only /proc tells which processes a swarm has started")
def test_an_interrupted_swarm_leaves_its_log_and_who_was_killed_stands_in_it(
    minibit: Start, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 4_000_000)
    log, kept = tmp_path / "all.jsonl", tmp_path / "kept"
    swarm = minibit(
        *("swarm", "--peers", 2, "--share", share, "--upload-limit", "200K", "--dir", kept, "--log", log)
    )
    url = swarm.tracker_of_peers()
    await_blocks(url, 1, "ana", "bia")
    # A log that grows can be read while it does.
    eventually(lambda: (kept / "ana.jsonl").read_bytes().count(b'"verified"') > 0, "ana's log grows")
    growing = minibit("replay", kept / "ana.jsonl", "--json")
    assert growing.wait() == 0, str(growing)
    assert [peer["peer_id"] for peer in json.loads(growing.out[0])["peers"]] == ["ana"]

    (ana,) = (child for child in swarm.children() if "ana" in child.words)
    ana.kill()
    swarm.says("minibit peer ana .*--log .*ana-again.jsonl")
    assert swarm.interrupted() == []

    left = {entry.peer: entry.event.how for entry in story(log) if isinstance(entry.event, kinds.Left)}
    assert left == {"ana": "killed", "bia": "goodbye", "origin": "goodbye"}
