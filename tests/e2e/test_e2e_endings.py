"""However a command ends, nothing is left behind: no process, no ghost at the tracker, no wrong byte."""

import signal
import socket
from pathlib import Path

import pytest
from e2e.running import (
    PROC,
    Command,
    Descendant,
    Start,
    Track,
    await_blocks,
    children_of,
    contents,
    eventually,
    write_random,
)

SOON = 12.0  # seconds: longer than a process is given for its goodbyes


def all_gone(processes: set[Descendant]) -> None:
    eventually(lambda: not any(process.alive for process in processes), "every process has ended", SOON)


def slow_swarm(minibit: Start, tmp_path: Path, *arguments: object) -> tuple[Command, set[Descendant]]:
    """A swarm in the middle of its work, and its processes: a tracker and two peers."""
    share = write_random(tmp_path / "source" / "film.bin", 2_000_000)
    options = ("--upload-limit", "50K", "--block-size", "16K")
    swarm = minibit("swarm", "--peers", 2, "--share", share, *options, *arguments)
    await_blocks(swarm.tracker_of_peers(), 1, "ana", "bia")
    children = swarm.children()
    assert len(children) == 3
    return swarm, children


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to find a process's children in")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_swarm_that_is_asked_to_end(
    minibit: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    swarm, children = slow_swarm(minibit, tmp_path)

    swarm.send(number)

    assert swarm.wait(SOON) == code
    assert not any(child.alive for child in children)
    assert swarm.err == []
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to find a process's children in")
@pytest.mark.parametrize(
    ("arguments", "helpers"),
    [
        (("compare", "--runs", 50), 1),
        (("chaos", "--seeds", 500), 1),
        (("swarm", "--peers", 500, "--simulate"), 0),
    ],
    ids=["compare", "chaos", "simulate"],
)
def test_a_long_work_in_virtual_time_that_is_interrupted(
    minibit: Start, arguments: tuple[object, ...], helpers: int
) -> None:
    work = minibit(*arguments)
    work.says(" …$")
    eventually(lambda: len(children_of(work.pid)) >= helpers, "its processes work")
    children = children_of(work.pid)

    work.send(signal.SIGINT)

    assert work.wait(SOON) == 130
    assert "Traceback" not in str(work)
    all_gone(children)


@pytest.mark.skipif(not PROC.exists(), reason="no /proc to find a process's children in")
def test_a_swarm_that_is_killed(minibit: Start, tmp_path: Path) -> None:
    swarm, children = slow_swarm(minibit, tmp_path, "--dir", tmp_path / "kept")

    swarm.kill()

    all_gone(children)
    for log in (tmp_path / "kept").glob("*.log"):
        assert "Traceback" not in log.read_text()


def test_a_peer_says_goodbye(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "100K")
    peers = {name: minibit("peer", name, 0, "--tracker", tracker.url) for name in ("ana", "bia")}
    await_blocks(tracker.url, 1, *peers)

    peers["ana"].send(signal.SIGINT)
    assert peers["ana"].wait(SOON) == 130
    assert [row.name for row in tracker.view().peers] == ["bia"]
    peers["bia"].send(signal.SIGTERM)
    assert peers["bia"].wait(SOON) == 143
    assert tracker.view().peers == ()
    for name, peer in peers.items():
        assert peer.err == []
        # What lies there is the share with holes: every block is right or not there at all.
        (held,) = contents(tmp_path / name).values()
        whole = share.read_bytes()
        assert len(held) == len(whole)
        blocks = [(held[at : at + 16384], whole[at : at + 16384]) for at in range(0, len(whole), 16384)]
        assert any(mine == right for mine, right in blocks)
        assert all(mine in (right, bytes(len(right))) for mine, right in blocks)

    tracker.command.send(signal.SIGINT)
    assert tracker.command.wait(SOON) == 130
    assert tracker.command.err == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tracker.port), timeout=5.0)
