"""`minibit swarm --simulate` and `--scenario` as a user meets them."""

import json
import re
from pathlib import Path

import pytest
from e2e.running import Command

from minibit.cli import simulate
from minibit.cli.main import main

QUICK = ["swarm", "--simulate", "--block-size", "1M", "--upload-limit", "4M", "--seed", "1"]
PROGRESS = re.compile("simulating: [0-9]+%$")  # said where it takes long, on a busy machine say


def test_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["swarm", "--scenario"], ["swarm", "--scenario", "--simulate"]):
        assert main(arguments) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert "\nclassroom    unequal uplinks" in out
    assert main(["swarm", "--scenario", "--json"]) == 0
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["scenarios"]]
    assert "last-copy" in names


def test_a_simulation_says_how_it_came_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--peers", "3"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not PROGRESS.match(line)]
    assert lines[0] == "simulating 3 peers, seed 1 …"
    assert [line.split()[0] for line in lines[1:4]] == ["ana", "bia", "caio"]
    assert lines[4].startswith("swarm complete 3/3 in ")
    assert lines[4].endswith("simulated")
    assert "no byte was moved" in lines[5]


def test_what_is_left_out_of_the_share_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "film.bin").write_bytes(b"x" * 100_000)
    (tmp_path / "empty").mkdir()
    assert main(["swarm", "--simulate", "--peers", "1", "--share", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(
        f"left out, as only files are shared, no links, special files or empty folders: '{tmp_path}/empty'\n"
    )


def test_a_simulation_as_json_holds_all_that_repeats_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*QUICK, "--peers", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert out.count("\n") == 1
    assert all(PROGRESS.match(line) for line in err.splitlines())
    assert document["simulated"] is True
    assert document["identical"] is True
    scenario = document.pop("scenario")
    assert (scenario["seed"], scenario["block-size"], scenario["peers"][0]["count"]) == (1, 1 << 20, 3)
    path = tmp_path / "again.toml"
    tables = {key: scenario.pop(key) for key in ("origin", "peers")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in scenario.items()]
    for head, table in (("[origin]", tables["origin"]), *(("[[peers]]", each) for each in tables["peers"])):
        lines += [head, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    path.write_text("\n".join(lines))
    assert main(["swarm", "--simulate", "--scenario", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["peers"] == document["peers"]


def test_a_pace_to_watch_shows_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--peers", "2", "--speed", "100x"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("swarm 0:00 complete 0/2") for line in lines)


def test_a_pace_that_the_machine_cannot_keep_is_not_claimed() -> None:
    assert simulate.pace_kept(10.0, now=15.0, passed=2.0) == "simulated, 10 × real time"
    said = simulate.pace_kept(10.0, now=6.0, passed=2.0)
    assert said == "simulated, 3.0 × real time: 10 × is more than this machine can do"


def test_a_run_that_cannot_finish_says_who_lacks_what(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "doomed.toml"
    path.write_text(
        'size = "4M"\nblock-size = "1M"\n[origin]\nupload = "1M/s"\nleave = "after 1 copy"\n'
        '[[peers]]\nname = "holder"\nupload = "1M/s"\nleave = "after 6s"\n'
        '[[peers]]\nname = "slow"\nupload = "1M/s"\ndownload = "64K/s"\n'
    )
    assert main(["swarm", "--simulate", "--scenario", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "slow not complete" in out
    assert err.count("\n") == 1
    assert "this swarm cannot finish: slow lacks " in err
    assert "nobody there holds" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "10x"], "--speed is for virtual time: add --simulate"),
        (["--simulate", "--speed", "fast"], "--speed: 'fast' is no pace: write it like 10x"),
        (["--simulate", "--speed", "0"], "--speed: '0' is no pace"),
        (["--simulate", "--dir", "x"], "--dir: a simulation writes no files"),
        (["--simulate", "--peers", "5001"], "--peers: 5001 is out of range"),
        (["--scenario", "nope"], "--scenario: there is no 'nope': choose churn, classroom"),
        (["--scenario", "no/such.toml"], "--scenario: cannot read 'no/such.toml'"),
        (["--scenario", "last-copy"], "origin.leave is not for real processes: add --simulate"),
        (["--scenario", "classroom", "--peers", "2"], "--peers: scenario 'classroom' has 4 classes"),
        (["--scenario", "classroom", "--simulate", "--choking", "best"], "unknown choking strategy 'best'"),
    ],
)
def test_a_mistake_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["swarm", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("pace", [[], ["--speed", "1x"]])
def test_ctrl_c_ends_a_simulation_tidily(pace: list[str], tmp_path: Path) -> None:
    command = Command(["swarm", "--simulate", "--peers", 60, *pace], tmp_path)
    command.says("^simulating 60 peers")
    assert command.interrupted() == []
