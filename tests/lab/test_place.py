"""Where a swarm's copies go: what is refused before anything is written, and how much will be."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from minibit.errors import UsageError
from minibit.lab import place
from minibit.lab.place import prepare, write_share

SIZE = 100_000
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "collection"
    folder.mkdir()
    (folder / "film.bin").write_bytes(b"x" * SIZE)
    return folder


def test_a_new_folder_gets_a_copy_for_each_peer(tmp_path: Path, share: Path) -> None:
    assert prepare(tmp_path / "all" / "kept", share, ["ana", "bia"]) == (2 * SIZE, ())
    assert (tmp_path / "all" / "kept").is_dir()


def test_what_is_not_shared_is_told(tmp_path: Path, share: Path) -> None:
    (share / "link").symlink_to("film.bin")
    assert prepare(tmp_path / "kept", share, ["ana"]) == (SIZE, (share / "link",))


def test_what_is_there_already_needs_no_room(tmp_path: Path, share: Path) -> None:
    shutil.copytree(share, tmp_path / "kept" / "ana" / "collection")
    hole = tmp_path / "kept" / "bia" / "collection" / "film.bin"
    hole.parent.mkdir(parents=True)
    with hole.open("wb") as file:
        file.truncate(SIZE)
    assert prepare(tmp_path / "kept", share, ["ana", "bia", "caio"]) == (2 * SIZE, ())


@pytest.mark.parametrize("below", [(), ("copies",), ("deep", "down")])
def test_a_folder_inside_the_share_is_refused(share: Path, below: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="lies inside what is shared: choose a folder outside"):
        prepare(share.joinpath(*below), share, ["ana"])
    assert [path.name for path in share.iterdir()] == ["film.bin"]


def test_a_link_into_the_share_is_refused(tmp_path: Path, share: Path) -> None:
    (tmp_path / "kept").symlink_to(share)
    with pytest.raises(UsageError, match="lies inside what is shared"):
        prepare(tmp_path / "kept" / "copies", share, ["ana"])


def test_the_folder_that_the_share_lies_in_may_hold_copies(tmp_path: Path, share: Path) -> None:
    assert prepare(tmp_path, share, ["ana"]) == (SIZE, ())


@pytest.mark.parametrize("below", ["", "copies"])
def test_a_file_where_the_folder_belongs_is_refused(tmp_path: Path, share: Path, below: str) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(UsageError, match=r"--dir: cannot write to .*kept.*: choose another folder"):
        prepare(tmp_path / "kept" / below, share, ["ana"])


def test_too_little_room_for_the_copies_is_said_before_they_are_made(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * SIZE))
    assert prepare(tmp_path / "kept", share, ["ana", "bia", "caio"]) == (3 * SIZE, ())
    with pytest.raises(UsageError, match=r"would take .* has .* free: .* with --dir, or fewer --peers"):
        prepare(tmp_path / "kept", share, ["ana", "bia", "caio", "duda"])


def test_a_share_is_written_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "PART", 1000)
    one, other = (write_share(tmp_path / each, "a.bin", 4100) for each in ("one", "other"))
    assert one.stat().st_size == 4100
    assert one.read_bytes() == other.read_bytes()
    (tmp_path / "taken").touch()
    with pytest.raises(UsageError, match="--dir: cannot write to"):
        write_share(tmp_path / "taken", "a.bin", 10)
