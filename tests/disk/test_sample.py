"""The bundled sample: the same bytes everywhere, made once, never half there."""

import errno
import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from minibit.disk.sample import (
    SAMPLE_BLOCK_SIZE,
    SAMPLE_DIGEST,
    SAMPLE_NAME,
    SAMPLE_SIZE,
    cached_sample,
    write_sample,
)
from minibit.errors import StorageError


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_sample(tmp_path_factory.mktemp("sample")).read_bytes()


def test_size_and_bytes_are_the_same_on_every_machine(content: bytes) -> None:
    assert len(content) == SAMPLE_SIZE == 12 * 1024 * 1024
    assert hashlib.sha256(content).hexdigest() == SAMPLE_DIGEST


def test_no_two_blocks_are_alike(content: bytes) -> None:
    blocks = [content[at : at + SAMPLE_BLOCK_SIZE] for at in range(0, SAMPLE_SIZE, SAMPLE_BLOCK_SIZE)]
    assert len(set(blocks)) == len(blocks) == 192


def test_a_person_can_read_it(content: bytes) -> None:
    lines = content.decode("ascii").splitlines()
    assert lines[0] == "MiniBit sample, block 1 of 192"
    assert all(line.isprintable() for line in lines)


def test_it_is_made_in_a_new_folder_and_nothing_else_is_left_there(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "cache" / "minibit")
    assert path == tmp_path / "cache" / "minibit" / SAMPLE_NAME
    assert os.listdir(path.parent) == [SAMPLE_NAME]


def test_a_whole_sample_is_used_again(tmp_path: Path) -> None:
    before = write_sample(tmp_path).stat()
    after = write_sample(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", ["short", "changed"])
def test_a_damaged_sample_is_made_anew(tmp_path: Path, content: bytes, damage: str) -> None:
    wrong = content[:100] if damage == "short" else content[:-2] + b"!\n"
    (tmp_path / SAMPLE_NAME).write_bytes(wrong)
    assert write_sample(tmp_path).read_bytes() == content


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: str, _target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"No space left.*--share"):
        write_sample(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_where_the_folder_belongs(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(StorageError, match=r"cache.*--share"):
        write_sample(tmp_path / "cache")


def test_every_user_may_read_it(tmp_path: Path) -> None:
    assert write_sample(tmp_path).stat().st_mode & 0o777 == 0o644


def test_a_sample_that_cannot_be_read_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SAMPLE_NAME).symlink_to(tmp_path / SAMPLE_NAME)  # unreadable for everyone, root too
    assert write_sample(tmp_path).read_bytes() == content


def test_it_lies_in_the_cache_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ana"))
    for named in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", named)
        assert cached_sample() == tmp_path / "ana" / ".cache" / "minibit" / SAMPLE_NAME
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cached_sample() == tmp_path / "cache" / "minibit" / SAMPLE_NAME


def test_without_a_cache_it_lies_in_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = cached_sample()
    assert path.parent.parent == tmp_path
    assert path.read_bytes() == content
