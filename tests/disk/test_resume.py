"""What lies in a folder already: a user's file is never touched, and what an earlier run left goes on."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.disks import BLOCK, noise, share_of

from minibit import bitfield
from minibit.disk import places
from minibit.disk.refusals import InTheWayError
from minibit.disk.resume import Found, inspect
from minibit.disk.storage import Storage
from minibit.errors import UsageError
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo

CONTENT = noise(4)
SHARE = share_of(CONTENT)  # one file, "f"
FULL = 0b1111


def begun(share: Metainfo, folder: Path, *, overwrite: bool = False) -> tuple[Storage, Found]:
    """As a peer begins; to be closed."""
    storage = Storage(share, folder, writable=True)
    try:
        found = inspect(storage, share, lambda *_: None, lambda: False, overwrite=overwrite)
        storage.prepare(found.whole, found.ours, overwrite=overwrite)
    except BaseException:
        storage.close()
        raise
    return storage, found


def refused(share: Metainfo, folder: Path) -> str:
    """Why a peer cannot begin; nothing in the folder has changed by that."""

    def lying() -> dict[Path, object]:
        return {
            path: (path.lstat().st_ino, path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
            for path in folder.rglob("*")
        }

    before = lying()
    with pytest.raises(UsageError) as caught:
        begun(share, folder)
    assert lying() == before
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 5, BLOCK, 3 * BLOCK, 4 * BLOCK - 1, 4 * BLOCK, 4 * BLOCK + 1])
def test_a_users_file_with_the_shares_name_is_not_touched_whatever_its_size(
    tmp_path: Path, length: int
) -> None:
    mine = hashlib.shake_128(b"mine").digest(length)
    (tmp_path / "f").write_bytes(mine)
    answer = refused(SHARE, tmp_path)
    assert "--dir" in answer
    assert "--overwrite" in answer
    assert (tmp_path / "f").read_bytes() == mine


def test_a_users_file_in_a_folder_that_is_shared_is_not_touched(tmp_path: Path) -> None:
    share = share_of(CONTENT, [BLOCK, 2 * BLOCK, BLOCK])
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "0").write_bytes(CONTENT[:BLOCK])
    (tmp_path / "f" / "2").write_bytes(bytes(BLOCK - 7))
    assert "/f/2'" in refused(share, tmp_path)
    (tmp_path / "f" / "2").unlink()
    storage, found = begun(share, tmp_path)
    storage.close()
    assert found.have == 0b0001


def test_zeros_in_common_do_not_make_a_users_file_ours(tmp_path: Path) -> None:
    """Two images of disks have holes in the same places."""
    share = share_of(CONTENT[:BLOCK] + bytes(3 * BLOCK))
    (tmp_path / "f").write_bytes(b"mine" * (BLOCK // 4) + bytes(3 * BLOCK))
    assert "holds nothing of this share" in refused(share, tmp_path)


def test_a_file_of_which_one_block_matches_is_gone_on_with(tmp_path: Path) -> None:
    """As an earlier version left it, or another client."""
    (tmp_path / "f").write_bytes(bytes(BLOCK) + CONTENT[BLOCK : 2 * BLOCK])
    storage, found = begun(SHARE, tmp_path)
    assert found.have == 0b0010
    assert not (tmp_path / "f").exists()
    assert storage.lies_at(0).stat().st_size == len(CONTENT)
    storage.close()


def test_a_whole_file_is_kept_even_if_it_is_read_only_and_has_other_names(tmp_path: Path) -> None:
    place = tmp_path / "copies" / "f"
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    place.chmod(0o444)
    os.link(place, tmp_path / "other name")
    before = place.stat()
    storage, found = begun(SHARE, place.parent)
    storage.close()
    assert found.have == FULL
    assert os.listdir(place.parent) == ["f"]
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_hard_link_is_not_written_through(tmp_path: Path) -> None:
    place = tmp_path / "copies" / "f"
    place.parent.mkdir()
    place.write_bytes(CONTENT[: 2 * BLOCK] + bytes(2 * BLOCK))
    os.link(place, tmp_path / "other name")
    assert "hard links" in refused(SHARE, place.parent)


def test_what_is_overwritten_on_demand_has_its_length_and_keeps_what_matches(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT[:BLOCK] + bytes(9 * BLOCK))
    storage, found = begun(SHARE, tmp_path, overwrite=True)
    assert found.have == 0b0001
    assert storage.lies_at(0).stat().st_size == len(CONTENT)
    storage.write(1, 0, CONTENT[BLOCK:])
    storage.finish(0)
    storage.close()
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_an_unfinished_download_is_recognisable_and_found_again(tmp_path: Path) -> None:
    storage, _ = begun(SHARE, tmp_path)
    storage.write(2, 0, CONTENT[2 * BLOCK : 3 * BLOCK])
    storage.close()
    (name,) = os.listdir(tmp_path)
    assert name == f"f.{SHARE.info_hash.hex()[:8]}.part"
    storage, found = begun(SHARE, tmp_path)
    assert found.have == 0b0100
    storage.write(0, 0, CONTENT)
    storage.finish(0)
    storage.close()
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_peer_killed_in_its_first_write_resumes(tmp_path: Path) -> None:
    """Nothing that it left matches; by its name it is ours all the same."""
    storage, _ = begun(SHARE, tmp_path)
    storage.write(2, 0, CONTENT[2 * BLOCK : 2 * BLOCK + 1000])
    storage.close()
    storage, found = begun(SHARE, tmp_path)
    storage.close()
    assert found.have == 0


def test_a_users_file_called_part_and_a_share_that_holds_such_files(tmp_path: Path) -> None:
    names: list[tuple[tuple[str, ...], int]] = [
        (("a",), BLOCK),
        (("a.part",), 2 * BLOCK),
        (("b.part",), BLOCK),
    ]
    share = metainfo.build("f", names, BLOCK, SHARE.digests, folder=True)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "b.part.part").write_bytes(b"mine")
    storage, _ = begun(share, tmp_path)
    storage.write(0, 0, CONTENT)
    for index in range(3):
        storage.finish(index)
    storage.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()} == {
        "a": CONTENT[:BLOCK],
        "a.part": CONTENT[BLOCK : 3 * BLOCK],
        "b.part": CONTENT[3 * BLOCK :],
        "b.part.part": b"mine",
    }


def test_a_share_made_to_clash_with_its_own_unfinished_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its info hash would have to be known before it is made; four bytes of it can be guessed."""
    names: list[tuple[tuple[str, ...], int]] = [(("a",), BLOCK), (("A.00000000.part",), 3 * BLOCK)]
    share = metainfo.build("f", names, BLOCK, SHARE.digests, folder=True)
    monkeypatch.setitem(share.__dict__, "info_hash", bytes(20))
    with pytest.raises(UsageError, match=r"cannot be laid out"):
        Storage(share, tmp_path, writable=True)


