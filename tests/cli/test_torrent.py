"""`minibit torrent`: what it makes is what it shows, and what other clients read."""

import json
from pathlib import Path

import pytest

from minibit.cli import examples
from minibit.cli.main import main
from minibit.torrent import bencode, torrent_file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 40_000)
    (folder / "run").write_bytes(b"b")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("a")
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["torrent", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["torrent", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_a_folder_with_padding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said(capsys, "create", str(photos), "--pad", "--block-size", "16K")
    document = json.loads(said(capsys, "show", "photos.torrent", "--json"))
    assert [entry["path"] for entry in document["files"]] == ["photos/a", "photos/run"]
    assert document["total_size"] == 3 * 16384 + 1


def test_what_is_created_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    out = said(
        capsys, "create", str(photos), "--private", "--comment", "olá", "--block-size", "32K",
        "--tracker", "http://a.example/announce,udp://a.example:1", "--tracker", "http://b.example/announce",
        "--web-seed", "http://c.example/",
    )  # fmt: skip
    assert "left out, as only files are shared" in out
    document = json.loads(said(capsys, "show", "photos.torrent", "--json"))
    assert document["trackers"] == [
        ["http://a.example/announce", "udp://a.example:1"],
        ["http://b.example/announce"],
    ]
    assert document["files"] == [
        {"path": "photos/a", "length": 40_000, "executable": False},
        {"path": "photos/run", "length": 1, "executable": True},
    ]
    assert document["private"]
    assert (document["block_size"], document["block_count"], document["total_size"]) == (32768, 2, 40_001)
    shown = said(capsys, "show", "photos.torrent").splitlines()
    assert shown[0] == "photos: 39.1 KiB, 2 blocks of 32 KiB, 2 files"
    assert "  run  1 B  executable" in shown
    assert "trackers, tier 2: http://b.example/announce" in shown
    assert "comment: olá" in shown
    assert shown[-1] == document["magnet"]
    assert document["magnet"].startswith(f"magnet:?xt=urn:btih:{document['info_hash']}&dn=photos&tr=")


def test_a_file_that_exists_is_replaced_only_if_asked(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "mine.torrent"
    target.write_text("mine")
    assert "exists already" in refused(capsys, "create", str(photos), "-o", str(target))
    assert target.read_text() == "mine"
    said(capsys, "create", str(photos), "-o", str(target), "--overwrite")
    assert torrent_file.parse(target.read_bytes()).tiers == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "nothing-here"], "No such file or directory"),
        (["create", ".", "-o", "x", "--tracker", "t.example:1"], "is no such address"),
        (["create", ".", "-o", "x", "--web-seed", "udp://t.example:1"], "is no such address"),
        (["create", ".", "-o", "x", "--block-size", "17K"], "is not supported"),
        (["show", "nothing-here"], "No such file or directory"),
        (["show", "."], "Is a directory"),
        (["show"], "Missing argument 'FILE'"),
    ],
)
def test_bad_wishes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    photos: Path,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(photos)
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize("data", [b"", b"<html>", bencode.encode({"info": {"meta version": 2}})])
def test_what_is_no_torrent_of_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.torrent").write_bytes(data)
    assert "x.torrent" in refused(capsys, "show", str(tmp_path / "x.torrent"))


@pytest.mark.parametrize("command", ["create", "show"])
def test_every_example_is_understood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    import shlex

    ran: list[str] = []
    monkeypatch.setattr(f"minibit.cli.torrent.run_{command}", lambda *_, **__: ran.append(command))
    lines = [line for line in getattr(examples, command.upper()).splitlines() if "minibit" in line]
    for line in lines:
        assert main(shlex.split(line.partition("|")[0])[1:]) == 0, line
    assert len(ran) == len(lines) > 1
    assert main(["torrent", command, "--help"]) == 0
    out = capsys.readouterr().out
    assert all(line.strip() in out for line in lines)
