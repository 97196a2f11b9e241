"""The disk worker, its buffers and the check at start, on real files and real threads."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, get_ident

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.disk import check as check_room
from minibit.disk import worker
from minibit.disk.buffers import BufferPool
from minibit.disk.check import check, digests
from minibit.disk.storage import Storage
from minibit.disk.worker import MAX_QUEUED, DiskWorker
from minibit.errors import StorageError
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo

BLOCK = 64 * 1024  # larger than a page, so that unwritten blocks are holes
PATIENCE = 20  # seconds until a hung thread fails a test


def share_of(content: bytes, files: list[int] | None = None, block_size: int = BLOCK) -> Metainfo:
    blocks = [content[at : at + block_size] for at in range(0, len(content), block_size)]
    found = b"".join(hashlib.sha1(block).digest() for block in blocks)
    if files is None:
        return metainfo.build("f", [((), len(content))], block_size, found, folder=False)
    entries = [((str(i),), length) for i, length in enumerate(files)]
    return metainfo.build("f", entries, block_size, found, folder=True)


def noise(blocks: int, tail: int = 0) -> bytes:
    return hashlib.shake_128(b"noise").digest(blocks * BLOCK + tail)


def opened(share: Metainfo, folder: Path) -> Storage:
    ready = Storage(share, folder, writable=True)
    ready.prepare()
    return ready


class Record:
    """What a worker called back, and from which thread."""

    def __init__(self) -> None:
        self.events: list[tuple[int, bool] | str] = []
        self.threads: set[int] = set()
        self.called = Event()

    def result(self, block: int, good: bool) -> None:
        self.threads.add(get_ident())
        self.events.append((block, good))
        self.called.set()

    def error(self, error: Exception) -> None:
        self.threads.add(get_ident())
        self.events.append(str(error))
        self.called.set()


class GatedStorage(Storage):
    """Storage whose writes wait until the gate opens."""

    def __init__(self, share: Metainfo, folder: Path) -> None:
        super().__init__(share, folder, writable=True)
        self.gate = Event()
        self.entered = Event()
        self.written: list[int] = []

    def write(self, block: int, _begin: int, _data: bytes | bytearray | memoryview) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.written.append(block)


def free(pool: BufferPool) -> int:
    """How many more buffers it lends."""
    lent = []
    with suppress(BufferError):
        while True:
            lent.append(pool.acquire(1))
    for view in lent:
        pool.release(view)
    return len(lent)


def lend(pool: BufferPool, data: bytes) -> memoryview:
    view = pool.acquire(len(data))
    view[:] = data
    return view


def test_good_blocks_are_written_and_bad_ones_are_not(tmp_path: Path) -> None:
    content = noise(3, tail=100)
    share = share_of(content)
    target, record, pool = opened(share, tmp_path), Record(), BufferPool(BLOCK, 8 * BLOCK)
    worker = DiskWorker(target, share.digest, pool, record.result, record.error, workers=1)
    worker.submit(3, lend(pool, content[3 * BLOCK :]))
    worker.submit(1, lend(pool, b"\0" + content[BLOCK + 1 : 2 * BLOCK]))
    worker.submit(0, lend(pool, content[:BLOCK]))
    worker.close()
    assert record.events == [(3, True), (1, False), (0, True)]
    assert len(record.threads) == 1
    assert get_ident() not in record.threads
    assert free(pool) == 8
    target.close()
    expected = content[:BLOCK] + bytes(2 * BLOCK) + content[3 * BLOCK :]
    assert target.path.read_bytes() == expected


def test_two_threads_lose_nothing_and_mix_nothing_up(tmp_path: Path) -> None:
    content = noise(40)
    share = share_of(content)
    target, record, pool = opened(share, tmp_path), Record(), BufferPool(BLOCK, 40 * BLOCK)
    worker = DiskWorker(target, share.digest, pool, record.result, record.error, workers=2)
    for block in range(40):
        worker.submit(block, lend(pool, content[block * BLOCK : (block + 1) * BLOCK]))
    worker.close()
    target.close()
    assert sorted(record.events) == [(block, True) for block in range(40)]
    assert target.path.read_bytes() == content
    assert free(pool) == 40


def test_the_first_disk_error_is_told_once_and_stops_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = noise(4)
    share = share_of(content)
    target, record, pool = opened(share, tmp_path), Record(), BufferPool(BLOCK, 8 * BLOCK)
    real, writes = os.pwrite, []

    def full_after_one(descriptor: int, data: memoryview, at: int) -> int:
        writes.append(at)
        if len(writes) > 1:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", full_after_one)
    worker = DiskWorker(target, share.digest, pool, record.result, record.error, workers=1)
    for block in range(4):
        worker.submit(block, lend(pool, content[block * BLOCK : (block + 1) * BLOCK]))
    worker.close()
    target.close()
    assert record.events[0] == (0, True)
    assert "disk is full" in str(record.events[1])
    assert len(record.events) == 2
    assert writes == [0, BLOCK]
    assert free(pool) == 8
    assert target.path.read_bytes() == content[:BLOCK] + bytes(3 * BLOCK)


def test_a_closed_worker_takes_nothing(tmp_path: Path) -> None:
    share = share_of(noise(1))
    target, record, pool = opened(share, tmp_path), Record(), BufferPool(BLOCK, BLOCK)
    worker = DiskWorker(target, share.digest, pool, record.result, record.error)
    worker.close()
    worker.close()
    with pytest.raises(ValueError, match="closed"):
        worker.submit(0, lend(pool, noise(1)))
    target.close()
    assert record.events == []


def test_a_bug_is_told_like_an_error_of_the_disk(tmp_path: Path) -> None:
    content = noise(2)
    share = share_of(content)
    target, record, pool = opened(share, tmp_path), Record(), BufferPool(BLOCK, 2 * BLOCK)

    def broken(block: int) -> bytes:
        raise ZeroDivisionError(f"while looking for the digest of {block}")

    worker = DiskWorker(target, broken, pool, record.result, record.error, workers=1)
    for block in range(2):
        worker.submit(block, lend(pool, content[block * BLOCK : (block + 1) * BLOCK]))
    worker.close()
    target.close()
    assert record.events == ["while looking for the digest of 0"]
    assert free(pool) == 2


def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_QUEUED > 2
    monkeypatch.setattr(worker, "MAX_QUEUED", 2)
    content = noise(1)
    share = share_of(content)
    gated, record, pool = GatedStorage(share, tmp_path), Record(), BufferPool(BLOCK, 8 * BLOCK)
    worker = DiskWorker(gated, share.digest, pool, record.result, record.error, workers=1)
    worker.submit(0, lend(pool, content))
    assert gated.entered.wait(PATIENCE)
    worker.submit(0, lend(pool, content))
    worker.submit(0, lend(pool, content))
    refused = lend(pool, content)
    with pytest.raises(BufferError, match="waiting for the disk"):
        worker.submit(0, refused)
    pool.release(refused)
    gated.gate.set()
    worker.close()
    assert gated.written == [0, 0, 0]
    assert free(pool) == 8


def test_buffers_are_used_again_and_bounded() -> None:
    pool = BufferPool(100, 250)
    first = pool.acquire(100)
    memory = first.obj
    second = pool.acquire(7)
    assert len(second) == 7
    assert free(pool) == 0
    with pytest.raises(BufferError, match="all 2 block buffers are in use"):
        pool.acquire(1)
    pool.release(first)
    again = pool.acquire(50)
    assert again.obj is memory
    assert len(again) == 50


def test_a_pool_lends_at_least_one_buffer() -> None:
    assert free(BufferPool(16 << 20, 1)) == 1


@pytest.mark.parametrize("length", [0, -1, 101])
def test_a_pool_lends_only_what_fits(length: int) -> None:
    with pytest.raises(ValueError, match="from a pool of 100"):
        BufferPool(100, 1000).acquire(length)


def test_a_buffer_given_back_is_dead_to_who_kept_it() -> None:
    pool = BufferPool(100, 200)
    view = pool.acquire(100)
    pool.release(view)
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    with pytest.raises(ValueError, match="released"):
        pool.release(view)
    assert free(pool) == 2


def test_a_buffer_is_given_back_once_and_to_its_own_pool() -> None:
    pool = BufferPool(100, 200)
    view = pool.acquire(100)
    part = view[:10]
    pool.release(view)
    for stranger in (part, memoryview(bytearray(100)), memoryview(b"x")):
        with pytest.raises(ValueError, match="not lent"):
            pool.release(stranger)
    assert free(pool) == 2


@given(st.lists(st.integers(-3, 100), max_size=60))
def test_lent_buffers_never_overlap_and_none_is_lost(steps: list[int]) -> None:
    pool = BufferPool(100, 500)
    lent: list[memoryview] = []
    for step in steps:
        if step > 0 and len(lent) < 5:
            lent.append(pool.acquire(step))
        elif step <= 0 and lent:
            pool.release(lent.pop(step % len(lent)))
        assert free(pool) + len(lent) == 5
        assert len({id(view.obj) for view in lent}) == len(lent)


def never() -> bool:
    return False


def checked(target: Storage, share: Metainfo) -> tuple[list[int], list[tuple[int, int]]]:
    steps: list[tuple[int, int]] = []
    found = check(target, share, lambda done, total: steps.append((done, total)), never)
    return list(bitfield.indices(found)), steps


def test_check_finds_exactly_the_good_blocks_and_says_how_far_it_is(tmp_path: Path) -> None:
    content = noise(5, tail=9)
    share = share_of(content)
    target = opened(share, tmp_path)
    target.write(0, 0, content[:BLOCK])
    target.write(2, 0, b"\0" + content[2 * BLOCK + 1 : 3 * BLOCK])
    target.write(4, 0, content[4 * BLOCK :])
    good, steps = checked(target, share)
    target.close()
    assert good == [0, 4, 5]
    assert steps[0] == (0, 6)
    assert steps[-1] == (6, 6)
    assert steps == sorted(steps)


def test_check_counts_holes_as_the_zeros_that_they_are_without_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(BLOCK) + noise(1) + bytes(2 * BLOCK) + noise(1) + bytes(100)
    share = share_of(content)
    target = opened(share, tmp_path)
    target.write(1, 0, content[BLOCK : 2 * BLOCK])
    reads: list[int] = []
    real = os.preadv

    def preadv(descriptor: int, views: list[memoryview], at: int) -> int:
        reads.append(at)
        return real(descriptor, views, at)

    monkeypatch.setattr(os, "preadv", preadv)
    good, _ = checked(target, share)
    target.close()
    assert good == [0, 1, 2, 3, 5]
    assert reads == [BLOCK]


def test_a_huge_empty_file_is_checked_without_reading_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, block_size = 6400, 16 << 20  # 100 GiB
    share = metainfo.build("f", [((), count * block_size)], block_size, b"x" * 20 * count, folder=False)
    target = opened(share, tmp_path)

    seeks: list[int] = []
    real = os.lseek

    def lseek(descriptor: int, start: int, how: int) -> int:
        seeks.append(start)
        return real(descriptor, start, how)

    def preadv(_descriptor: int, _views: list[memoryview], _at: int) -> int:
        raise AssertionError("read a hole")

    monkeypatch.setattr(os, "lseek", lseek)
    monkeypatch.setattr(os, "preadv", preadv)
    good, steps = checked(target, share)
    target.close()
    assert good == []
    assert seeks == [0]
    assert steps[-1] == (count, count)


def test_check_across_files_takes_missing_and_short_ones_for_missing_blocks(tmp_path: Path) -> None:
    content = noise(8)
    files = [BLOCK + 10, 0, 2 * BLOCK, 3 * BLOCK - 10, 2 * BLOCK]
    share = share_of(content, files)
    target = opened(share, tmp_path)
    target.write(0, 0, content)
    assert checked(target, share)[0] == list(range(8))
    target.close()
    (target.path / "2").unlink()  # bytes 1 block + 10 to 3 blocks + 10
    os.truncate(target.path / "4", BLOCK)  # its second block, number 7
    again = Storage(share, tmp_path, writable=True)
    good, steps = checked(again, share)
    again.close()
    assert good == [0, 4, 5, 6]
    assert steps[-1] == (8, 8)


def test_a_short_file_of_zeros_is_no_hole(tmp_path: Path) -> None:
    share = share_of(bytes(4 * BLOCK))
    target = opened(share, tmp_path)
    os.truncate(target.path, 2 * BLOCK)
    good, _ = checked(target, share)
    target.close()
    assert good == [0, 1]


def test_check_stops_when_told_and_keeps_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_room, "RUN_BYTES", BLOCK)
    content = noise(40)
    share = share_of(content)
    target = opened(share, tmp_path)
    target.write(0, 0, content)
    done = 0

    def progress(blocks: int, _total: int) -> None:
        nonlocal done
        done = blocks

    found = check(target, share, progress, lambda: done >= 3)
    assert list(bitfield.indices(found)) == list(range(done))
    assert 3 <= done < 10
    assert check(target, share, progress, lambda: True) == 0
    target.close()


def test_digests_come_in_order_with_errors_in_their_place(tmp_path: Path) -> None:
    content = noise(4)
    share = share_of(content, [2 * BLOCK, 2 * BLOCK])
    target = opened(share, tmp_path)
    target.write(0, 0, content)
    os.truncate(target.path / "0", BLOCK)
    found = list(digests(target, share.layout, [3, 1, 0]))
    target.close()
    assert [block for block, _ in found] == [3, 1, 0]
    assert [found[0][1], found[2][1]] == [share.digest(3), share.digest(0)]
    assert isinstance(found[1][1], StorageError)


def test_digests_draw_blocks_only_as_fast_as_they_are_hashed(tmp_path: Path) -> None:
    size = 16 * 1024
    content = noise(256)  # 1,024 blocks of 16 KiB, 16 runs
    share = share_of(content, block_size=size)
    target = opened(share, tmp_path)
    drawn: list[int] = []

    def blocks() -> Iterator[int]:
        for block in range(1024):
            drawn.append(block)
            yield block

    stream = digests(target, share.layout, blocks())
    next(stream)
    assert len(drawn) <= 4 * disk.RUN_BYTES // size
    assert len(list(stream)) == 1023
    target.close()