def test_names_that_leave_no_room_for_a_suffix(tmp_path: Path) -> None:
    names: list[tuple[tuple[str, ...], int]] = [(("é" * 120 + letter * 15,), BLOCK) for letter in "abcd"]
    share = metainfo.build("f", names, BLOCK, SHARE.digests, folder=True)
    storage, _ = begun(share, tmp_path)
    storage.write(0, 0, CONTENT)
    assert len(os.listdir(tmp_path / "f")) == 4
    for index in range(4):
        storage.finish(index)
    storage.close()
    assert {path.name: path.stat().st_size for path in (tmp_path / "f").iterdir()} == {
        name: length for (name,), length in names
    }


def test_a_users_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    storage, _ = begun(SHARE, tmp_path)
    storage.write(0, 0, CONTENT)
    (tmp_path / "f").write_bytes(b"mine")
    with pytest.raises(InTheWayError, match="has appeared meanwhile"):
        storage.finish(0)
    storage.close()
    assert (tmp_path / "f").read_bytes() == b"mine"
    assert "is in the way of the unfinished" in refused(SHARE, tmp_path)
    storage, found = begun(SHARE, tmp_path, overwrite=True)
    storage.close()
    assert found.have == FULL
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def no_links(*_arguments: object, **_options: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_where_there_are_no_hard_links_files_are_renamed_and_nobodys_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    storage, _ = begun(SHARE, tmp_path)
    storage.write(0, 0, CONTENT)
    (tmp_path / "f").write_bytes(b"mine")
    with pytest.raises(InTheWayError, match="has appeared meanwhile"):
        storage.finish(0)
    (tmp_path / "f").unlink()
    storage.finish(0)
    storage.close()
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_peer_killed_between_the_two_names_of_a_file(tmp_path: Path, whole: bool) -> None:
    storage, _ = begun(SHARE, tmp_path)
    storage.write(0, 0, CONTENT if whole else CONTENT[: 3 * BLOCK])
    os.link(storage.lies_at(0), tmp_path / "f")
    part = storage.lies_at(0).name
    storage.close()
    storage, found = begun(SHARE, tmp_path)
    storage.close()
    assert found.have == (FULL if whole else 0b0111)
    assert os.listdir(tmp_path) == ["f" if whole else part]


def test_a_peer_killed_before_a_whole_file_got_its_name(tmp_path: Path) -> None:
    storage, _ = begun(SHARE, tmp_path)
    storage.write(0, 0, CONTENT)
    storage.close()
    storage, found = begun(SHARE, tmp_path)
    storage.close()
    assert found.have == FULL
    assert os.listdir(tmp_path) == ["f"]


def test_empty_files_have_their_names_at_once_and_a_users_is_not_emptied(tmp_path: Path) -> None:
    share = share_of(CONTENT, [0, 4 * BLOCK, 0])
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "2").write_bytes(b"mine")
    assert "/f/2'" in refused(share, tmp_path)
    (tmp_path / "f" / "2").write_bytes(b"")
    storage, _ = begun(share, tmp_path)
    assert (tmp_path / "f" / "0").stat().st_size == (tmp_path / "f" / "2").stat().st_size == 0
    storage.close()
    storage, _ = begun(share, tmp_path)
    storage.close()


