"""`minibit experiment` as a user meets it."""

import json
from pathlib import Path

import pytest
from e2e.running import Command
from msgspec.structs import replace

from minibit.cli.experiment import hint
from minibit.cli.main import main
from minibit.experiments import grants
from minibit.experiments.catalogue import EXPERIMENTS
from minibit.experiments.experiment import Case


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """`grant` with two swarms of three peers."""

    def cases(_full: bool) -> tuple[Case, ...]:
        return tuple(
            Case(f"N = 3, {name}", grants.crowd(3, 32, dealt)) for name, dealt in grants.DEALT.items()
        )

    monkeypatch.setitem(EXPERIMENTS, "grant", replace(grants.EXPERIMENT, cases=cases))


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert main(["experiment", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["experiments"]
    assert [each["name"] for each in listed] == list(EXPERIMENTS)
    assert listed[3]["source"].startswith("Hajek & Zhu")


@pytest.mark.usefixtures("tiny")
def test_an_experiment_is_told_in_plain_lines_and_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "grant.svg"
    assert main(["experiment", "grant", "--runs", "1", "--plot", str(picture)]) == 0
    out, err = capsys.readouterr()
    assert (err, "\x1b" in out) == ("", False)
    lines = out.splitlines()
    assert lines[0] == "grant: 2 swarms, 1 run each, simulated …"
    assert "beside Kumar & Ross 2006" in lines
    heads = next(line.split() for line in lines if line.startswith("figure"))
    assert heads == ["figure", "ours", "published", "ours", "÷", "it", "verdict"]
    (row,) = (line for line in lines if line.startswith("N = 3, no grants: last ÷ D"))
    assert " 1.00  " in row
    assert any(line.startswith("of 2 published figures, ") for line in lines)
    assert lines[-1] == f"the picture is {picture}"
    assert "the least time D" in picture.read_text()


@pytest.mark.usefixtures("tiny")
def test_as_json_it_holds_the_verdicts_and_what_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "grant", "--runs", "2", "--seed", "7", "--jobs", "1", "--json"]) == 0
    out, _ = capsys.readouterr()
    document = json.loads(out)
    assert out.count("\n") == 1
    assert document["seeds"] == [7, 8]
    assert document["figures"][0]["published"]["whose"] == "Kumar & Ross 2006"
    assert document["figures"][0]["agrees"] in (True, False)
    assert [run["seed"] for run in document["cases"][0]["runs"]] == [7, 8]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "there is no experiment 'nope': choose bounds, picking, choking, missing-piece, grant"),
        (["grant", "--plot", "x.gif"], "is no picture"),
        (["grant", "--runs", "0"], "--runs: 0 is out of range"),
        (["grant", "--jobs", "0"], "--jobs: 0 is out of range"),
    ],
)
def test_a_mistake_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["experiment", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(9, ""), (42, ", about 40 s"), (600, ", about 10 min"), (9000, ", about 2.5 h")],
)
def test_what_takes_long_is_said_to(seconds: float, told: str) -> None:
    assert hint(seconds) == told


def test_ctrl_c_ends_an_experiment_tidily(tmp_path: Path) -> None:
    command = Command(["experiment", "bounds", "--full", "--jobs", 1], tmp_path)
    command.says("^bounds: 15 swarms, 1 run each, simulated, about ")
    assert command.interrupted() == []
