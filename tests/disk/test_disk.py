"""The disk side as a whole: threads only when started, one wake-up for what is ready, an end that waits."""

import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from fakes.disks import BLOCK, PATIENCE, Gate, noise, opened, share_of

from minibit.disk.disk import Disk, Outcome, Present, Verified
from minibit.disk.storage import Storage
from minibit.errors import StorageError
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire.messages import Piece

CONTENT = noise(4)
SHARE = share_of(CONTENT)


def threads() -> set[str]:
    return {thread.name[:-2] for thread in threading.enumerate() if thread.name.startswith("minibit-")}


def disk_on(storage: Storage, wake: Callable[[], None] = lambda: None) -> Disk:
    return Disk(SHARE, storage, 0, max_open=8, links=2, wake=wake)


def receive(disk: Disk, block: int) -> None:
    """All of this block comes."""
    start = block * BLOCK
    data = CONTENT[start : start + BLOCK]
    disk.writer.store(
        block, [Piece(block, at, data[at : at + CHUNK_SIZE]) for at in range(0, BLOCK, CHUNK_SIZE)]
    )
    disk.writer.verify(block)


def collected(disk: Disk, woken: Event, count: int) -> list[Outcome]:
    """The next so many outcomes."""
    found: list[Outcome] = []
    while len(found) < count:
        assert woken.wait(PATIENCE)
        woken.clear()
        found += disk.outcomes()
    return found


@pytest.mark.parametrize(
    ("writing", "expected"), [(True, {"minibit-read", "minibit-write"}), (False, {"minibit-read"})]
)
def test_threads_live_from_start_to_end_and_nobody_writes_who_has_everything(
    tmp_path: Path, writing: bool, expected: set[str]
) -> None:
    storage = opened(SHARE, tmp_path)
    disk = disk_on(storage)
    assert threads() == set()
    disk.start(writing=writing)
    assert threads() == expected
    disk.stop()
    disk.join()
    assert threads() == set()
    storage.close()


def test_blocks_that_are_verified_and_files_that_are_present(tmp_path: Path) -> None:
    storage, woken = opened(SHARE, tmp_path), Event()
    disk = disk_on(storage, woken.set)
    disk.start(writing=True)
    for block in range(4):
        receive(disk, block)
    found = collected(disk, woken, 4)
    assert sorted(str(outcome) for outcome in found) == [str(Verified(block, True)) for block in range(4)]
    disk.check_present()
    assert collected(disk, woken, 1) == [Present()]
    disk.stop()
    disk.join()
    storage.close()
    assert storage.path.read_bytes() == CONTENT


def test_a_file_that_vanished_is_an_error_of_the_disk(tmp_path: Path) -> None:
    storage, woken = opened(SHARE, tmp_path), Event()
    disk = disk_on(storage, woken.set)
    disk.start(writing=True)
    storage.lies_at(0).unlink()
    disk.check_present()
    (error,) = collected(disk, woken, 1)
    assert isinstance(error, StorageError)
    assert "it vanished" in str(error)
    disk.stop()
    disk.join()
    storage.close()


def test_one_wake_up_serves_all_outcomes_until_it_comes(tmp_path: Path) -> None:
    storage = opened(SHARE, tmp_path)
    wakes: list[int] = []
    disk = disk_on(storage, lambda: wakes.append(0))
    for n in range(3):
        disk._post(Verified(n, True))
    assert len(wakes) == 1
    assert list(disk.outcomes()) == [Verified(n, True) for n in range(3)]
    disk._post(Present())
    assert len(wakes) == 2
    storage.close()


def test_at_the_end_a_block_being_written_is_finished_and_those_that_wait_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(SHARE, tmp_path)
    gate = Gate(storage.write)
    monkeypatch.setattr(storage, "write", gate)
    monkeypatch.setattr("minibit.disk.disk.WRITERS", 1)
    disk = disk_on(storage)
    disk.start(writing=True)
    for block in range(3):
        receive(disk, block)
    assert gate.entered.wait(PATIENCE)
    disk.stop()
    gate.open()
    disk.join()
    storage.close()
    assert storage.lies_at(0).read_bytes() == CONTENT[:BLOCK] + bytes(3 * BLOCK)
    assert list(disk.outcomes()) == [Verified(0, True)]
