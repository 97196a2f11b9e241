"""`minibit strategy`, as the command line has it."""

import json
from pathlib import Path

import pytest

from minibit.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_new_writes_check_finds_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategy", "new", "fresh", "--choking"]) == 0
    assert "minibit strategy check fresh.py:Fresh" in capsys.readouterr().out
    assert main(["strategy", "check", "fresh.py:Fresh"]) == 0
    assert "good: minibit swarm --peers 5 --choking fresh.py:Fresh" in capsys.readouterr().out


def test_a_bad_one_ends_with_1_and_the_document_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad_one.py").write_text("class Bad:\n    def pick(self, view, now, rng):\n        return 7\n")
    assert main(["strategy", "check", "bad_one.py:Bad", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["strategy"], document["good"]) == ("bad_one.py:Bad", False)
    assert "answered 7, not a Pick or None" in document["findings"][0]["seen"]
    assert main(["strategy", "check", "bad_one.py:Bad"]) == 1
    assert "  FAIL  answers as it should: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("check nothing", "unknown strategy 'nothing': choose file.py:Class"),
        ("check json:JSONEncoder", "has neither pick(view, now, rng) nor choke(view, now, rng)"),
        ("new Mine", "is no module's name"),
        ("", "minibit strategy --help explains"),
    ],
)
def test_mistakes_are_said_in_a_line(asked: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategy", *asked.split()]) == 2
    assert said in capsys.readouterr().err
