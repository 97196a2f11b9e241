"""Reading ahead: the right bytes, few reads, bounded memory, no buffer lent while somebody is in it."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from fakes.disks import BLOCK, PATIENCE, Gate, free, noise, opened, share_of

from minibit.disk import storage as storage_room
from minibit.disk.reader import READ_BYTES, READS_AHEAD, Read, Reader
from minibit.disk.storage import Storage
from minibit.disk.threads import Threads
from minibit.errors import StorageError
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire.messages import Request

CONTENT = noise(8)
PER_BLOCK = BLOCK // CHUNK_SIZE
LINKS = 3


def chunk(number: int) -> Request:
    """The chunk of the share with this number, counted from its start."""
    return Request(number // PER_BLOCK, number % PER_BLOCK * CHUNK_SIZE, CHUNK_SIZE)


def read_of(*numbers: int, key: int = 1) -> Read:
    return Read(key, [chunk(n) for n in numbers], len(numbers) * CHUNK_SIZE)


def content_of(*numbers: int) -> bytes:
    return b"".join(CONTENT[n * CHUNK_SIZE : (n + 1) * CHUNK_SIZE] for n in numbers)


class Reading:
    """A reader on a real file. Nothing is taken from the page cache, unless `cached`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, cached: bool = False) -> None:
        share = share_of(CONTENT)
        self.storage = opened(share, folder)
        self.storage.write(0, 0, CONTENT)
        self.read: list[Read] = []
        self.errors: list[Exception] = []
        self.told = Event()
        if not cached:
            monkeypatch.setattr(storage_room, "_NO_WAIT", 0)
        self.threads = Threads("minibit-test", 1, self._error)
        self.reader = Reader(self.storage, BLOCK, self.threads, LINKS, self._on_read)

    def _on_read(self, read: Read) -> None:
        self.read.append(read)
        self.told.set()

    def _error(self, error: Exception) -> None:
        self.errors.append(error)
        self.told.set()

    def wait(self) -> None:
        """Wait for what was submitted before."""
        done = Event()
        self.threads.put(done.set)
        assert done.wait(PATIENCE)

    def close(self) -> None:
        self.threads.stop()
        self.threads.join()
        self.storage.close()


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    with closing(Reading(tmp_path, monkeypatch)) as here:
        yield here


def test_chunks_come_in_the_order_they_were_asked_for_and_neighbours_are_one_read(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, int]] = []
    real = os.preadv

    def preadv(descriptor: int, views: list[memoryview], at: int) -> int:
        reads.append((at // CHUNK_SIZE, len(views[0]) // CHUNK_SIZE))
        return real(descriptor, views, at)

    monkeypatch.setattr(os, "preadv", preadv)
    read = read_of(2, 3, 4, 5, 9, 8)  # 3 and 4 lie in different blocks
    reading.reader.submit(read)
    assert not read.done, "its thread has not started"
    reading.threads.start()
    assert reading.told.wait(PATIENCE)
    assert reading.read == [read]
    assert read.done
    assert read.view == content_of(2, 3, 4, 5, 9, 8)
    assert reads == [(2, 4), (9, 1), (8, 1)]


def test_what_the_page_cache_holds_needs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Reading(tmp_path, monkeypatch, cached=True)
    asked: list[int] = []

    def preadv(_descriptor: int, views: list[memoryview], at: int, flags: int) -> int:
        asked.append(flags)
        views[0][:] = CONTENT[at : at + len(views[0])]
        return len(views[0])

    monkeypatch.setattr(storage_room, "_NO_WAIT", 8)
    monkeypatch.setattr(os, "preadv", preadv)
    read = read_of(1, 2, 7)
    here.reader.submit(read)
    assert read.done
    assert read.view == content_of(1, 2, 7)
    assert asked == [8, 8], "never without the flag: that would wait for a disk"
    assert here.read == [], "nobody need be woken"
    here.close()


@pytest.mark.parametrize("answer", [BlockingIOError, 100])
def test_what_is_not_all_in_the_page_cache_goes_to_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    here = Reading(tmp_path, monkeypatch, cached=True)
    real = os.preadv

    def preadv(descriptor: int, views: list[memoryview], at: int, flags: int = 0) -> int:
        if flags:
            if answer is BlockingIOError:
                raise BlockingIOError
            return 100
        return real(descriptor, views, at)

    monkeypatch.setattr(storage_room, "_NO_WAIT", 8)
    monkeypatch.setattr(os, "preadv", preadv)
    read = read_of(1, 2)
    here.reader.submit(read)
    assert not read.done
    here.threads.start()
    here.wait()
    assert here.read == [read]
    assert read.view == content_of(1, 2)
    here.close()


def test_a_file_is_never_opened_without_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Reading(tmp_path, monkeypatch)
    again = Storage(share_of(CONTENT), tmp_path, writable=False)
    monkeypatch.setattr(storage_room, "_NO_WAIT", 8)
    assert not again.read_cached(memoryview(bytearray(CHUNK_SIZE)), 0, 0)
    assert not again._open
    again.close()
    here.close()


def test_a_read_that_nobody_waits_for_is_not_made(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("read for nobody")

    before = free(reading.reader.buffers)
    monkeypatch.setattr(reading.storage, "read_into", unwanted)
    reads = [read_of(n) for n in range(2 * before)]  # waiting costs no buffer
    for read in reads:
        reading.reader.submit(read)
        reading.reader.release(read)
    reading.threads.start()
    reading.wait()
    assert reading.read == []
    assert reading.errors == []
    assert free(reading.reader.buffers) == before


def test_a_buffer_in_which_a_thread_reads_is_lent_until_it_has_done(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(reading.storage.read_into)
    monkeypatch.setattr(reading.storage, "read_into", gate)
    before = free(reading.reader.buffers)
    read = read_of(0, 1)
    reading.threads.start()
    reading.reader.submit(read)
    assert gate.entered.wait(PATIENCE)
    reading.reader.release(read)
    assert free(reading.reader.buffers) == before - 1
    gate.open()
    reading.wait()
    assert reading.read == [], "nobody waits for it"
    assert free(reading.reader.buffers) == before


def test_a_read_buffer_is_dead_once_given_back(reading: Reading) -> None:
    read = read_of(4)
    reading.threads.start()
    reading.reader.submit(read)
    reading.wait()
    view = read.view
    assert view is not None
    reading.reader.release(read)
    with pytest.raises(ValueError, match="released"):
        view[0]


def test_there_is_a_buffer_for_every_read_that_links_may_have(reading: Reading) -> None:
    assert free(reading.reader.buffers) >= READS_AHEAD * LINKS
    reads = [read_of(n, key=n) for n in range(READS_AHEAD * LINKS)]
    reading.threads.start()
    for read in reads:
        reading.reader.submit(read)
    reading.wait()
    assert [read.view for read in reads] == [content_of(n) for n in range(len(reads))]
    assert READ_BYTES >= 8 * CHUNK_SIZE


def test_a_file_that_shrank_is_told_as_an_error(reading: Reading) -> None:
    os.truncate(reading.storage.lies_at(0), BLOCK)
    reading.reader.submit(read_of(6))
    reading.threads.start()
    assert reading.told.wait(PATIENCE)
    (error,) = reading.errors
    assert isinstance(error, StorageError)
    assert "no longer has its" in str(error)
    assert reading.read == []
