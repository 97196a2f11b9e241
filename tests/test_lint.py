"""The checks that machines make of the code, as tests: one command runs them and everything else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = [
    ("ruff", "check", "minibit", "tests"),
    ("ruff", "format", "--check", "minibit", "tests"),
    ("mypy", "--strict", "minibit"),
]


@pytest.mark.parametrize("check", CHECKS, ids=" ".join)
def test_the_code_passes(check: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, f"{' '.join(check)}\n{done.stdout}"