def test_a_file_of_zeros_is_whole_before_anything_came(tmp_path: Path) -> None:
    share = share_of(bytes(BLOCK) + CONTENT[BLOCK:], [BLOCK, 3 * BLOCK])
    storage, found = begun(share, tmp_path)
    storage.close()
    assert found.have == 0b0001
    assert (tmp_path / "f" / "0").read_bytes() == bytes(BLOCK)


def test_nothing_is_created_before_all_was_looked_at(tmp_path: Path) -> None:
    share = share_of(CONTENT, [BLOCK, 3 * BLOCK])
    storage = Storage(share, tmp_path / "new", writable=True)
    assert inspect(storage, share, lambda *_: None, lambda: False, overwrite=False) == Found()
    storage.close()
    assert os.listdir(tmp_path) == []


def test_a_check_that_is_stopped_accuses_nobody(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    storage = Storage(SHARE, tmp_path, writable=True)
    assert inspect(storage, SHARE, lambda *_: None, lambda: True, overwrite=False) == Found()
    storage.close()


LOCKING = """
import sys, fcntl, os
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_two_live_peers_in_one_folder(tmp_path: Path) -> None:
    """The lock dies with its process, however that ends."""
    command = [sys.executable, "-c", LOCKING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert "another peer is at work in" in refused(SHARE, tmp_path)
        other.kill()
    begun(SHARE, tmp_path)[0].close()
    storage, _ = begun(SHARE, tmp_path)
    with pytest.raises(UsageError, match="another peer is at work in"):
        begun(SHARE, tmp_path)
    storage.close()
    assert len(os.listdir(tmp_path)) == 1, "no litter"


def test_two_live_peers_in_a_folder_that_the_first_of_them_made(tmp_path: Path) -> None:
    storage, _ = begun(SHARE, tmp_path / "new")
    with pytest.raises(UsageError, match="another peer is at work in"):
        begun(SHARE, tmp_path / "new")
    storage.close()


def test_where_there_are_no_locks_peers_go_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_descriptor: int, _how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    begun(SHARE, tmp_path)[0].close()


def test_a_file_that_gets_its_name_while_somebody_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, _ = begun(SHARE, tmp_path)
    real: Callable[[str, int], int] = places.open_regular

    def slow(path: str, flags: int) -> int:
        if path.endswith(".part"):
            storage.finish(0)
        return real(path, flags)

    monkeypatch.setattr(places, "open_regular", slow)
    view = memoryview(bytearray(4))
    storage.read_into(view, 0, 0)
    storage.close()
    assert bytes(view) == bytes(4)


def test_which_blocks_are_found_does_not_depend_on_the_name(tmp_path: Path) -> None:
    share = share_of(CONTENT, [BLOCK + 10, 2 * BLOCK - 10, BLOCK])
    storage, _ = begun(share, tmp_path)
    storage.write(0, 0, CONTENT[: 3 * BLOCK])
    storage.finish(0)
    storage.close()
    storage, found = begun(share, tmp_path)
    storage.close()
    assert list(bitfield.indices(found.have)) == [0, 1, 2]
    assert sorted(path.name.count(".part") for path in (tmp_path / "f").iterdir()) == [0, 0, 1]
