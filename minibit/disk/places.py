"""Where each file of a share lies below a folder, and under which name: its own only once it is whole.

An unfinished `film.bin` is `film.bin.5f0c81d2.part` beside its place, with the beginning of the info hash:
nobody else makes such a name, so what bears it was left by an earlier run for this very share, and a
user's `film.bin` or `film.bin.part` is his own. Every path here is one of the share's, below the folder,
and no link leads out of it. This room knows no hashes: which files are whole it is told.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Container
from pathlib import Path
from typing import Final

from minibit.disk.refusals import ELSEWHERE, InTheWayError, explaining, in_the_way
from minibit.errors import StorageError
from minibit.torrent.metainfo import MAX_NAME_BYTES, FileEntry, Metainfo

ABSENT: Final = 0  # nothing is there yet
PART: Final = 1  # unfinished, and ours to write
NAMED: Final = 2  # under its own name: whole, and not ours to write any more

Stamp = tuple[int, int, int]
"""(inode, length, time of the last change in ns): another stamp may mean other bytes."""

# What a file system says that knows no hard links, or allows them to nobody.
_NO_LINKS: Final = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}


class Places:
    """The names of one share's files, by their numbers in `metainfo.files`.

    Read-only places are what they are: every file under its own name, wherever links lead.
    """

    def __init__(self, metainfo: Metainfo, folder: Path, *, writable: bool) -> None:
        self.root = os.path.join(os.path.realpath(folder), "")
        self.writable = writable
        self._entries = metainfo.files
        self._suffix = f".{metainfo.info_hash.hex()[:8]}.part"
        self._states = bytearray([ABSENT if writable else NAMED]) * len(self._entries)
        self._stamps: dict[int, Stamp] = {}  # as we left each file
        self._links: set[int] = set()  # files under both names, of a run that ended between the two
        self._rivals: set[int] = set()  # unfinished files beside which a user's lies, to be replaced
        self._surveyed = False
        self._plain: set[str] = set()  # folders that no link leads to
        self._lock: int | None = None
        if writable:
            self._refuse_clashes()

    def state(self, index: int) -> int:
        """`ABSENT`, `PART` or `NAMED`."""
        return self._states[index]

    def path(self, index: int) -> str:
        """Where this file lies now."""
        return self._part(index) if self._states[index] == PART else self._named(index)

    def stamp(self, index: int) -> Stamp | None:
        """What this file was like when we last had to do with it."""
        return self._stamps.get(index)

    def left(self, index: int, status: os.stat_result) -> None:
        """We leave the file like this."""
        self._stamps[index] = stamp_of(status)

    # --- before the trade

    def survey(self, *, overwrite: bool) -> None:
        """See what lies there, and change nothing.

        Raises:
            UsageError: something that cannot be a file of ours is in the way, or another peer is at work.
            StorageError: the disk refused.
        """
        self._surveyed = True
        if os.path.isdir(self.root):
            self._claim_folder()
        for parent in self._parents():
            self.refuse_link(parent)
        for index, entry in enumerate(self._entries):
            self._states[index] = self._found(index, entry, overwrite)

    def refuse_strangers(self, whole: Container[int], ours: Container[int], *, overwrite: bool) -> None:
        """Let nobody's file come to harm: `whole` files are as they should be, and bytes of `ours` are the
        share's.

        Raises:
            UsageError: a file is neither, or has other names and would have to be changed.
        """
        for index in range(len(self._entries)):
            if self._states[index] != NAMED or self._stays(index, whole):
                continue
            path = self._named(index)
            if not overwrite and index not in ours:
                raise in_the_way(path, "holds nothing of this share", replaceable=True)
            with explaining(path):
                status = os.lstat(path)
            self._refuse_links(path, status, 1 + (index in self._links))

    def prepare(self, whole: Container[int], ours: Container[int], *, overwrite: bool) -> None:
        """Create every folder, and every file that is not there, sparse and at its length.

        Arguments and errors are those of `refuse_strangers` and `survey`, and nothing is created before.
        """
        if not self._surveyed:
            self.survey(overwrite=overwrite)
        self.refuse_strangers(whole, ours, overwrite=overwrite)
        for parent in self._parents():
            with explaining(parent):
                os.makedirs(parent, exist_ok=True)
        self._claim_folder()
        for index, entry in enumerate(self._entries):
            self._prepare(index, entry, whole)

    def finish(self, index: int) -> None:
        """This file is whole: it gets its own name.

        Raises:
            UsageError: somebody else's file has taken that name meanwhile.
            StorageError: the disk refused.
        """
        part, named = self._part(index), self._named(index)
        with explaining(named):
            if self._entries[index].executable:
                mode = stat.S_IMODE(os.lstat(part).st_mode)
                os.chmod(part, mode | (mode & 0o444) >> 2)  # by whoever may read it
            try:
                # Unlike a renaming, a link never replaces what is there.
                os.link(part, named, follow_symlinks=False)
            except FileExistsError:
                raise InTheWayError(
                    f"{named!r} has appeared meanwhile: move it away and start again, what was fetched is "
                    f"kept in {part!r}"
                ) from None
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(named):
                    raise in_the_way(named, "has appeared meanwhile") from error
                os.rename(part, named)
                self._states[index] = NAMED
            else:
                self._states[index] = NAMED  # before the other name goes: somebody may be about to open it
                os.unlink(part)

    def close(self) -> None:
        """Let another peer have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- at any time

    def open(self, index: int) -> int:
        """A descriptor of this file, to write to if it is unfinished.

        Raises:
            StorageError: it is gone, or something else is in its place.
        """
        while True:
            state, path = self._states[index], self.path(index)
            flags = os.O_RDWR if state == PART else os.O_RDONLY
            if self.writable:
                self.refuse_link(os.path.dirname(path))
                flags |= os.O_NOFOLLOW
            try:
                return open_regular(path, flags)
            except StorageError:
                if self._states[index] == state:
                    raise
                # It has got its own name just now.

    def refuse_link(self, parent: str) -> None:
        """Links inside the download folder could lead out of it, or lay two files onto one."""
        if parent not in self._plain:
            if os.path.realpath(parent) != parent:
                raise in_the_way(parent, "passes through a symbolic link")
            self._plain.add(parent)

    def _claim_folder(self) -> None:
        """Keep other peers out of the folder until `close`, or until this process ends, however it does."""
        if self._lock is not None:
            return
        with explaining(self.root):
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            folder = os.path.dirname(self.root)
            raise InTheWayError(f"another peer is at work in {folder!r}: end it, or {ELSEWHERE}") from None
        except OSError:  # a network's file system may know no locks
            pass
        self._lock = descriptor

    def _parents(self) -> list[str]:
        return sorted({os.path.dirname(self._named(index)) for index in range(len(self._entries))})

    def _found(self, index: int, entry: FileEntry, overwrite: bool) -> int:
        named, part = self._named(index), self._part(index)
        own, unfinished = _look(named), _look(part)
        if unfinished is not None and own is not None:
            if os.path.samestat(own, unfinished):
                self._links.add(index)
                self.left(index, own)
                return NAMED
            if not overwrite:
                raise in_the_way(named, f"is in the way of the unfinished {part!r}", replaceable=True)
            self._rivals.add(index)
        if unfinished is not None:
            self._refuse_links(part, unfinished, 1)
            self.left(index, unfinished)
            return PART
        if own is None:
            return ABSENT
        if own.st_size > entry.length and not overwrite:
            why = f"has {own.st_size} bytes where the share has {entry.length}"
            raise in_the_way(named, why, replaceable=True)
        self.left(index, own)
        return NAMED

    def _stays(self, index: int, whole: Container[int]) -> bool:
        """Whether this file, under its own name, is as it should be."""
        entry = self._entries[index]
        return self._stamps[index][1] == entry.length and (not entry.length or index in whole)

    def _prepare(self, index: int, entry: FileEntry, whole: Container[int]) -> None:
        part, named = self._part(index), self._named(index)
        with explaining(named):
            if self._states[index] == NAMED:
                if self._stays(index, whole):
                    if index in self._links:
                        os.unlink(part)
                    return
                if index in self._links:
                    os.unlink(named)
                else:
                    os.rename(named, part)
            elif index in self._rivals:
                os.unlink(named)
        create = os.O_CREAT | os.O_EXCL if self._states[index] == ABSENT else 0
        self._states[index] = PART
        descriptor = open_regular(part, os.O_RDWR | os.O_NOFOLLOW | create)
        try:
            with explaining(part):
                if os.fstat(descriptor).st_size != entry.length:
                    os.ftruncate(descriptor, entry.length)
                    self.left(index, os.fstat(descriptor))
                elif create:
                    self.left(index, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        if not entry.length or index in whole:
            self.finish(index)

    def _refuse_links(self, path: str, status: os.stat_result, names: int) -> None:
        if status.st_nlink > names:
            raise in_the_way(path, "has other names (hard links), and they would change with it")

    def _refuse_clashes(self) -> None:
        """A share that holds another file of its own under an unfinished one's name cannot be laid out."""
        tails = {
            "/".join(entry.path).casefold() for entry in self._entries if entry.path[-1].endswith(".part")
        }
        if tails:
            for index, entry in enumerate(self._entries):
                if self._part(index)[len(self.root) :].casefold() in tails:
                    raise InTheWayError(
                        f"this share cannot be laid out: it names a file as {entry.path[-1]!r} is named "
                        "while it is unfinished"
                    )

    def _named(self, index: int) -> str:
        return self.root + "/".join(self._entries[index].path)

    def _part(self, index: int) -> str:
        *parents, name = self._entries[index].path
        suffix, raw = self._suffix, name.encode()
        if len(raw) + len(suffix) > MAX_NAME_BYTES:  # cut, and told apart by its number
            suffix = f".{index}{suffix}"
            name = raw[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore")
        return self.root + "/".join((*parents, name + suffix))


def stamp_of(status: os.stat_result) -> Stamp:
    """By which a file is known again."""
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: str, flags: int) -> int:
    """A descriptor of a regular file.

    Raises:
        StorageError: it is none, or the system refuses.
    """
    with explaining(path):
        # Without O_NONBLOCK, a pipe put in the place of a file would stop the whole peer.
        descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise in_the_way(path, "is not a regular file")
        return descriptor


def _look(path: str) -> os.stat_result | None:
    """What lies there, if anything does.

    Raises:
        UsageError: it is no regular file.
    """
    with explaining(path):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
    if not stat.S_ISREG(status.st_mode):
        raise in_the_way(path, "is not a regular file")
    return status
