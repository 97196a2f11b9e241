"""From files on a disk to metainfo: the same bytes give the same share, and bad wishes a clear answer."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibit.disk import share
from minibit.disk.share import from_path, left_out, survey
from minibit.disk.storage import Storage
from minibit.errors import UsageError
from minibit.torrent import torrent_file
from minibit.torrent.metainfo import MAX_FILES, FileEntry
from minibit.torrent.torrent_file import TorrentFile

KIB = 1024


def noise(length: int) -> bytes:
    return hashlib.shake_128(b"share").digest(length)


def sha1s(content: bytes, block_size: int) -> bytes:
    blocks = (content[at : at + block_size] for at in range(0, len(content), block_size))
    return b"".join(hashlib.sha1(block).digest() for block in blocks)


def test_a_single_file(tmp_path: Path) -> None:
    content = noise(40 * KIB + 5)
    (tmp_path / "film.bin").write_bytes(content)
    found = from_path(tmp_path / "film.bin")
    assert found.metainfo.name == "film.bin"
    assert found.metainfo.files == (FileEntry(("film.bin",), len(content), 0),)
    assert found.metainfo.layout.block_size == 16 * KIB
    assert found.metainfo.digests == sha1s(content, 16 * KIB)
    assert found.folder == tmp_path
    assert found.skipped == ()


def test_holes_are_the_zeros_that_they_are_and_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_size, size = 16 << 20, 100 << 30
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(size)
        file.seek(5 << 30)
        file.write(b"data")
    read: list[int] = []

    def read_into(storage: Storage, view: memoryview, block: int, begin: int) -> None:
        read.append(block)
        whole(storage, view, block, begin)

    whole = Storage.read_into
    monkeypatch.setattr(Storage, "read_into", read_into)
    told: list[tuple[int, int]] = []
    found = from_path(tmp_path / "disk.img", progress=lambda *done: told.append(done)).metainfo
    at = (5 << 30) // block_size
    assert (read, told[-1]) == ([at], (size, size))
    zeros, data = bytes(block_size), b"data".ljust(block_size, b"\0")
    assert found.layout.block_size == block_size
    expected = [hashlib.sha1(zeros).digest()] * (size // block_size)
    expected[at] = hashlib.sha1(data).digest()
    assert found.digests == b"".join(expected)


def test_a_folder_in_the_order_of_its_paths(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    (root / "b").mkdir(parents=True)
    (root / "empty folder").mkdir()
    parts = {"z": noise(20 * KIB), "b/2": noise(7), "b/10": b"", "a": noise(30 * KIB)}
    for name, content in parts.items():
        (root / name).write_bytes(content)
    found = from_path(root)
    assert [(entry.path, entry.length) for entry in found.metainfo.files] == [
        (("photos", "a"), 30 * KIB),
        (("photos", "b", "10"), 0),
        (("photos", "b", "2"), 7),
        (("photos", "z"), 20 * KIB),
    ]
    assert found.metainfo.digests == sha1s(parts["a"] + parts["b/2"] + parts["z"], 16 * KIB)


def test_what_is_shared_parses_as_a_torrent(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(noise(100_000))
    made = from_path(tmp_path / "f").metainfo
    again = torrent_file.parse(torrent_file.encode(TorrentFile(made))).metainfo
    assert again == made
    assert again.info_hash == made.info_hash


def test_the_name_is_the_resolved_paths_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    for spelling in (Path("."), Path("../real"), Path("../link"), tmp_path / "link"):
        found = from_path(spelling)
        assert (found.metainfo.name, found.folder) == ("real", tmp_path)


def test_links_and_special_files_are_left_out_and_reported(tmp_path: Path) -> None:
    root = tmp_path / "s"
    root.mkdir()
    (root / "file").write_bytes(b"x")
    (root / "to file").symlink_to("file")
    (root / "to folder").symlink_to("/")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    found = from_path(root)
    assert [entry.path for entry in found.metainfo.files] == [("s", "file")]
    assert found.skipped == (root / "dangling", root / "pipe", root / "to file", root / "to folder")


def test_empty_folders_are_left_out_and_reported(tmp_path: Path) -> None:
    root = tmp_path / "s"
    (root / "a" / "empty").mkdir(parents=True)
    (root / "b").mkdir()
    (root / "b" / "file").write_bytes(b"x")
    assert from_path(root).skipped == (root / "a" / "empty",)
    assert survey(root) == (1, (root / "a" / "empty",))


def test_what_is_left_out_is_one_bounded_line_however_much_it_is(tmp_path: Path) -> None:
    few = left_out([tmp_path / "a", tmp_path / "b\nc"])
    assert few.endswith("/a', " + repr(str(tmp_path / "b\nc")))
    many = left_out([tmp_path / ("x" * 5000)] * 100_000)
    assert many.endswith(" and 99997 more")
    assert len(many) < 1000
    assert "\n" not in few + many


@pytest.mark.parametrize("name", ["a\nb.bin", "a\u202etxt.exe", "a\tb"])
def test_a_name_that_is_not_shown_as_it_is_is_told_with_the_true_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(b"x")
    answer = refused(tmp_path / "s")
    assert f"the name {name!r} holds a character that is not shown: rename that file" in answer
    assert "leave the download folder" not in answer


@pytest.mark.parametrize("block_size", [16 * KIB, 32 * KIB, 16 * KIB * KIB])
def test_a_block_size_of_ones_own(tmp_path: Path, block_size: int) -> None:
    content = noise(70 * KIB)
    (tmp_path / "f").write_bytes(content)
    found = from_path(tmp_path / "f", block_size=block_size)
    assert found.metainfo.layout.block_size == block_size
    assert found.metainfo.digests == sha1s(content, block_size)


@pytest.mark.parametrize("block_size", [0, -16 * KIB, 1, 8 * KIB, 16 * KIB + 1, 48 * KIB, 32 * KIB * KIB])
def test_a_block_size_that_peers_would_refuse(tmp_path: Path, block_size: int) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(UsageError, match="power of two"):
        from_path(tmp_path / "f", block_size=block_size)


def test_padding_begins_every_file_at_a_block_and_ends_with_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    files = {"a": b"a" * 20_000, "b": b"", "c": b"c" * 16384, "d": b"d" * 5, "e": b""}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    made = from_path(folder, block_size=16384, padded=True).metainfo
    assert [entry.offset for entry in made.files] == [0, 32768, 32768, 49152, 49157]
    assert made.layout.total_size == 49157
    blocks = [b"a" * 16384, (b"a" * 3616).ljust(16384, b"\0"), b"c" * 16384, b"d" * 5]
    assert made.digests == b"".join(hashlib.sha1(block).digest() for block in blocks)
    assert torrent_file.parse(torrent_file.encode(TorrentFile(made))).metainfo == made
    plain = from_path(folder, block_size=16384).metainfo
    assert plain.layout.total_size == 36389


@pytest.mark.parametrize(("padded", "size"), [(False, 64 * KIB), (True, 16 * KIB)])
def test_many_small_files_are_not_padded_to_large_blocks(tmp_path: Path, padded: bool, size: int) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(400):
        (folder / str(number)).write_bytes(bytes(48 * KIB))
    layout = from_path(folder, padded=padded).metainfo.layout
    assert layout.block_size == size
    assert layout.total_size < 1.1 * 400 * 48 * KIB


def test_progress_goes_from_nothing_to_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(noise(40 * KIB))
    steps: list[tuple[int, int]] = []
    from_path(tmp_path / "f", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 40 * KIB), (16 * KIB, 40 * KIB), (32 * KIB, 40 * KIB), (40 * KIB, 40 * KIB)]


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        from_path(path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nothing")
    (tmp_path / "f").write_bytes(b"x")
    assert "Not a directory" in refused(tmp_path / "f" / "below")


@pytest.mark.parametrize("kind", ["file", "folder", "folder of empty files"])
def test_nothing_in_it(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "s"
    if kind == "file":
        place.touch()
    else:
        place.mkdir()
    if kind == "folder of empty files":
        (place / "a").touch()
        (place / "b").touch()
    assert "no bytes to share" in refused(place)


def test_neither_file_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refused(tmp_path / "pipe")


def test_the_root_of_the_disk_has_no_name() -> None:
    assert "no name" in refused(Path("/"))


@pytest.mark.parametrize("name", ["con", "AUX.txt", "back\\slash", "bell\a", "trailing."])
def test_names_that_peers_would_refuse_are_refused_before_hashing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(share, "digests", None)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(b"x")
    refused(tmp_path / "s")
    refused(tmp_path / "s" / name)


def test_a_name_that_is_not_utf8_is_named_with_the_remedy(tmp_path: Path) -> None:
    place = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    with open(place, "wb") as file:
        file.write(b"x")
    assert "rename" in refused(Path(os.fsdecode(place)))
    assert "rename" in refused(tmp_path)


def test_two_names_that_some_systems_take_for_one(tmp_path: Path) -> None:
    (tmp_path / "README").write_bytes(b"x")
    (tmp_path / "readme").write_bytes(b"x")
    assert "appears twice" in refused(tmp_path)


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, whom no permission bit stops, so the system's answer is played."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "secret").write_bytes(b"x")
    real = os.open

    def deny(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", deny)
    answer = refused(tmp_path / "s")
    assert "secret" in answer
    assert "permission denied" in answer


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s" / "locked").mkdir(parents=True)
    real = os.scandir

    def deny(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", deny)
    answer = refused(tmp_path / "s")
    assert "locked" in answer
    assert "permissions" in answer


@pytest.mark.parametrize("length", [5 * KIB, 90 * KIB])
def test_a_file_that_changes_in_length_while_it_is_hashed(tmp_path: Path, length: int) -> None:
    place = tmp_path / "f"
    place.write_bytes(noise(64 * KIB))
    with pytest.raises(UsageError, match=r"f'.*something else changed it"):
        from_path(place, progress=lambda _done, _total: os.truncate(place, length))


def test_a_file_that_vanishes_while_it_is_hashed(tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.write_bytes(noise(64 * KIB))
    with pytest.raises(UsageError, match=r"f'.*vanished"):
        from_path(place, progress=lambda _done, _total: place.unlink(missing_ok=True))


def test_more_files_than_peers_accept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_FILES > 3
    monkeypatch.setattr(share, "MAX_FILES", 3)
    for name in "abcd":
        (tmp_path / name).write_bytes(b"x")
    assert "more than 3 files" in refused(tmp_path)


def test_folders_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / Path(*["d"] * 70)).mkdir(parents=True)
    assert "nested deeper" in refused(tmp_path)


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(0, 40_000), min_size=1, max_size=6).filter(any))
def test_digests_of_a_folder_are_those_of_the_concatenation(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int]
) -> None:
    root = tmp_path_factory.mktemp("share")
    whole = noise(sum(lengths))
    at = 0
    for number, length in enumerate(lengths):
        (root / str(number)).write_bytes(whole[at : at + length])
        at += length
    assert from_path(root).metainfo.digests == sha1s(whole, 16 * KIB)
