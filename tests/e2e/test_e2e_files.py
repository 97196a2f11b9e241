"""Real peers among a user's files: none is spoilt, and what is unfinished is recognisable and goes on."""

import os
from pathlib import Path

import pytest
from e2e.running import Command, Start, Track, Tracker, contents, eventually, write_random

BLOCK = 16384


def refused(command: Command, words: str) -> None:
    assert command.wait() == 2, str(command)
    assert len(command.err) == 1, str(command)
    assert words in command.err[0], str(command)


def held(tracker: Tracker, name: str) -> int:
    row = tracker.row(name)
    return 0 if row is None else row.blocks.bit_count()


def test_a_users_file_is_refused_and_overwritten_only_on_demand(
    minibit: Start, track: Track, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    tracker = track(share, "--block-size", "16K")
    mine = write_random(tmp_path / "mine" / "film.bin", 5_000, seed=8)
    arguments = ("peer", "ana", 0, "--tracker", tracker.url, "--dir", mine.parent, "--leave-when-done")
    before = contents(mine.parent)

    refused(
        minibit(*arguments), "holds nothing of this share: move it away, choose another folder with --dir"
    )

    assert contents(mine.parent) == before
    assert tracker.row("ana") is None
    ana = minibit(*arguments, "--overwrite")
    assert ana.wait() == 0, str(ana)
    assert contents(mine.parent) == {"film.bin": share.read_bytes()}
    assert f"it is in {mine}" in ana.out


def test_an_unfinished_download_is_recognisable_until_it_is_whole(
    minibit: Start, track: Track, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "300K")
    arguments = ("peer", "ana", 0, "--tracker", tracker.url, "--leave-when-done")
    ana = minibit(*arguments)
    eventually(lambda: held(tracker, "ana") > 3, "ana has some blocks")
    part = f"film.bin.{tracker.document['info_hash'][:8]}.part"
    assert os.listdir(tmp_path / "ana") == [part]

    assert ana.interrupted() == []
    stopped = ana.says(r"^stopped at (\d+)/62 blocks; the same line resumes$")
    assert os.listdir(tmp_path / "ana") == [part]
    ana = minibit(*arguments)
    assert int(ana.says(r"blocks; (\d+) on disk$")[1]) >= int(stopped[1])
    assert ana.wait() == 0, str(ana)
    assert contents(tmp_path / "ana") == {"film.bin": share.read_bytes()}


def test_ctrl_c_of_a_complete_peer_says_where_the_file_is(
    minibit: Start, track: Track, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 100_000)
    ana = minibit("peer", "ana", 0, "--tracker", track(share).url)
    ana.says("^it is in ")
    assert ana.interrupted() == []
    assert ana.out[-1] == f"stopped; all is in {tmp_path / 'ana' / 'film.bin'}"


def test_two_live_peers_in_one_folder(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "200K")
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url, "--dir", "same")
    eventually(lambda: held(tracker, "ana"), "ana has a block")

    refused(
        minibit("peer", "bia", 0, "--tracker", tracker.url, "--dir", "same"), "another peer is at work in"
    )

    assert [row.name for row in tracker.view().peers] == ["ana"]
    ana.kill()
    bia = minibit("peer", "bia", 0, "--tracker", tracker.url, "--dir", "same", "--leave-when-done")
    assert bia.wait() == 0, str(bia)
    assert contents(tmp_path / "same") == {"film.bin": share.read_bytes()}


@pytest.mark.parametrize("how", ["truncated", "overwritten"])
def test_a_file_spoilt_during_the_download_is_fetched_again_or_an_error(
    minibit: Start, track: Track, tmp_path: Path, how: str
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "400K")
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url, "--leave-when-done")
    eventually(lambda: held(tracker, "ana") > 20, "ana has some blocks")
    (part,) = (tmp_path / "ana").iterdir()

    if how == "truncated":
        os.truncate(part, 1000)
    else:
        with part.open("r+b") as file:
            file.write(b"x" * 900_000)

    code = ana.wait()
    if code == 0:
        assert any("spoilt on the disk" in line for line in ana.out), str(ana)
    else:
        assert code == 1, str(ana)
        assert not any("complete" in line for line in ana.out), str(ana)
        ana = minibit("peer", "ana", 0, "--tracker", tracker.url, "--leave-when-done")
        assert ana.wait() == 0, str(ana)
    assert contents(tmp_path / "ana") == {"film.bin": share.read_bytes()}


def test_what_is_left_out_is_said_by_every_command_that_shares(minibit: Start, tmp_path: Path) -> None:
    share = tmp_path / "collection"
    write_random(share / "film.bin", 100_000)
    (share / "empty").mkdir()
    os.mkfifo(share / "pipe")
    (share / "link").symlink_to("film.bin")
    for arguments in (("swarm", "--peers", 1), ("tracker", "--port", 0)):
        command = minibit(*arguments, "--share", share)
        line = command.says("^left out, ")
        for name in ("empty", "pipe", "link"):
            assert f"/{name}'" in line.string
        command.end()


def test_a_newline_in_a_shared_files_name_is_told_as_what_it_is(minibit: Start, tmp_path: Path) -> None:
    file = write_random(tmp_path / "collection" / "a\nb.bin", 1000)
    for share, *arguments in ((file, "swarm", "--peers", 1), (file.parent, "tracker", "--port", 0)):
        command = minibit(*arguments, "--share", share)
        refused(command, r"the name 'a\nb.bin' holds a character that is not shown: rename that file")
        assert not any(line.startswith("b.bin") for line in command.out), str(command)
