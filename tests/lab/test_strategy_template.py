"""The first twenty lines: they pass the trial, play a simulated swarm, and overwrite nothing."""

from pathlib import Path

import pytest

from minibit import registry
from minibit.errors import UsageError
from minibit.lab.scenario import plain
from minibit.lab.simulator import Simulation
from minibit.lab.strategy_template import write
from minibit.lab.strategy_trial import trial


@pytest.mark.parametrize(
    ("name", "picking", "choking", "classes"),
    [
        ("mine_one", True, False, ["MineOne"]),
        ("mine_two", False, True, ["MineTwo"]),
        ("mine_both", True, True, ["MineBothPicking", "MineBothChoking"]),
    ],
)
def test_what_is_written_passes_and_plays(
    tmp_path: Path, name: str, picking: bool, choking: bool, classes: list[str]
) -> None:
    path, written = write(name, tmp_path, picking=picking, choking=choking)
    assert (path, written) == (tmp_path / f"{name}.py", classes)
    assert len(path.read_text().splitlines()) <= 36
    chosen = {}
    for each in classes:
        ((kind, strategy),) = registry.named(f"{path}:{each}")
        assert all(finding.good for finding in trial(strategy, kind))
        chosen[kind] = f"{path}:{each}"
    scenario = plain(
        3,
        1 << 20,
        1 << 16,
        upload=1e6,
        picking=chosen.get("picking", "rarest-first"),
        choking=chosen.get("choking", "tit-for-tat"),
        grant=(0.3, 0.5),
        seed=1,
    )
    simulation = Simulation(scenario)
    simulation.run(1000.0)
    assert simulation.summary().identical


@pytest.mark.parametrize("name", ["", "Mine", "1st", "a-b", "a/b", "class", "random", "minibit", "x" * 41])
def test_names_that_no_module_may_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="NAME"):
        write(name, tmp_path, picking=True, choking=False)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("work of a week")
    with pytest.raises(UsageError, match="is there already"):
        write("mine", tmp_path, picking=True, choking=False)
    assert (tmp_path / "mine.py").read_text() == "work of a week"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write("mine", tmp_path / "nowhere", picking=True, choking=False)
