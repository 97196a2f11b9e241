"""One tiny benchmark from end to end: MiniBit alone, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_a_tiny_transfer_is_measured(tmp_path: Path) -> None:
    command = [str(HERE / "transfer.py"), "--size", "2M", "--runs", "1", "--only", "MiniBit"]
    done = subprocess.run(
        [sys.executable, *command, "--work", str(tmp_path), "--json", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    (run,) = results["comparisons"]["1 → 1, 2M"]["runs"]["MiniBit"]
    assert 0 < run["first_byte"] <= run["launch"]
    assert run["speed"] > 0
    assert results["machine"]
    assert list(tmp_path.iterdir()) == []
