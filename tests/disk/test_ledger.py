"""Files get their names when they are whole, one by one; nothing that was spoilt meanwhile counts as good."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.disks import BLOCK, noise, opened, share_of

from minibit import bitfield
from minibit.disk.ledger import PATIENCE, Ledger
from minibit.disk.storage import Storage
from minibit.errors import StorageError

CONTENT = noise(6)
SHARE = share_of(CONTENT)


def write(ledger: Ledger, *blocks: int, content: bytes = CONTENT) -> list[int]:
    """Write these blocks; those that were spoilt."""
    lost = 0
    for block in blocks:
        lost |= ledger.write(block, memoryview(content)[block * BLOCK : (block + 1) * BLOCK])
    return list(bitfield.indices(lost))


def test_each_file_gets_its_name_as_soon_as_its_last_block_is_there(tmp_path: Path) -> None:
    share = share_of(CONTENT, [BLOCK + 10, 0, 5, 3 * BLOCK - 15, 2 * BLOCK])
    storage = opened(share, tmp_path)
    ledger = Ledger(share, storage, 0)

    def named() -> list[str]:
        return sorted(path.name for path in (tmp_path / "f").iterdir() if not path.name.endswith(".part"))

    assert named() == ["1"]
    write(ledger, 1)
    assert named() == ["1", "2"]
    write(ledger, 0)
    assert named() == ["0", "1", "2"]
    write(ledger, 2, 4, 3)
    assert named() == ["0", "1", "2", "3"]
    write(ledger, 5)
    assert named() == ["0", "1", "2", "3", "4"]
    assert ledger.look() == 0
    storage.close()
    assert b"".join((tmp_path / "f" / name).read_bytes() for name in "01234") == CONTENT


def test_blocks_that_were_there_already_count(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    storage.write(0, 0, CONTENT[: 5 * BLOCK])
    assert write(Ledger(SHARE, storage, 0b011111), 5) == []
    storage.close()
    assert (tmp_path / "f").read_bytes() == CONTENT


def truncate(place: Path) -> None:
    os.truncate(place, BLOCK // 2)


def truncate_and_lengthen(place: Path) -> None:
    size = place.stat().st_size
    os.truncate(place, BLOCK // 2)
    os.truncate(place, size)


def overwrite(place: Path) -> None:
    with place.open("r+b") as file:
        file.seek(BLOCK - 1)
        file.write(b"not ours")


def overwrite_and_hide(place: Path) -> None:
    """`cp --preserve`, say: the time of the last change is an old one."""
    overwrite(place)
    os.utime(place, ns=(1, 1))


SPOILERS = [truncate, truncate_and_lengthen, overwrite, overwrite_and_hide]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_file_spoilt_during_the_download_is_not_taken_for_whole(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    write(ledger, 0, 1, 2)
    spoil(storage.lies_at(0))
    assert write(ledger, 3, 4) == []
    lost = write(ledger, 5)
    assert lost
    assert set(lost) <= {0, 1, 2}
    assert not (tmp_path / "f").exists()
    assert write(ledger, *lost) == []
    assert ledger.look() == 0
    storage.close()
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_is_spoilt_is_seen_when_somebody_looks(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    write(ledger, 0, 1, 2)
    assert ledger.look() == 0
    spoil(storage.lies_at(0))
    assert ledger.look()
    assert ledger.look() == 0, "it is known, and to be fetched again"
    storage.close()


def test_a_change_in_the_same_tick_of_the_kernels_clock_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that the kernel gives to a write stands still for milliseconds."""
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    real = os.pwrite

    def stopped(descriptor: int, data: memoryview, at: int) -> int:
        count = real(descriptor, data, at)
        os.utime(descriptor, ns=(5, 5))
        return count

    monkeypatch.setattr(os, "pwrite", stopped)
    write(ledger, 0)
    with storage.lies_at(0).open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"not ours", 0)
    assert write(ledger, 1, 2, 3, 4, 5) == [0]
    storage.close()


def test_a_block_over_two_files_is_lost_to_both(tmp_path: Path) -> None:
    share = share_of(CONTENT, [BLOCK + 10, 5 * BLOCK - 10])
    storage = opened(share, tmp_path)
    ledger = Ledger(share, storage, 0)
    write(ledger, 1, 2, 3, 4)
    with storage.lies_at(1).open("r+b") as file:
        file.write(b"not ours")
    assert write(ledger, 5) == [1]
    assert write(ledger, 0) == []
    assert sorted(path.name.endswith(".part") for path in (tmp_path / "f").iterdir()) == [True, True]
    assert write(ledger, 1) == []
    storage.close()
    assert (tmp_path / "f" / "0").read_bytes() + (tmp_path / "f" / "1").read_bytes() == CONTENT


def test_what_only_touches_a_file_costs_a_look_and_no_block(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    write(ledger, 0, 1)
    for _ in range(2 * PATIENCE):
        storage.lies_at(0).touch()
        assert ledger.look() == 0
    assert write(ledger, 2, 3, 4, 5) == []
    storage.close()


def test_a_file_that_is_spoilt_for_ever_is_given_up(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    for _ in range(PATIENCE):
        write(ledger, 0, 1)
        overwrite(storage.lies_at(0))
        assert ledger.look()
    write(ledger, 0, 1)
    overwrite(storage.lies_at(0))
    with pytest.raises(StorageError, match="spoilt again and again"):
        ledger.look()
    storage.close()


def finished(tmp_path: Path) -> tuple[Storage, Ledger]:
    share = share_of(CONTENT, [BLOCK, 5 * BLOCK])
    storage = opened(share, tmp_path)
    ledger = Ledger(share, storage, 0)
    write(ledger, 0)
    return storage, ledger


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (truncate, "no longer has its"),
        (overwrite_and_hide, "no longer has its|was changed by something else"),
        (Path.touch, "was changed by something else after it was whole"),
        (Path.unlink, "vanished"),
    ],
)
def test_a_whole_file_is_its_users_and_one_that_changes_ends_the_peer(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    storage, ledger = finished(tmp_path)
    assert ledger.look() == 0
    spoil(tmp_path / "f" / "0")
    with pytest.raises(StorageError, match=says):
        ledger.look()
    storage.close()


def test_a_whole_file_is_not_written_to_again(tmp_path: Path) -> None:
    storage, ledger = finished(tmp_path)
    (tmp_path / "f" / "0").write_bytes(b"edited by its user")
    write(ledger, 0)
    storage.close()
    assert (tmp_path / "f" / "0").read_bytes() == b"edited by its user"


def test_an_unfinished_file_that_is_gone_ends_the_peer(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    write(ledger, 0)
    storage.lies_at(0).unlink()
    with pytest.raises(StorageError, match="vanished"):
        ledger.look()
    storage.close()


def test_an_unfinished_file_that_is_replaced_ends_the_peer(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    ledger = Ledger(SHARE, storage, 0)
    write(ledger, 0)
    twin = tmp_path / "twin"
    twin.write_bytes(CONTENT)
    twin.replace(storage.lies_at(0))
    with pytest.raises(StorageError, match="was replaced"):
        ledger.look()
    storage.close()
