"""The share's bytes on a disk, addressed as (block, begin) across the boundaries of its files.

Files lie as the metainfo says (BEP 3, *files* and *length*), sparse and written in place. Nothing here
is mapped into memory: a mapped file that someone truncates kills the process, and mapped pages count
as ours. This room knows no hashes and no event loop; whether bytes deserve to be
written is `writer`'s matter. Any thread may call it: a lock guards the table of open files, and an
open file is never closed while somebody is inside it.
"""

import errno
import os
import stat
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from minibit.errors import StorageError, UsageError
from minibit.torrent.metainfo import FileEntry, Metainfo

MAX_OPEN_FILES: Final = 64  # a folder may hold 100,000 files, a process may often open only 256

_SEEK_DATA: Final = getattr(os, "SEEK_DATA", os.SEEK_SET)  # where holes are unknown, all counts as data
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0)  # Linux: read only what needs no waiting for a disk
_IN_THE_WAY: Final = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
_ELSEWHERE: Final = "choose another folder with --dir"
_REMEDIES: Final = {
    errno.ENOSPC: "the disk is full: free some space and start again, verified blocks are kept",
    errno.EDQUOT: "your disk quota is used up: free some space and start again, verified blocks are kept",
    errno.EFBIG: f"this file system holds no files of that size: {_ELSEWHERE}",
    errno.EROFS: f"the disk is read-only: {_ELSEWHERE}",
    errno.EACCES: f"permission denied: allow this user to use it, or {_ELSEWHERE}",
    errno.EPERM: f"permission denied: allow this user to use it, or {_ELSEWHERE}",
    errno.ENOENT: "it vanished: put it back, or start again to fetch what is missing",
}


class _InTheWayError(StorageError, UsageError):
    """Something on the disk is not ours to touch: a usage error at the start, a disk error later on."""


@dataclass(slots=True)
class _OpenFile:
    """A descriptor that stays open while anyone is inside its `with`, and whose errors leave it explained."""

    path: str
    descriptor: int
    lock: Lock  # the storage's own; it guards `users`
    users: int = 0

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        with self.lock:
            self.users -= 1
        if isinstance(error, OSError):
            raise _explained(error, self.path) from error


