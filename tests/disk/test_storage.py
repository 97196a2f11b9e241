"""Storage against real files: what is read and written lies where the metainfo says, and nowhere else."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibit.disk import storage
from minibit.disk.storage import MAX_OPEN_FILES, Storage
from minibit.errors import StorageError, UsageError
from minibit.torrent import bencode, metainfo
from minibit.torrent.metainfo import Metainfo

BLOCK = 1024


def folder_of(lengths: list[int], block_size: int = BLOCK) -> Metainfo:
    """A share "s" of files s/0, s/1, … with these lengths."""
    count = -(-sum(lengths) // block_size)
    files = [((str(i),), length) for i, length in enumerate(lengths)]
    return metainfo.build("s", files, block_size, bytes(20 * count), folder=True)


def file_of(length: int, block_size: int = BLOCK) -> Metainfo:
    count = -(-length // block_size)
    return metainfo.build("f.bin", [((), length)], block_size, bytes(20 * count), folder=False)


def noise(length: int) -> bytes:
    return bytes((i * 7 + i // 251) % 256 for i in range(length))


def opened(share: Metainfo, folder: Path) -> Storage:
    ready = Storage(share, folder, writable=True)
    ready.prepare()
    return ready


def read(source: Storage, block: int, begin: int, length: int) -> bytes:
    buffer = bytearray(length)
    source.read_into(memoryview(buffer), block, begin)
    return bytes(buffer)


@pytest.mark.parametrize("lengths", [[5], [0, 5, 0], [3000, 0, 1, 0, 1024, 2047]])
def test_prepare_lays_out_every_file_at_its_length_and_sparse(tmp_path: Path, lengths: list[int]) -> None:
    share = folder_of(lengths)
    opened(share, tmp_path).close()
    found = {path.name: path.stat().st_size for path in (tmp_path / "s").iterdir()}
    part = f".{share.info_hash.hex()[:8]}.part"
    assert found == {f"{i}{part if length else ''}": length for i, length in enumerate(lengths)}
    assert all(path.stat().st_blocks == 0 for path in (tmp_path / "s").iterdir())


def test_prepare_creates_the_download_folder_and_folders_below(tmp_path: Path) -> None:
    share = metainfo.build("s", [(("a", "b", "c"), 5), (("a", "d"), 6)], BLOCK, bytes(20), folder=True)
    ready = opened(share, tmp_path / "not" / "yet")
    ready.close()
    assert ready.path == tmp_path / "not" / "yet" / "s"
    assert [ready.lies_at(0).parent, ready.lies_at(1).parent] == [ready.path / "a" / "b", ready.path / "a"]
    assert [ready.lies_at(index).stat().st_size for index in (0, 1)] == [5, 6]


def test_prepare_keeps_what_is_there_and_only_lengthens(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(b"abc")
    ready = Storage(file_of(10), tmp_path, writable=True)
    ready.prepare(ours={0})
    ready.close()
    assert ready.lies_at(0).read_bytes() == b"abc" + bytes(7)
    assert not ready.path.exists()


def obstacle_larger_file(place: Path) -> None:
    place.write_bytes(bytes(11))


def obstacle_folder(place: Path) -> None:
    place.mkdir()


def obstacle_pipe(place: Path) -> None:
    os.mkfifo(place)


def obstacle_link(place: Path) -> None:
    place.symlink_to("/dev/null")


def obstacle_dangling_link(place: Path) -> None:
    place.symlink_to(place.parent / "nowhere")


OBSTACLES = [obstacle_larger_file, obstacle_folder, obstacle_pipe, obstacle_link, obstacle_dangling_link]


@pytest.mark.parametrize("obstruct", OBSTACLES)
def test_whatever_is_in_the_way_is_named_and_nothing_is_created(
    tmp_path: Path, obstruct: Callable[[Path], None]
) -> None:
    (tmp_path / "s").mkdir()
    obstruct(tmp_path / "s" / "1")
    with pytest.raises(UsageError, match=r"/s/1'.*--dir") as caught:
        Storage(folder_of([4, 10, 4]), tmp_path, writable=True).prepare()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path / "s") == ["1"]
    if obstruct is obstacle_larger_file:
        assert (tmp_path / "s" / "1").stat().st_size == 11


def test_a_file_where_a_folder_belongs_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"mine")
    with pytest.raises(UsageError, match="--dir"):
        Storage(folder_of([4]), tmp_path, writable=True).prepare()
    assert (tmp_path / "s").read_bytes() == b"mine"
    with pytest.raises(UsageError, match="--dir"):
        Storage(file_of(4), tmp_path / "s", writable=True).prepare()


def test_a_path_too_long_for_the_disk_is_a_usage_error(tmp_path: Path) -> None:
    path = ("n" * 255,) * 20
    share = metainfo.build("s", [(path, 5)], BLOCK, bytes(20), folder=True)
    with pytest.raises(UsageError, match="--dir"):
        Storage(share, tmp_path, writable=True).prepare()


@pytest.mark.parametrize("escape", ["..", "/"])
def test_no_link_leads_out_of_the_download_folder(tmp_path: Path, escape: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    target = Path("..") / "outside" if escape == ".." else outside
    (inside / "s").symlink_to(target)
    share = metainfo.build("s", [(("deep", "x"), 5)], BLOCK, bytes(20), folder=True)
    with pytest.raises(UsageError, match="symbolic link"):
        Storage(share, inside, writable=True).prepare()
    assert list(outside.iterdir()) == []


def test_links_cannot_lay_two_files_onto_one(tmp_path: Path) -> None:
    share = metainfo.build("s", [(("a", "x"), 5), (("b", "x"), 5)], BLOCK, bytes(20), folder=True)
    (tmp_path / "s" / "b").mkdir(parents=True)
    (tmp_path / "s" / "a").symlink_to("b")
    with pytest.raises(UsageError, match="symbolic link"):
        Storage(share, tmp_path, writable=True).prepare()


def test_the_download_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    ready = opened(file_of(5), tmp_path / "link")
    ready.close()
    assert ready.lies_at(0).parent == tmp_path / "real"
    assert ready.lies_at(0).stat().st_size == 5


def test_a_link_planted_after_prepare_is_not_followed(tmp_path: Path) -> None:
    ready = opened(file_of(5), tmp_path / "in")
    victim = tmp_path / "victim"
    victim.write_bytes(b"12345")
    ready.lies_at(0).unlink()
    ready.lies_at(0).symlink_to(victim)
    with pytest.raises(StorageError, match="symbolic link"):
        ready.write(0, 0, b"XXXXX")
    ready.close()
    assert victim.read_bytes() == b"12345"


def test_the_origin_follows_the_users_own_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"hello")
    (tmp_path / "f.bin").symlink_to("real")
    origin = Storage(file_of(5), tmp_path, writable=False)
    assert read(origin, 0, 1, 4) == b"ello"
    origin.check_present()
    origin.close()


def test_the_origin_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(b"hello")
    origin = Storage(file_of(5), tmp_path, writable=False)
    with pytest.raises(StorageError):
        origin.write(0, 0, b"HELLO")
    origin.close()
    assert (tmp_path / "f.bin").read_bytes() == b"hello"


LENGTHS = st.lists(st.integers(0, 700), min_size=1, max_size=12).filter(any)


@settings(deadline=None, max_examples=60)
@given(lengths=LENGTHS, data=st.data())
def test_any_read_of_any_layout_is_the_concatenation(lengths: list[int], data: st.DataObject) -> None:
    whole = noise(sum(lengths))
    with TemporaryDirectory() as folder:
        root = Path(folder, "s")
        root.mkdir()
        cuts = [0]
        for i, length in enumerate(lengths):
            cuts.append(cuts[-1] + length)
            (root / str(i)).write_bytes(whole[cuts[-2] : cuts[-1]])
        share = folder_of(lengths)
        source = Storage(share, Path(folder), writable=False)
        for _ in range(5):
            offset = data.draw(st.integers(0, len(whole)))
            length = data.draw(st.integers(0, len(whole) - offset))
            assert read(source, *divmod(offset, BLOCK), length) == whole[offset : offset + length]
        source.close()


@settings(deadline=None, max_examples=60)
@given(lengths=LENGTHS, data=st.data())
def test_any_writes_to_any_layout_read_back_as_one_array(lengths: list[int], data: st.DataObject) -> None:
    model = bytearray(sum(lengths))
    with TemporaryDirectory() as folder:
        target = opened(folder_of(lengths), Path(folder))
        for fill in range(1, 6):
            offset = data.draw(st.integers(0, len(model)))
            length = data.draw(st.integers(0, len(model) - offset))
            target.write(*divmod(offset, BLOCK), bytes([fill]) * length)
            model[offset : offset + length] = bytes([fill]) * length
        target.check_present()
        assert read(target, 0, 0, len(model)) == model
        target.close()
        on_disk = b"".join(target.lies_at(i).read_bytes() for i in range(len(lengths)))
    assert on_disk == model


@pytest.mark.parametrize(
    ("block", "begin", "length"), [(0, -1, 2), (0, 0, 11), (0, 10, 1), (1, 0, 1), (-1, 0, 1)]
)
def test_bytes_that_no_share_has_are_our_own_bug(tmp_path: Path, block: int, begin: int, length: int) -> None:
    target = opened(file_of(10), tmp_path)
    with pytest.raises(ValueError, match="not in a share of 10"):
        read(target, block, begin, length)
    with pytest.raises(ValueError, match="not in a share of 10"):
        target.write(block, begin, bytes(length))
    target.close()
    assert target.lies_at(0).read_bytes() == bytes(10)


def test_short_writes_and_reads_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int, int]] = []
    real_pwrite, real_preadv = os.pwrite, os.preadv

    def pwrite(descriptor: int, data: memoryview, at: int) -> int:
        calls.append(("write", len(data), at))
        return real_pwrite(descriptor, data[:4], at)

    def preadv(descriptor: int, views: list[memoryview], at: int) -> int:
        calls.append(("read", len(views[0]), at))
        return real_preadv(descriptor, [views[0][:4]], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "preadv", preadv)
    target = opened(file_of(10), tmp_path)
    target.write(0, 1, b"123456789")
    assert read(target, 0, 0, 10) == b"\x00123456789"
    target.close()
    assert calls == [
        ("write", 9, 1),
        ("write", 5, 5),
        ("write", 1, 9),
        ("read", 10, 0),
        ("read", 6, 4),
        ("read", 2, 8),
    ]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "disk is full: free some space"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EROFS, "read-only: choose another folder with --dir"),
        (errno.EACCES, "permission denied"),
        (errno.EFBIG, "no files of that size"),
        (errno.EIO, "Input/output error: check this disk"),
    ],
)
def test_what_the_disk_refuses_is_one_line_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    target = opened(folder_of([10, 10]), tmp_path)
    target.write(0, 0, b"kept")

    def refuse(_descriptor: int, _data: memoryview, _at: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StorageError, match=says) as caught:
        target.write(0, 12, b"lost")
    assert "/s/1." in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read(target, 0, 0, 4) == b"kept"
    target.close()


def test_a_device_that_is_full_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = opened(file_of(10), tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda _descriptor, data, at: real(full, data, at))
    with pytest.raises(StorageError, match="disk is full"):
        target.write(0, 0, b"x")
    os.close(full)
    target.close()


def test_a_read_only_folder_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(StorageError, match=r"f\.bin\..*read-only.*--dir"):
            opened(file_of(10), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named_when_it_is_first_needed(tmp_path: Path) -> None:
    source = Storage(folder_of([10, 10]), tmp_path, writable=False)
    with pytest.raises(StorageError, match=r"/s/1'.*vanished"):
        read(source, 0, 15, 1)
    source.close()


def test_a_pipe_in_the_place_of_a_file_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.bin")
    source = Storage(file_of(10), tmp_path, writable=False)
    with pytest.raises(StorageError, match="not a regular file"):
        read(source, 0, 0, 10)
    source.close()


def test_a_file_that_shrank_is_named(tmp_path: Path) -> None:
    target = opened(folder_of([10, 10]), tmp_path)
    assert read(target, 0, 0, 20) == bytes(20)
    os.truncate(target.lies_at(1), 4)
    with pytest.raises(StorageError, match=r"/s/1\..*no longer has its 10 bytes"):
        read(target, 0, 0, 20)
    target.close()


def test_a_write_to_a_file_that_vanished_is_noticed_at_once(tmp_path: Path) -> None:
    target = opened(file_of(10), tmp_path)
    target.write(0, 0, b"12345")
    target.lies_at(0).unlink()
    with pytest.raises(StorageError, match="vanished"):
        target.write(0, 5, b"67890")
    target.close()


def lose(place: Path) -> None:
    place.unlink()


def shorten(place: Path) -> None:
    os.truncate(place, 9)


def lengthen(place: Path) -> None:
    os.truncate(place, 11)


def replace_by_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def move_and_link(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def replace_by_twin(place: Path) -> None:
    twin = place.with_name("twin")
    twin.write_bytes(bytes(10))
    twin.replace(place)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lose, "vanished"),
        (shorten, "no longer has its 10 bytes"),
        (lengthen, "no longer has its 10 bytes"),
        (replace_by_folder, "no longer has its 10 bytes"),
        (move_and_link, "no longer has its 10 bytes"),
        (replace_by_twin, "was replaced"),
    ],
)
def test_check_present_names_the_file_that_is_not_as_we_left_it(
    tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    target = opened(folder_of([10, 10]), tmp_path)
    target.write(0, 0, bytes(20))
    target.check_present()
    change(target.lies_at(1))
    with pytest.raises(StorageError, match=rf"/s/1\..*{says}"):
        target.check_present()
    target.close()


def test_check_present_holds_up_nobody_while_it_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(file_of(100), tmp_path)
    storage.write(0, 0, b"x")
    real = os.fstat

    def slow(descriptor: int) -> os.stat_result:
        assert storage._lock.acquire(blocking=False), "somebody who reads would wait"
        storage._lock.release()
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", slow)
    storage.check_present()
    monkeypatch.undo()
    assert not any(held.users for held in storage._open.values())
    storage.close()


def test_check_present_looks_at_empty_files_too(tmp_path: Path) -> None:
    target = opened(folder_of([10, 0]), tmp_path)
    target.lies_at(1).unlink()
    with pytest.raises(StorageError, match="/s/1'"):
        target.check_present()
    target.close()


def files_open_below(folder: Path) -> set[str]:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    targets = [Path(os.readlink(link)) for link in links if os.path.islink(link)]
    return {
        target.name.partition(".")[0]
        for target in targets
        if target.is_relative_to(folder) and target.is_file()
    }


def test_few_files_are_open_however_many_there_are(tmp_path: Path) -> None:
    lengths = [3] * (3 * MAX_OPEN_FILES)
    target = opened(folder_of(lengths), tmp_path)
    whole = noise(sum(lengths))
    target.write(0, 0, whole)
    assert len(files_open_below(tmp_path)) == MAX_OPEN_FILES
    assert read(target, 0, 0, len(whole)) == whole
    assert len(files_open_below(tmp_path)) == MAX_OPEN_FILES
    target.close()
    assert not files_open_below(tmp_path)


def test_the_file_unused_for_longest_is_closed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_OPEN_FILES", 2)
    target = opened(folder_of([1, 1, 1]), tmp_path)
    for begin in (0, 1, 0, 2):
        read(target, 0, begin, 1)
    assert files_open_below(tmp_path) == {"0", "2"}
    target.close()


def test_a_file_in_use_is_not_closed_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader stops inside file 0 while a writer goes through every other file."""
    monkeypatch.setattr(storage, "MAX_OPEN_FILES", 2)
    target = opened(folder_of([8] * 20), tmp_path)
    target.write(0, 0, b"file 000")
    inside, resume = Barrier(2, timeout=20), Barrier(2, timeout=20)
    real = os.preadv

    def preadv(descriptor: int, views: list[memoryview], at: int) -> int:
        inside.wait()
        resume.wait()
        return real(descriptor, views, at)

    monkeypatch.setattr(os, "preadv", preadv)
    found: list[bytes] = []
    reader = Thread(target=lambda: found.append(read(target, 0, 0, 8)))
    reader.start()
    inside.wait()
    target.write(0, 8, b"overrun!" * 19)
    resume.wait()
    reader.join(20)
    assert found == [b"file 000"]
    target.write(0, 0, b"still in")
    assert len(files_open_below(tmp_path)) <= 3
    target.close()


