"""A secret that outlives its process: kept where only its user reads it, made anew where it cannot be."""

import os
from pathlib import Path

import pytest

from minibit.disk.secret import SECRET_NAME, SECRET_SIZE, kept_secret


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "minibit" / SECRET_NAME


def test_it_is_the_same_in_every_run_and_nobody_elses_to_read(place: Path) -> None:
    secret = kept_secret()
    assert kept_secret() == secret == place.read_bytes()
    assert len(secret) == SECRET_SIZE
    assert place.stat().st_mode & 0o777 == 0o600
    assert os.listdir(place.parent) == [SECRET_NAME]


@pytest.mark.parametrize("spoiled", [b"", b"short", bytes(SECRET_SIZE + 1), bytes(1000)])
def test_what_is_no_secret_is_replaced(place: Path, spoiled: bytes) -> None:
    kept_secret()
    place.write_bytes(spoiled)
    assert kept_secret() == kept_secret() == place.read_bytes() != spoiled


def test_one_that_others_could_read_or_that_lies_elsewhere_is_replaced(place: Path, tmp_path: Path) -> None:
    first = kept_secret()
    place.chmod(0o644)
    second = kept_secret()
    assert second != first
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert kept_secret() == kept_secret() != second


@pytest.mark.parametrize("what", ["a file", "a folder in its place"])
def test_where_it_cannot_be_kept_each_run_has_its_own(place: Path, what: str) -> None:
    if what == "a file":
        place.parent.write_text("in the way")
    else:
        place.mkdir(parents=True)
    assert kept_secret() != kept_secret()
    assert what == "a file" or os.listdir(place.parent) == [SECRET_NAME], "no draft stays behind"
