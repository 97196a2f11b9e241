"""A short slice of `soak/kill_cycles.py`: whoever is killed, and whenever, goes on honestly afterwards."""

from pathlib import Path

from soak.kill_cycles import run


def test_peers_and_tracker_killed_at_random_moments(tmp_path: Path) -> None:
    done = run(5, tmp_path, seed=3)
    assert sum(done.kills.values()) == 5
    assert done.rounds >= 1
