"""`minibit why`, as the command line has it, of logs and of a peer that runs."""

import json
from pathlib import Path

import pytest
from fakes.logs import BLOCKS, written
from fakes.told import Told, chosen, joined, met, sampled

from minibit.cli.main import main
from minibit.events import kinds

STORY: list[Told] = [
    (0.0, "origin", joined((1 << BLOCKS) - 1, origin=True, limit=1000.0)),
    (0.0, "ana", joined()),
    (0.0, "bia", joined(0b1)),
    *((0.5, "ana", event) for event in met("origin", "bia")),
    *((0.5, "origin", event) for event in met("ana", "bia")),
    (1.0, "ana", kinds.Picked(3, "origin", "rarest", 8, 8, 1)),
    (2.0, "ana", kinds.Verified(3, (("origin", 2),))),
    (10.0, "origin", chosen("ana", scores={"ana": 2.0, "bia": 1.0})),
    (11.0, "origin", sampled(up=990.0, queued={"ana": 2})),
    (11.0, "ana", sampled(down=990.0, owed={"origin": 2})),
]


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(written(tmp_path / "log", STORY))


def said(capsys: pytest.CaptureFixture[str], *asked: str, code: int = 0) -> str:
    assert main(["why", *asked]) == code
    seen = capsys.readouterr()
    return seen.err if code else seen.out


def test_the_overview_says_who_is_slow_and_what_can_be_asked(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, log)
    assert out.splitlines()[:3] == [
        "film.bin, at 11.0 s",
        "ana has 1 of 8 blocks, 990 B/s comes: origin sends all that it may",
        "bia has 1 of 8 blocks, nothing comes: it has no neighbour",
    ]
    assert f"  minibit why {log} --choked bia --peer origin --at 10 " in out
    assert f"  minibit why {log} --peer ana --block 3 " in out


def test_what_it_proposes_can_be_asked(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    proposed = [line for line in said(capsys, log).splitlines() if line.startswith("  minibit why")]
    assert len(proposed) == 4
    for line in proposed:
        assert main(line.split("#")[0].split()[1:]) == 0


def test_a_peer_a_block_a_choke(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "  its blocks came from origin 100%" in said(capsys, log, "--peer", "ana")
    assert "asked origin for block 3: rarest of the 8 blocks" in said(capsys, log, "--block", "3")
    out = said(capsys, log, "--choked", "bia", "--peer", "origin", "--at", "10.5")
    assert out.splitlines()[:2] == ["film.bin, at 10.5 s", "origin chokes bia"]
    assert "nobody had asked for block 5 by then" in said(capsys, log, "--block", "5")


def test_a_moment_before_it_happened(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it has not come to ana by then" in said(capsys, log, "--block", "3", "--at", "1.5")


def test_no_moment_is_later_than_the_end_of_the_log(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, log, "--at", "99").splitlines()[0] == "film.bin, at 11.0 s"


def test_the_document(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, log, "--block", "3", "--choked", "bia", "--peer", "origin", "--json"))
    assert document["share"] == "film.bin"
    assert [answer["question"] for answer in document["answers"]] == ["block", "choked"]
    assert document["answers"][1]["contest"]["cut"] == 2.0
    assert "origin chokes bia" in document["said"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--block", "8"], "--block: there is no block 8: choose one from 0 to 7"),
        (["--peer", "zoe"], "--peer: the log tells of no 'zoe' by then: choose origin, ana, bia"),
        (["--choked", "zoe"], "--choked: nobody had 'zoe' for a neighbour by then"),
    ],
)
def test_what_cannot_be_asked_of_a_log(
    log: str, asked: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in said(capsys, log, *asked, code=2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "whom to ask? Name an event log, or a running peer"),
        (["--peer", "ana", "--at", "3"], "--at: a running peer tells how it is now"),
        (["/nowhere"], "cannot read '/nowhere'"),
    ],
)
def test_what_cannot_be_asked_at_all(
    asked: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in said(capsys, *asked, code=2)


def test_a_log_that_is_cut_off_is_read_as_far_as_it_goes(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(log)
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["why", log]) == 0
    assert "ends in the middle of a line" in capsys.readouterr().err
