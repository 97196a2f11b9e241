"""A user's mistake that only shows once processes meet: one line on stderr with the remedy, no traceback.

What one process can tell by itself is in `test_cli`.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from e2e.running import Command, Start, Track, write_random


def refused(command: Command, pattern: str, code: int = 2) -> None:
    """It ended with `code`, and said why in one line."""
    assert command.wait() == code, str(command)
    assert len(command.err) == 1, str(command)
    assert re.search(f"^minibit: .*{pattern}", command.err[0]), str(command)
    assert "Traceback" not in "\n".join(command.out)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        yield sock.getsockname()[1]


def test_a_swarm_of_nothing(minibit: Start, tmp_path: Path) -> None:
    swarm = minibit("swarm", "--share", tmp_path / "nowhere", "--dir", tmp_path / "kept", "--json")

    refused(swarm, "cannot share .*No such file or directory; check the path")
    assert swarm.out == []


def test_a_swarm_one_of_whose_peers_cannot_be(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "film.bin", 100_000)
    (tmp_path / "kept" / "ana" / "film.bin").mkdir(parents=True)
    swarm = minibit("swarm", "--peers", 2, "--share", share, "--dir", tmp_path / "kept")

    refused(swarm, "ana: .*move it away")


def test_a_swarm_over_the_copies_of_another_share(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "film.bin", 100_000)
    write_random(tmp_path / "kept" / "bia" / "film.bin", 200_000)
    swarm = minibit("swarm", "--peers", 2, "--share", share, "--dir", tmp_path / "kept", "--json")

    refused(swarm, "bia: .*film.bin")
    assert swarm.out == []


def test_a_peer_that_cannot_be(minibit: Start, track: Track, tmp_path: Path, taken_port: int) -> None:
    tracker = track(write_random(tmp_path / "source" / "film.bin", 100_000))
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url)
    ana.says("^complete")
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "film.bin").mkdir()
    cases = [
        (("bia", taken_port, "--tracker", tracker.url), "cannot listen on .*choose another port"),
        (("ana", 0, "--tracker", tracker.url, "--dir", "other"), "'ana' is active at .*choose another name"),
        (("bia", 0, "--tracker", tracker.url, "--dir", occupied), "move it away, or choose another folder"),
        (("origin", 0, "--tracker", tracker.url), "choose another one"),
    ]
    started = [(minibit("peer", *arguments), pattern) for arguments, pattern in cases]
    for command, pattern in started:
        refused(command, pattern)
    assert [row.name for row in tracker.view().peers] == ["ana"]
    assert ana.process.poll() is None