def test_a_file_that_is_slow_to_open_holds_up_nobody_and_is_open_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = opened(folder_of([BLOCK, BLOCK]), tmp_path)
    target.write(0, 0, noise(2 * BLOCK))
    target.finish(0)
    target.finish(1)
    target.close()
    source = Storage(folder_of([BLOCK, BLOCK]), tmp_path, writable=False)
    assert read(source, 0, 0, 5) == noise(5)
    opening, gate, real = Barrier(3, timeout=20), Event(), os.open

    def slow(*arguments: Any) -> int:
        opening.wait()
        assert gate.wait(20)
        return real(*arguments)

    monkeypatch.setattr(os, "open", slow)
    found: list[bytes] = []
    threads = [Thread(target=lambda: found.append(read(source, 1, 0, 5))) for _ in range(2)]
    for thread in threads:
        thread.start()
    opening.wait()
    assert read(source, 0, 7, 5) == noise(12)[7:], "from the file that is open already"
    gate.set()
    for thread in threads:
        thread.join()
    assert found == [noise(BLOCK + 5)[BLOCK:]] * 2
    assert len(files_open_below(tmp_path)) == 2
    source.close()


def test_closed_storage_opens_nothing(tmp_path: Path) -> None:
    target = opened(file_of(10), tmp_path)
    target.close()
    target.close()
    with pytest.raises(ValueError, match="closed"):
        read(target, 0, 0, 1)
    assert not files_open_below(tmp_path)