class Storage:
    """The files of one share below `folder`; read-only storage follows links, writable storage refuses them.

    Offsets count from the start of the share; `(block, begin)` is one way to write them, so a read or
    a write may run on into the blocks that follow.
    """

    def __init__(self, metainfo: Metainfo, folder: Path, *, writable: bool) -> None:
        self._root = os.path.join(os.path.realpath(folder), "")
        self._writable = writable
        self._entries = metainfo.files
        self._block_size = metainfo.layout.block_size
        self._total_size = metainfo.layout.total_size
        self._files = [entry for entry in metainfo.files if entry.length]
        self._offsets = [entry.offset for entry in self._files]
        self._lock = Lock()
        self._open: OrderedDict[int, _OpenFile] = OrderedDict()  # least recently used first
        self._plain: set[str] = set()  # folders that no link leads to
        self._closed = False

    @property
    def path(self) -> Path:
        """Where the shared file or folder lies."""
        return Path(self._root, self._entries[0].path[0])

    def prepare(self) -> None:
        """Create every folder and every file at its full length, sparse; what is there is kept.

        Everything is looked at before anything is created.

        Raises:
            UsageError: something that is not ours is in the way: a larger file, a link, a folder.
            StorageError: the disk refused.
        """
        parents = sorted({os.path.dirname(self._path(entry)) for entry in self._entries})
        for parent in parents:
            self._refuse_link(parent)
        for entry in self._entries:
            self._refuse_stranger(entry)
        for parent in parents:
            with _explaining(parent):
                os.makedirs(parent, exist_ok=True)
        for entry in self._entries:
            with _explaining(self._path(entry)):
                descriptor = self._open_file(entry, os.O_CREAT)
                try:
                    if os.fstat(descriptor).st_size < entry.length:
                        os.ftruncate(descriptor, entry.length)
                finally:
                    os.close(descriptor)

    def read_into(self, view: memoryview, block: int, begin: int) -> None:
        """Fill `view` with the bytes from `begin` in `block`.

        Raises:
            StorageError: a file vanished, shrank or cannot be read.
        """
        for index, at, size in self._spans(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            with self._using(index) as descriptor:
                while part:
                    count = os.preadv(descriptor, [part], at)
                    if not count:
                        raise self._wrong_length(self._files[index])
                    part = part[count:]
                    at += count

    def read_cached(self, view: memoryview, block: int, begin: int) -> bool:
        """`read_into` as far as it needs no disk: whether `view` was filled from the page cache.

        If not, because some of it is not there or this system cannot tell, the view holds anything.
        """
        for index, at, size in self._spans(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            with self._lock:
                held = self._hold(index)
            if held is None:
                return False
            with held as descriptor:
                if _read_if_cached(descriptor, part, at) != size:
                    return False
        return True

    def write(self, block: int, begin: int, data: bytes | bytearray | memoryview) -> None:
        """Put `data` at `begin` in `block`.

        Raises:
            StorageError: the disk refused, or the file is gone.
        """
        view = memoryview(data)
        for index, at, size in self._spans(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            with self._using(index) as descriptor:
                while part:
                    count = os.pwrite(descriptor, part, at)
                    part = part[count:]
                    at += count
                if not os.fstat(descriptor).st_nlink:  # we would fill a file that nobody can find
                    raise FileNotFoundError(errno.ENOENT, "unlinked")

    def next_data(self, offset: int) -> int:
        """The first offset from `offset` on that may hold anything but zeros, `total_size` if none does.

        Holes of sparse files are passed over unread. A file that is missing or short counts as data,
        so that reading it tells.
        """
        for index in range(bisect_right(self._offsets, offset) - 1, len(self._files)):
            entry = self._files[index]
            start = max(0, offset - entry.offset)
            try:
                with self._using(index) as descriptor:
                    if os.fstat(descriptor).st_size < entry.length:
                        return entry.offset + start
                    found = _seek_data(descriptor, start)
            except StorageError:
                return entry.offset + start
            if found < entry.length:
                return entry.offset + found
        return self._total_size

    def check_present(self) -> None:
        """Whether every file is where it belongs, at its length, and the one that we have open.

        Raises:
            StorageError: naming the first file that is not.
        """
        with self._lock:  # nobody may hold it for as long as a disk takes
            held_open = [(index, held) for index in tuple(self._open) if (held := self._hold(index))]
        opened = {}
        for index, held in held_open:
            with held as descriptor:
                opened[self._files[index].path] = os.fstat(descriptor)
        for entry in self._entries:
            with _explaining(self._path(entry)):
                status = os.stat(self._path(entry), follow_symlinks=not self._writable)
            if status.st_size != entry.length or not stat.S_ISREG(status.st_mode):
                raise self._wrong_length(entry)
            if entry.path in opened and not os.path.samestat(status, opened[entry.path]):
                raise StorageError(f"{self._path(entry)!r} was replaced meanwhile: start again to check it")

    def stamps(self) -> list[tuple[int, int]]:
        """(length, time of the last change in ns) of every file: other stamps mean other bytes.

        Raises:
            StorageError: a file is gone.
        """
        found = []
        for entry in self._entries:
            with _explaining(self._path(entry)):
                status = os.stat(self._path(entry))
            found.append((status.st_size, status.st_mtime_ns))
        return found

    def close(self) -> None:
        """Close every file; nobody may be inside a call. Calls after this raise ValueError."""
        with self._lock:
            self._closed = True
            while self._open:
                os.close(self._open.popitem()[1].descriptor)

    def _spans(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """The parts of files under `length` bytes from `offset`: (file, offset in it, bytes)."""
        if not 0 <= offset <= offset + length <= self._total_size:
            raise ValueError(f"{length} bytes at {offset} are not in a share of {self._total_size}")
        index = bisect_right(self._offsets, offset) - 1
        while length:
            entry = self._files[index]
            at = offset - entry.offset
            size = min(length, entry.length - at)
            yield index, at, size
            offset += size
            length -= size
            index += 1

    def _using(self, index: int) -> _OpenFile:
        """A file, opened if need be and held open from here until the `with` on it ends."""
        with self._lock:
            if self._closed:
                raise ValueError("this storage is closed")
            held = self._hold(index)
        if held is not None:
            return held
        # Not under the lock, which nobody may hold for as long as a disk takes.
        entry = self._files[index]
        descriptor = self._open_file(entry)
        surplus: int | None = descriptor
        with self._lock:
            held = self._hold(index)
            if held is None:  # else another thread was faster
                surplus = self._make_room()
                held = self._open[index] = _OpenFile(self._path(entry), descriptor, self._lock, users=1)
        if surplus is not None:
            os.close(surplus)
        return held

    def _hold(self, index: int) -> _OpenFile | None:
        """A file that is open already, held open; under the lock."""
        held = self._open.get(index)
        if held is not None:
            if len(self._open) > 1:
                self._open.move_to_end(index)
            held.users += 1
        return held

    def _make_room(self) -> int | None:
        """The descriptor of an idle file, to be closed, if too many are open; under the lock."""
        if len(self._open) >= MAX_OPEN_FILES:
            for index, held in self._open.items():
                if not held.users:
                    return self._open.pop(index).descriptor
        return None

    def _open_file(self, entry: FileEntry, flags: int = 0) -> int:
        path = self._path(entry)
        if self._writable:
            self._refuse_link(os.path.dirname(path))
            flags |= os.O_RDWR | os.O_NOFOLLOW
        with _explaining(path):
            # Without O_NONBLOCK, a pipe put in the place of a file would stop the whole peer.
            descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise _in_the_way(path, "is not a regular file")
            return descriptor

    def _refuse_link(self, parent: str) -> None:
        """Links inside the download folder could lead out of it, or lay two files onto one."""
        if parent not in self._plain:
            if os.path.realpath(parent) != parent:
                raise _in_the_way(parent, "passes through a symbolic link")
            self._plain.add(parent)

    def _refuse_stranger(self, entry: FileEntry) -> None:
        path = self._path(entry)
        with _explaining(path):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return
        if not stat.S_ISREG(status.st_mode):
            raise _in_the_way(path, "is not a regular file")
        if status.st_size > entry.length:
            raise _in_the_way(path, f"has {status.st_size} bytes where the share has {entry.length}")

    def _path(self, entry: FileEntry) -> str:
        return self._root + "/".join(entry.path)

    def _wrong_length(self, entry: FileEntry) -> StorageError:
        return StorageError(
            f"{self._path(entry)!r} no longer has its {entry.length} bytes, something else changed it: "
            "start again"
        )


def _read_if_cached(descriptor: int, view: memoryview, at: int) -> int:
    if not _NO_WAIT:
        return 0
    try:
        return os.preadv(descriptor, [view], at, _NO_WAIT)
    except OSError:  # it is not in memory, or this file system cannot tell
        return 0


def _seek_data(descriptor: int, start: int) -> int:
    try:
        return os.lseek(descriptor, start, _SEEK_DATA)
    except OSError as error:
        # ENXIO: a hole up to the end. Anything else: a file system that cannot tell.
        return os.fstat(descriptor).st_size if error.errno == errno.ENXIO else start


def _in_the_way(path: str, why: str) -> _InTheWayError:
    return _InTheWayError(f"{path!r} {why}: move it away, or {_ELSEWHERE}")


def _explained(error: OSError, path: str) -> StorageError:
    """What the system says about `path`, as one line that names it and the remedy."""
    number = error.errno or 0
    if number in _IN_THE_WAY:
        return _in_the_way(path, f"cannot be used ({os.strerror(number)})")
    remedy = _REMEDIES.get(number, f"{os.strerror(number)}: check this disk, or {_ELSEWHERE}")
    return StorageError(f"{path!r}: {remedy}")


@contextmanager
def _explaining(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explained(error, path) from error
