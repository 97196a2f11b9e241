"""`minibit replay` and `--log`, as the command line has them."""

import json
from pathlib import Path

import pytest
from fakes.logs import BLOCKS, written

from minibit import bitfield
from minibit.cli.main import main
from minibit.events import kinds
from minibit.snapshot import SwarmStatus

FULL = bitfield.full(BLOCKS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return written(
        tmp_path / "log",
        [
            (0.0, "origin", kinds.Joined("127.0.0.1:1", True, 0.0, 0, FULL)),
            (0.5, "ana", kinds.Joined("127.0.0.1:2", False, 0.0, 0b1, 0)),
            *((1.0 + block, "ana", kinds.Verified(block, ())) for block in range(BLOCKS)),
            (8.0, "ana", kinds.Completed()),
            (8.5, "ana", kinds.Left("goodbye", "")),
            (8.6, "origin", kinds.Left("goodbye", "")),
        ],
    )


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str], str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def test_in_a_pipe_lines_at_every_other_second_of_the_log(
    capsys: pytest.CaptureFixture[str], log: Path
) -> None:
    code, out, err = said(capsys, "replay", log)
    assert (code, err) == (0, "")
    assert [line.split(",")[0] for line in out if line.startswith("swarm")] == [
        "swarm 0:02 complete 0/1",
        "swarm 0:04 complete 0/1",
        "swarm 0:06 complete 0/1",
        "swarm 0:08 complete 1/1",
        "swarm 0:08 complete 1/1",
    ]


def test_one_moment(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    code, out, _ = said(capsys, "replay", log, "--at", 3.5)
    assert code == 0
    assert out[0].startswith("swarm 0:03 complete 0/1")
    assert out[2].startswith("ana 37% 3/8")


def test_the_document_of_a_moment_or_of_the_end(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    for arguments, have in ((["--at", 3.5], 3), ([], 8)):
        code, out, err = said(capsys, "replay", log, "--json", *arguments)
        assert (code, len(out), err) == (0, 1, "")
        view = SwarmStatus.from_json(json.loads(out[0]))
        assert [row.blocks.bit_count() for row in view.peers] == [have]


def test_who_stands_still_is_said_in_lines_and_in_the_document(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = written(
        tmp_path / "log",
        [
            (0.0, "ana", kinds.Joined("127.0.0.1:2", False, 0.0, 0, 0)),
            (40.0, "ana", kinds.Stalled("nothing has come for 40 s: no neighbour", 8)),
        ],
    )
    halted = "ana stands still: nothing has come for 40 s: no neighbour"
    assert said(capsys, "replay", log, "--at", 39)[1][-1] != halted
    assert said(capsys, "replay", log, "--at", 41)[1][-1] == halted
    assert said(capsys, "replay", log)[1][-1] == halted
    code, out, _ = said(capsys, "replay", log, "--json")
    assert (code, json.loads(out[0])["stalled"]) == (0, {"ana": halted.partition(": ")[2]})


def test_a_log_that_is_cut_off_is_shown_as_far_as_it_goes_and_that_is_said(
    capsys: pytest.CaptureFixture[str], log: Path
) -> None:
    log.write_bytes(log.read_bytes()[:-10])
    remark = "log ends in the middle of a line: shown as far as it goes"
    code, out, _ = said(capsys, "replay", log)
    assert (code, out[-1]) == (0, remark)
    code, out, err = said(capsys, "replay", log, "--json")
    assert (code, len(out), err) == (0, 1, f"minibit: {remark}\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("replay", "thesis"), "is no event log: name a file that --log has written"),
        (("replay", "nothing"), "cannot read"),
        (("replay", "log", "--speed", "fast"), "--speed: 'fast' is no pace"),
        (("peer", "ana", "0", "--log", "thesis"), "is there already and no event log"),
        (("tracker", "--log", "thesis"), "is there already and no event log"),
        (("swarm", "--log", "thesis"), "is there already and no event log"),
        (("swarm", "--simulate", "--log", "thesis"), "is there already and no event log"),
    ],
)
def test_what_is_refused_before_anything_begins(
    capsys: pytest.CaptureFixture[str],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    hint: str,
) -> None:
    monkeypatch.chdir(log.parent)
    (log.parent / "thesis").write_text("my thesis\n")
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, [])
    assert err.startswith("minibit: ")
    assert err.count("\n") == 1
    assert hint in err
    assert (log.parent / "thesis").read_text() == "my thesis\n"