def test_next_data_passes_over_holes_and_files_without_data(tmp_path: Path) -> None:
    page = 64 * 1024
    lengths = [4 * page, 0, 4 * page, 4 * page]
    target = opened(folder_of(lengths, page), tmp_path)
    assert target.next_data(0) == 12 * page
    target.write(6, 0, b"x")  # in the file of blocks 4–7
    assert [target.next_data(block * page) for block in range(12)] == [6 * page] * 7 + [12 * page] * 5
    target.close()


def test_next_data_points_at_what_cannot_be_read(tmp_path: Path) -> None:
    page = 64 * 1024
    target = opened(folder_of([4 * page, 4 * page], page), tmp_path)
    os.truncate(target.lies_at(0), page)
    assert target.next_data(2 * page) == 2 * page
    os.truncate(target.lies_at(0), 4 * page)
    target.lies_at(1).unlink()
    assert target.next_data(2 * page) == 4 * page
    target.close()


def test_where_holes_are_unknown_everything_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_tell(_descriptor: int, _start: int, _how: int) -> int:
        raise OSError(errno.EINVAL, "no SEEK_DATA here")

    target = opened(file_of(4 * BLOCK), tmp_path)
    monkeypatch.setattr(os, "lseek", cannot_tell)
    assert [target.next_data(at) for at in (0, 5, 3 * BLOCK)] == [0, 5, 3 * BLOCK]
    target.close()


