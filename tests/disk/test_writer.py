"""Blocks that arrive, on real files and real threads: collected, verified, written; never a corrupt one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, get_ident

import pytest
from fakes.disks import BLOCK, PATIENCE, Gate, free, noise, opened, share_of

from minibit.disk.ledger import Ledger
from minibit.disk.storage import Storage
from minibit.disk.threads import Threads
from minibit.disk.writer import Writer
from minibit.torrent.layout import CHUNK_SIZE
from minibit.torrent.metainfo import Metainfo
from minibit.wire.messages import Piece


class Receiving:
    """Writer in threads of their own, and what they called back."""

    def __init__(self, share: Metainfo, storage: Storage, *, max_open: int, threads: int) -> None:
        self.share = share
        self.events: list[tuple[int, bool] | str] = []
        self.called_in: set[int] = set()
        self._settled = Event()
        self.threads = Threads("minibit-test", threads, self._error)
        ledger = Ledger(share, storage, 0)
        self.writer = Writer(share, ledger, self.threads, max_open, self._result, self._lost)

    def receive(self, block: int, data: bytes) -> None:
        """All of this block comes, chunk by chunk."""
        self.store(block, data)
        self.writer.verify(block)

    def store(self, block: int, data: bytes) -> None:
        for at in range(0, len(data), CHUNK_SIZE):
            self.writer.store(block, [Piece(block, at, data[at : at + CHUNK_SIZE])])

    def finish(self) -> None:
        """Wait until all that was put before is done."""
        self.threads.put(self._settled.set)
        assert self._settled.wait(PATIENCE)

    def _result(self, block: int, good: bool) -> None:
        self.called_in.add(get_ident())
        self.events.append((block, good))

    def _lost(self, blocks: int) -> None:
        self.events.append(f"lost {blocks:b}")

    def _error(self, error: Exception) -> None:
        self.events.append(str(error))
        self._settled.set()


@contextmanager
def receiving(
    share: Metainfo, storage: Storage, *, max_open: int = 8, threads: int = 1
) -> Iterator[Receiving]:
    one = Receiving(share, storage, max_open=max_open, threads=threads)
    one.threads.start()
    try:
        yield one
    finally:
        one.threads.stop()
        one.threads.join()
        storage.close()


def test_good_blocks_are_written_and_bad_ones_are_not(tmp_path: Path) -> None:
    content = noise(3, tail=100)
    share = share_of(content)
    target = opened(share, tmp_path)
    with receiving(share, target) as here:
        here.receive(3, content[3 * BLOCK :])
        here.receive(1, b"\0" + content[BLOCK + 1 : 2 * BLOCK])
        here.receive(0, content[:BLOCK])
        here.finish()
        assert here.events == [(3, True), (1, False), (0, True)]
        assert len(here.called_in) == 1
        assert get_ident() not in here.called_in
        assert free(here.writer.buffers) == 8
    expected = content[:BLOCK] + bytes(2 * BLOCK) + content[3 * BLOCK :]
    assert target.lies_at(0).read_bytes() == expected


def test_two_threads_lose_nothing_and_mix_nothing_up(tmp_path: Path) -> None:
    content = noise(40)
    share = share_of(content)
    target = opened(share, tmp_path)
    with receiving(share, target, max_open=40, threads=2) as here:
        for block in range(40):
            here.store(block, content[block * BLOCK : (block + 1) * BLOCK])
        done = Event()
        here.writer._on_result = lambda block, good: (  # type: ignore[assignment]
            here.events.append((block, good)),
            len(here.events) == 40 and done.set(),
        )
        for block in range(40):
            here.writer.verify(block)
        assert done.wait(PATIENCE)
        assert sorted(here.events) == [(block, True) for block in range(40)]
        assert free(here.writer.buffers) == 40
    assert target.lies_at(0).read_bytes() == content


def test_the_first_disk_error_is_told_once_and_stops_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = noise(4)
    share = share_of(content)
    target = opened(share, tmp_path)
    real, writes = os.pwrite, []

    def full_after_one(descriptor: int, data: memoryview, at: int) -> int:
        writes.append(at)
        if len(writes) > 1:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", full_after_one)
    with receiving(share, target) as here:
        for block in range(4):
            here.receive(block, content[block * BLOCK : (block + 1) * BLOCK])
        here.finish()
    assert here.events[0] == (0, True)
    assert "disk is full" in str(here.events[1])
    assert len(here.events) == 2
    assert writes == [0, BLOCK]
    assert target.lies_at(0).read_bytes() == content[:BLOCK] + bytes(3 * BLOCK)


def test_a_bug_is_told_like_an_error_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = noise(2)
    share = share_of(content)

    def broken(_share: Metainfo, block: int) -> bytes:
        raise ZeroDivisionError(f"while looking for the digest of {block}")

    monkeypatch.setattr(Metainfo, "digest", broken)
    with receiving(share, opened(share, tmp_path)) as here:
        for block in range(2):
            here.receive(block, content[block * BLOCK : (block + 1) * BLOCK])
        here.finish()
    assert here.events == ["while looking for the digest of 0"]


def test_memory_is_bounded_by_the_blocks_that_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = noise(8)
    share = share_of(content)
    target = opened(share, tmp_path)
    gate = Gate(target.write)
    monkeypatch.setattr(target, "write", gate)
    with receiving(share, target, max_open=2) as here:
        for block in range(2):
            here.receive(block, content[block * BLOCK : (block + 1) * BLOCK])
        assert gate.entered.wait(PATIENCE)
        with pytest.raises(BufferError, match="in use"):
            here.store(7, content[7 * BLOCK :])
        gate.open()
        here.finish()
        assert gate.passed == list(range(2))
        assert free(here.writer.buffers) == 2


def test_a_discarded_block_leaves_no_trace(tmp_path: Path) -> None:
    content = noise(1)
    share = share_of(content)
    target = opened(share, tmp_path)
    with receiving(share, target) as here:
        here.writer.discard(0)  # nothing of it was stored
        here.store(0, bytes(BLOCK))
        here.writer.discard(0)
        assert free(here.writer.buffers) == 8
        here.receive(0, content)
        here.finish()
        assert here.events == [(0, True)]


def assert_set(event: Event) -> None:
    assert event.wait(PATIENCE)


def test_a_block_whose_result_is_known_holds_no_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever opens another block at once would find none."""
    content = noise(3)
    share = share_of(content)
    settled = Event()
    lent: list[int] = []
    with receiving(share, opened(share, tmp_path), max_open=3) as here:
        here.threads.put(lambda: assert_set(settled))
        monkeypatch.setattr(here.writer, "_on_result", lambda *_: lent.append(3 - free(here.writer.buffers)))
        for block, data in enumerate((content[:BLOCK], bytes(BLOCK), content[2 * BLOCK :])):
            here.receive(block, data)
        settled.set()
        here.finish()
    assert lent == [2, 1, 0]


def test_what_is_lost_is_told_after_the_result_of_the_block(tmp_path: Path) -> None:
    content = noise(2)
    share = share_of(content)
    target = opened(share, tmp_path)
    with receiving(share, target) as here:
        here.receive(0, content[:BLOCK])
        here.finish()
        os.truncate(target.lies_at(0), 0)
        here._settled.clear()
        here.receive(1, content[BLOCK:])
        here.finish()
        assert here.events == [(0, True), (1, True), "lost 1"]
