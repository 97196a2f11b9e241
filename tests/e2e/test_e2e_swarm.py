"""`minibit swarm`: real processes trade real files, and what it says of them is true."""

import json
import platform
import shlex
from pathlib import Path

import pytest
from e2e.running import PROC, Start, await_blocks, contents, write_random

from minibit import __version__ as minibit_version


def test_five_peers_in_a_pipe(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 3_000_001)
    kept = tmp_path / "kept"
    swarm = minibit("swarm", "--peers", 5, "--share", share, "--dir", kept, "--block-size", "64K")

    assert swarm.wait() == 0, str(swarm)

    said = "\n".join(swarm.out)
    assert "\x1b" not in said, "control codes in a pipe"
    assert "\r" not in said
    assert swarm.err == []
    assert "swarm complete 5/5" in said
    assert "all copies identical" in said
    for name in ("ana", "bia", "caio", "duda", "eva"):
        assert (kept / name / "film.bin").read_bytes() == share.read_bytes()
        assert any(line.startswith(f"{name} complete in") for line in swarm.out), str(swarm)


def test_the_sample_as_one_json_document(
    minibit: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    swarm = minibit("swarm", "--peers", 3, "--upload-limit", 0, "--json", "--seed", 1)

    assert swarm.wait() == 0, str(swarm)

    assert len(swarm.out) == 1, "more than the document on standard output"
    summary = json.loads(swarm.out[0])
    assert summary["identical"] is True
    assert summary["complete"] == 3
    assert summary["block_count"] == 192
    assert [peer["name"] for peer in summary["peers"]] == ["ana", "bia", "caio"]
    for peer in summary["peers"]:
        assert peer["verified"] == 192
        assert peer["downloaded"] >= summary["total_size"]
        assert 0.3 * 192 <= peer["given"] <= 0.5 * 192
    assert summary["origin_uploaded"] >= summary["total_size"]
    # Whoever reads it a year later can run it again.
    assert summary["minibit"] == minibit_version
    assert summary["python"] == platform.python_version()
    assert summary["path"] == str(tmp_path / "cache" / "minibit" / "minibit-sample.bin")
    scenario = summary["scenario"]
    assert (scenario["seed"], scenario["grant"], scenario["block-size"]) == (1, "30-50", 65536)
    (people,) = scenario["peers"]
    assert (people["count"], people["upload"]) == (3, 0)
    assert (people["picking"], people["choking"]) == ("rarest-first", "tit-for-tat")
    assert not {"latency", "neighbours"} & scenario.keys(), "what a live run does not decide"
    assert list(place.iterdir()) == [], "the temporary folder is still there"
    assert list(contents(tmp_path / "cache")) == ["minibit/minibit-sample.bin", "minibit/tracker-secret"]


def test_eight_copies_of_a_folder(minibit: Start, tmp_path: Path) -> None:
    source = tmp_path / "collection"
    write_random(source / "a first.bin", 100_003, seed=1)  # ends inside a block that the next file shares
    (source / "b empty").touch()
    write_random(source / "deep" / "cé.bin", 777_777, seed=2)
    swarm = minibit(
        "swarm", "--peers", 8, "--share", source, "--dir", tmp_path / "kept", "--block-size", "16K", "--json"
    )

    assert swarm.wait(45) == 0, str(swarm)

    summary = json.loads(swarm.out[0])
    assert summary["identical"] is True
    assert len(summary["peers"]) == 8
    expected = contents(source)
    assert len(expected) == 3
    for peer in summary["peers"]:
        folder = tmp_path / "kept" / peer["name"]
        assert contents(folder / "collection") == expected
        assert sorted(path.name for path in folder.iterdir()) == ["collection"]


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to find a process's children in")
def test_a_peer_killed_in_mid_swarm_is_resumed_as_the_swarm_says(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    kept = tmp_path / "all copies"  # a name that a shell would split
    swarm = minibit(
        *("swarm", "--peers", 2, "--share", share, "--dir", kept),
        *("--upload-limit", "300K", "--block-size", "16K"),
    )
    await_blocks(swarm.tracker_of_peers(), 5, "ana")
    (ana,) = [child for child in swarm.children() if "ana" in child.words]
    ana.kill()
    line = swarm.says("ana has ended; within a minute, this resumes it: minibit (.*)$")[1]

    again = minibit(*shlex.split(line))

    assert int(again.says(r"blocks; (\d+) on disk$")[1]) > 0
    assert swarm.wait() == 0, str(swarm)
    assert any("swarm complete 2/2" in said and "all copies identical" in said for said in swarm.out)
    for name in ("ana", "bia"):
        assert contents(kept / name) == {"film.bin": share.read_bytes()}


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to find a process's children in")
def test_a_tracker_killed_in_mid_swarm_is_started_again_as_the_swarm_says(
    minibit: Start, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "the source" / "film.bin", 1_000_000)
    swarm = minibit(
        *("swarm", "--peers", 2, "--share", share, "--dir", tmp_path / "kept"),
        *("--upload-limit", "300K", "--block-size", "16K"),
    )
    await_blocks(swarm.tracker_of_peers(), 5, "ana")
    (tracker,) = [child for child in swarm.children() if "tracker" in child.words]
    tracker.kill()
    line = swarm.says(r"the tracker has ended \(exit code -9\), .* starts it again: minibit (.*)$")[1]

    minibit(*shlex.split(line))

    assert swarm.wait() == 0, str(swarm)
    assert any("swarm complete 2/2" in said and "all copies identical" in said for said in swarm.out)
