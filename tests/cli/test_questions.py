"""`minibit compare` and `minibit chaos` as a user meets them."""

import json
from pathlib import Path

import pytest

from minibit.cli.main import main

FEW = [
    "compare",
    "--scenario",
    "slow-origin",
    "--peers",
    "2",
    "--runs",
    "2",
    "--picking",
    "random,sequential",
    "--jobs",
    "1",
]


def test_a_comparison_is_told_plotted_and_can_be_had_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines, picture = tmp_path / "runs.csv", tmp_path / "curves.svg"
    assert main([*FEW, "--json", "--csv", str(lines), "--plot", str(picture)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["seeds"] == [1, 2]
    assert [each["name"] for each in document["contenders"]] == ["random", "sequential"]
    assert document["contenders"][0]["figures"]["last"]["mean"] > 0.99
    assert document["contenders"][1]["against_first"]["median"]["real"] is None  # two runs tell nothing
    assert len(lines.read_text().splitlines()) == 5
    assert "completion, a curve per run" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--picking", "best"], "unknown picking strategy 'best'"),
        (["compare", "--picking", "random,random"], "write each name once"),
        (["compare", "--scenario", "nope"], "there is no 'nope'"),
        (["compare", "--live", "--dask", "x"], "--live runs on this machine"),
        (["compare", "--live", "--jobs", "1"], "--live plays one swarm after another"),
        (["compare", "--jobs", "1", "--dask", "x"], "--jobs is of this machine"),
        (["chaos", "--jobs", "1", "--dask", "x"], "--jobs is of this machine"),
        (["compare", "--plot", "x.gif"], "is no picture"),
        (["compare", "--scenario", "last-copy", "--live"], "origin.leave is not for real processes"),
        (["chaos", "--mode", "wild"], "choose safety, liveness or both"),
        (["chaos", "--seed", "1", "--seeds", "2"], "leave one of them out"),
        (["chaos", "--log", "x"], "--log is of one run"),
    ],
)
def test_a_mistake_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_one_seed_of_chaos_is_played_and_written_down(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "6.jsonl"
    assert main(["chaos", "--seed", "4", "--mode", "safety", "--json", "--log", str(log)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["runs"], document["findings"]) == (1, [])
    assert log.stat().st_size > 0
