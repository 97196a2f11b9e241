"""The share's bytes on a disk, addressed as (block, begin) across the boundaries of its files.

Files lie where `places` says, sparse and written in place. Nothing here is mapped into memory: a mapped
file that someone truncates kills the process, and mapped pages count as ours. This room knows no hashes
and no event loop; whether bytes deserve to be written is `writer`'s matter. Any thread may call it: a
lock guards the table of open files, and an open file is never closed while somebody is inside it.
"""

import errno
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Container
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from msgspec import Struct

from minibit.disk.places import ABSENT, NAMED, PART, Places, stamp_of
from minibit.disk.refusals import explained, explaining
from minibit.disk.spans import Spans
from minibit.errors import StorageError
from minibit.torrent.metainfo import Metainfo

MAX_OPEN_FILES: Final = 64  # a folder may hold 100,000 files, a process may often open only 256

_SEEK_DATA: Final = getattr(os, "SEEK_DATA", os.SEEK_SET)  # where holes are unknown, all counts as data
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0)  # Linux: read only what needs no waiting for a disk


class _OpenFile(Struct):
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
            raise explained(error, self.path) from error


class Storage:
    """The files of one share below `folder`; read-only storage follows links, writable storage refuses them.

    Offsets count from the start of the share; `(block, begin)` is one way to write them, so a read or
    a write may run on into the blocks that follow.
    """

    def __init__(self, metainfo: Metainfo, folder: Path, *, writable: bool) -> None:
        self._places = Places(metainfo, folder, writable=writable)
        self._writable = writable
        self._entries = metainfo.files
        self._block_size = metainfo.layout.block_size
        self._total_size = metainfo.layout.total_size
        self._spans = Spans(metainfo)
        self._doubtful: set[int] = set()  # unfinished files that somebody else has written to
        self._lock = Lock()
        self._open: OrderedDict[int, _OpenFile] = OrderedDict()  # least recently used first
        self._closed = False

    @property
    def path(self) -> Path:
        """Where the shared file or folder lies once it is whole."""
        return Path(self._places.root, self._entries[0].path[0])

    @property
    def unfinished(self) -> list[int]:
        """The files that do not have their own names yet."""
        return [index for index in range(len(self._entries)) if self._places.state(index) == PART]

    def lies_at(self, index: int) -> Path:
        """Where a file of the share lies now, under whichever name."""
        return Path(self._places.path(index))

    def survey(self, *, overwrite: bool = False) -> None:
        """See which files are there, finished or not, and change nothing.

        Raises:
            UsageError: something that is not ours is in the way: a larger file, a link, a folder; or another
                peer is at work in the folder.
            StorageError: the disk refused.
        """
        self._places.survey(overwrite=overwrite)

    def refuse_strangers(
        self, whole: Container[int], ours: Container[int], *, overwrite: bool = False
    ) -> None:
        """Refuse to touch files that nobody knows to be ours: neither `whole`, nor with bytes of the share
        in them (`ours`), unless the user lets us (`overwrite`).

        Raises:
            UsageError: naming the first such file.
        """
        self._places.refuse_strangers(whole, ours, overwrite=overwrite)

    def prepare(
        self, whole: Container[int] = (), ours: Container[int] = (), *, overwrite: bool = False
    ) -> None:
        """Create every folder and every file at its full length, sparse; what is there is kept.

        Files that are `whole` have their own names after this; the others are recognisable as unfinished.
        Everything is looked at before anything is created; raises what `survey` and `refuse_strangers` do.
        """
        self._places.prepare(whole, ours, overwrite=overwrite)
        with self._lock:
            for held in self._open.values():  # what was opened to be checked, and not to be written to
                os.close(held.descriptor)
            self._open.clear()

    def finish(self, index: int) -> None:
        """This file is whole: it gets its own name, and is not written to any more.

        Raises:
            UsageError: somebody else's file has taken that name meanwhile.
            StorageError: the disk refused.
        """
        self._places.finish(index)

    def files_of(self, block: int) -> range:
        """The files that bytes of this block lie in, by number; empty ones among them may be in it too."""
        return self._spans.files_of(block)

    def read_into(self, view: memoryview, block: int, begin: int) -> None:
        """Fill `view` with the bytes from `begin` in `block`.

        Raises:
            StorageError: a file vanished, shrank or cannot be read.
        """
        for index, at, size in self._spans.under(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            if index is None:
                part[:] = bytes(size)
                continue
            with self._using(index) as descriptor:
                while part:
                    count = os.preadv(descriptor, [part], at)
                    if not count:
                        raise self._wrong_length(index)
                    part = part[count:]
                    at += count

    def read_cached(self, view: memoryview, block: int, begin: int) -> bool:
        """`read_into` as far as it needs no disk: whether `view` was filled from the page cache.

        If not, because some of it is not there or this system cannot tell, the view holds anything.
        """
        for index, at, size in self._spans.under(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            if index is None:
                part[:] = bytes(size)
                continue
            with self._lock:
                held = self._hold(index)
            if held is None:
                return False
            with held as descriptor:
                if _read_if_cached(descriptor, part, at) != size:
                    return False
        return True

    def write(self, block: int, begin: int, data: bytes | bytearray | memoryview) -> None:
        """Put `data` at `begin` in `block`, as far as its files are unfinished; one thread at a time.

        Raises:
            StorageError: the disk refused, or the file is gone.
        """
        view = memoryview(data)
        for index, at, size in self._spans.under(block * self._block_size + begin, len(view)):
            part, view = view[:size], view[size:]
            if index is None or (self._writable and self._places.state(index) == NAMED):
                continue  # padding lies nowhere, and what is whole is its user's
            with self._using(index) as descriptor:
                if stamp_of(os.fstat(descriptor)) != self._places.stamp(index):
                    self._doubtful.add(index)
                while part:
                    count = os.pwrite(descriptor, part, at)
                    part = part[count:]
                    at += count
                self._leave(index, descriptor)

    def doubtful(self, index: int) -> bool:
        """Whether somebody else has changed this unfinished file since it was last asked about here.

        It has its full length again after this.

        Raises:
            StorageError: it is gone, or another file is in its place.
        """
        entry, path = self._entries[index], self._places.path(index)
        with explaining(path):
            status = os.stat(path, follow_symlinks=False)
        with self._using(index) as descriptor:
            if not os.path.samestat(status, os.fstat(descriptor)):
                raise self._replaced(index)
            if stamp_of(status) != self._places.stamp(index):
                self._doubtful.add(index)
            if index in self._doubtful:
                os.ftruncate(descriptor, entry.length)
                self._leave(index, descriptor)
        found = index in self._doubtful
        self._doubtful.discard(index)
        return found

    def changed(self) -> list[int]:
        """The files that somebody else has changed since we last had to do with them, or that are gone."""
        found = set(self._doubtful)
        for index in range(len(self._entries)):
            try:
                status = os.stat(self._places.path(index), follow_symlinks=False)
            except OSError:
                found.add(index)
            else:
                if stamp_of(status) != self._places.stamp(index):
                    found.add(index)
        return sorted(found)

    def next_data(self, offset: int) -> int:
        """The first offset from `offset` on that may hold anything but zeros, `total_size` if none does.

        Holes of sparse files are passed over unread, and so are files that are still to be created. One that
        is gone or short counts as data, so that reading it tells.
        """
        for index in self._spans.files_from(offset):
            entry = self._entries[index]
            start = max(0, offset - entry.offset)
            if self._places.state(index) == ABSENT:
                continue
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
                opened[index] = os.fstat(descriptor)
        for index, entry in enumerate(self._entries):
            path = self._places.path(index)
            with explaining(path):
                status = os.stat(path, follow_symlinks=not self._writable)
            if status.st_size != entry.length or not stat.S_ISREG(status.st_mode):
                raise self._wrong_length(index)
            if index in opened and not os.path.samestat(status, opened[index]):
                raise self._replaced(index)

    def stamps(self) -> list[tuple[int, int]]:
        """(length, time of the last change in ns) of every file: other stamps mean other bytes.

        Raises:
            StorageError: a file is gone.
        """
        found = []
        for index in range(len(self._entries)):
            with explaining(self._places.path(index)):
                status = os.stat(self._places.path(index))
            found.append((status.st_size, status.st_mtime_ns))
        return found

    def close(self) -> None:
        """Close every file; nobody may be inside a call. Calls after this raise ValueError."""
        with self._lock:
            self._closed = True
            while self._open:
                os.close(self._open.popitem()[1].descriptor)
        self._places.close()

    def _using(self, index: int) -> _OpenFile:
        """A file, opened if need be and held open from here until the `with` on it ends."""
        with self._lock:
            if self._closed:
                raise ValueError("this storage is closed")
            held = self._hold(index)
        if held is not None:
            return held
        # Not under the lock, which nobody may hold for as long as a disk takes.
        descriptor = self._places.open(index)
        surplus: int | None = descriptor
        with self._lock:
            held = self._hold(index)
            if held is None:  # else another thread was faster
                surplus = self._make_room()
                held = self._open[index] = _OpenFile(
                    self._places.path(index), descriptor, self._lock, users=1
                )
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

    def _leave(self, index: int, descriptor: int) -> None:
        """Remember what an unfinished file is like now.

        Its time is set to one that no write gives it: the kernel's clock for writes stands still for
        milliseconds, in which somebody else's would look like ours.
        """
        now = time.time_ns()
        with suppress(OSError):  # a file that we may write to and do not own
            os.utime(descriptor, ns=(now, now))
        status = os.fstat(descriptor)
        if not status.st_nlink:  # we would fill a file that nobody can find
            raise FileNotFoundError(errno.ENOENT, "unlinked")
        self._places.left(index, status)

    def _wrong_length(self, index: int) -> StorageError:
        return StorageError(
            f"{self._places.path(index)!r} no longer has its {self._entries[index].length} bytes, something "
            "else changed it: start again"
        )

    def changed_meanwhile(self, index: int) -> StorageError:
        """A file that was whole is gone, or is not as it was."""
        path = self._places.path(index)
        try:
            with explaining(path):
                if os.stat(path, follow_symlinks=False).st_size != self._entries[index].length:
                    return self._wrong_length(index)
        except StorageError as error:
            return error
        return StorageError(
            f"{path!r} was changed by something else after it was whole: start again to fetch what is not as "
            "it was, or choose another folder with --dir to keep this one as it is"
        )

    def _replaced(self, index: int) -> StorageError:
        return StorageError(f"{self._places.path(index)!r} was replaced meanwhile: start again to check it")


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
