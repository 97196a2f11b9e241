"""Which blocks are good as they lie on a disk: exactly those, holes unread, in memory that does not grow."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.disks import BLOCK, noise, opened, share_of

from minibit import bitfield
from minibit.disk import check as check_room
from minibit.disk.check import RUN_BYTES, check, digests
from minibit.disk.storage import Storage
from minibit.errors import StorageError
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo


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
    target.lies_at(2).unlink()  # bytes 1 block + 10 to 3 blocks + 10
    os.truncate(target.lies_at(4), BLOCK)  # its second block, number 7
    again = Storage(share, tmp_path, writable=True)
    again.survey()
    good, steps = checked(again, share)
    again.close()
    assert good == [0, 4, 5, 6]
    assert steps[-1] == (8, 8)


def test_a_short_file_of_zeros_is_no_hole(tmp_path: Path) -> None:
    share = share_of(bytes(4 * BLOCK))
    target = opened(share, tmp_path)
    os.truncate(target.lies_at(0), 2 * BLOCK)
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
    os.truncate(target.lies_at(0), BLOCK)
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
    assert len(drawn) <= 4 * RUN_BYTES // size
    assert len(list(stream)) == 1023
    target.close()
