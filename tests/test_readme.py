"""What README promises is so: its commands, its table of packages, its strategy, run as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_floors import FLOORS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = ROOT / ".ci" / "run"


def fences(language: str) -> list[str]:
    """The fenced examples in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_two_commands_start_from_nothing_but_python() -> None:
    start, test, *_ = (line for line in "".join(fences("sh")).splitlines() if "-m venv" in line)

    for line in (start, test):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert start.endswith("minibit swarm --peers 5")
    assert "'.[test]'" in test
    assert f"\n{test} || exit\n" in CI.read_text(encoding="utf-8"), (
        ".ci/run runs another command than README's"
    )
    assert os.access(CI, os.X_OK)


def test_the_table_of_the_house_names_every_package_on_its_floor_and_in_order() -> None:
    house = README.split("## The house")[1].split("```")[0]
    rows = re.findall(r"^\| (?:(\d)[^|]*)?\| \[?`(\w+)`", house, re.MULTILINE)

    told: list[list[str]] = []
    for floor, package in rows:
        if floor:
            assert int(floor) == len(told)
            told.append([])
        told[-1].append(package)

    packages = [[name for name, files in floor.items() if files] for floor in FLOORS]
    packages[0].insert(0, "minibit")
    packages[2].insert(0, "registry")
    assert told == packages


def test_the_files_that_it_points_to_are_there() -> None:
    for target in re.findall(r"\]\(((?:minibit|tests)[^)#]*)\)", README):
        assert (ROOT / target).exists(), target


def run(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m module …` in `folder`, whose modules it can import."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    """The folder with README's strategy as `windowed.py`."""
    (source,) = fences("python")
    (tmp_path / "windowed.py").write_text(source, encoding="utf-8")
    return tmp_path


def test_the_strategy_explains_itself_as_shown(strategy: Path) -> None:
    (session,) = fences("pycon")
    assert ".explain()" in session
    (strategy / "session.txt").write_text(session, encoding="utf-8")

    done = run("doctest", "session.txt", folder=strategy)

    assert done.returncode == 0, done.stdout


def test_the_strategy_runs_a_swarm(strategy: Path) -> None:
    share = strategy / "share.bin"
    share.write_bytes(os.urandom(500_000))
    (asked,) = re.findall(r"--picking windowed:\w+", README)

    done = run("minibit", *f"swarm --peers 2 --share share.bin {asked} --json".split(), folder=strategy)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["identical"] is True