def test_new_files_are_plain_and_not_executable(tmp_path: Path) -> None:
    target = opened(file_of(10), tmp_path)
    target.close()
    mode = target.lies_at(0).stat().st_mode
    assert stat.S_ISREG(mode)
    assert not mode & 0o111


# --- padding and attributes (BEP 47)


def padded() -> Metainfo:
    """`a` fills half of the first block, padding the rest and the second; `b` is executable."""
    files = [
        {"length": BLOCK // 2, "path": ["a"]},
        {"length": BLOCK // 2 + BLOCK, "path": [".pad", "1"], "attr": "p"},
        {"length": 5, "path": ["b"], "attr": "x"},
    ]
    info = {"name": "s", "piece length": BLOCK, "pieces": bytes(60), "files": files}
    return metainfo.parse(bencode.encode({"info": info}))


def test_padding_is_zeros_and_never_on_the_disk(tmp_path: Path) -> None:
    share = padded()
    storage = opened(share, tmp_path)
    storage.write(0, 0, b"a" * (BLOCK // 2) + bytes(BLOCK // 2))
    storage.write(1, 0, bytes(BLOCK))
    storage.write(2, 0, b"bbbbb")
    assert read(storage, 0, 0, 2 * BLOCK + 5) == b"a" * (BLOCK // 2) + bytes(BLOCK * 3 // 2) + b"bbbbb"
    buffer = bytearray(b"x" * BLOCK)
    assert storage.read_cached(memoryview(buffer), 1, 0)
    assert buffer == bytes(BLOCK)
    assert storage.next_data(BLOCK // 2) == 2 * BLOCK
    for index in (0, 1):
        storage.finish(index)
    storage.close()
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["a", "b"]


def test_an_executable_file_may_be_run_once_it_is_whole(tmp_path: Path) -> None:
    storage = opened(padded(), tmp_path)
    assert not os.access(storage.lies_at(1), os.X_OK)
    for index in (0, 1):
        storage.finish(index)
    storage.check_present()
    storage.close()
    modes = {name: (tmp_path / "s" / name).stat().st_mode & 0o111 for name in ("a", "b")}
    readable = (tmp_path / "s" / "b").stat().st_mode & 0o444
    assert modes == {"a": 0, "b": readable >> 2}
