"""From a file or a folder on this machine to the metainfo that describes it (BEP 3, *info*).

This is the user's own data, so a link inside a folder is skipped and said so rather than followed, and
a name that some peer would have to refuse is refused here, before an hour of hashing. What the
metainfo looks like is `metainfo.py`'s matter.
"""

import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from minibit.disk.check import digests, filled
from minibit.disk.storage import Storage
from minibit.errors import MetainfoError, StorageError, UsageError
from minibit.torrent.layout import MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, Layout, block_size_for, padding
from minibit.torrent.metainfo import MAX_FILES, MAX_PATH_DEPTH, Metainfo, build

NAMED: Final = 3  # of what is left out, in one line…
MAX_SHOWN: Final = 200  # …with so many characters of each path

_Surveyed = tuple[list[tuple[tuple[str, ...], int]], tuple[Path, ...], frozenset[int]]


class Share(Struct, frozen=True):
    """What is shared, where it lies (`Storage`'s folder), and the links, special files and empty folders
    that are left out."""

    metainfo: Metainfo
    folder: Path
    skipped: tuple[Path, ...]


def survey(path: Path) -> tuple[int, tuple[Path, ...]]:
    """How many bytes the file or folder at `path` has to share, and what of it is left out.

    Raises:
        UsageError: nothing there, or unreadable.
    """
    files, skipped, _ = _survey(Path(os.path.realpath(path)))
    return sum(length for _, length in files), skipped


def left_out(skipped: Sequence[Path]) -> str:
    """One line that says what is not shared, however much it is."""
    named = ", ".join(repr(str(path)[-MAX_SHOWN:]) for path in skipped[:NAMED])
    more = f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    return f"left out, as only files are shared, no links, special files or empty folders: {named}{more}"


def from_path(
    path: Path,
    *,
    block_size: int | None = None,
    private: bool = False,
    padded: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Share:
    """Hash the file or folder at `path`; `progress(bytes done, bytes in all)` is called in this thread.

    `private` and `padded` are `build`'s.

    Raises:
        UsageError: nothing there, nothing in it, unreadable, a name that peers would refuse, a block
            size that is not a power of two from 16 KiB to 16 MiB, or it changed while it was read.
    """
    root = Path(os.path.realpath(path))
    if not root.name:
        raise UsageError(f"{str(root)!r} has no name to share it by: choose something inside it")
    files, skipped, executable = _survey(root)
    total_size = sum(length for _, length in files)
    if not total_size:
        raise UsageError(f"{str(path)!r} has no bytes to share: choose a file or folder that is not empty")
    lengths = [length for _, length in files]
    if block_size is not None:
        block_size = _checked(block_size)
    else:
        block_size = block_size_for(total_size)
        # Padding travels like everything else: many small files are not worth large blocks.
        while padded and block_size > MIN_BLOCK_SIZE and sum(padding(lengths, block_size)) > total_size / 8:
            block_size //= 2
    if padded:
        total_size += sum(padding(lengths, block_size))
    layout = Layout(total_size, block_size)
    folder = files[0][0] != ()

    found = bytearray(20 * layout.block_count)
    described = partial(
        build,
        root.name,
        files,
        block_size,
        folder=folder,
        executable=executable,
        private=private,
        padded=padded,
    )
    try:
        draft = described(bytes(found))
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {error.object!r} is not UTF-8: rename that file") from None
    except MetainfoError as error:
        raise UsageError(f"cannot share {str(path)!r}: {error}") from None

    def note(block: int, digest: bytes) -> None:
        found[20 * block : 20 * block + 20] = digest

    storage = Storage(draft, root.parent, writable=False)
    try:
        progress(done := 0, total_size)
        for block, digest in digests(storage, layout, filled(storage, layout, note, lambda: False)):
            if isinstance(digest, StorageError):
                raise digest
            note(block, digest)
            done = min(total_size, (block + 1) * block_size)
            progress(done, total_size)
        storage.check_present()
        if done < total_size:  # it ends in a hole
            progress(total_size, total_size)
    except StorageError as error:
        raise UsageError(f"cannot share {error}") from error
    finally:
        storage.close()
    return Share(described(bytes(found)), root.parent, skipped)


def _checked(block_size: int) -> int:
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE or block_size & (block_size - 1):
        raise UsageError(
            f"a block size of {block_size} bytes is not supported: choose a power of two from "
            f"{MIN_BLOCK_SIZE} (16 KiB) to {MAX_BLOCK_SIZE} (16 MiB)"
        )
    return block_size


def _survey(root: Path) -> _Surveyed:
    """The regular files at or below `root`, sorted (path below it, length), what else is there, and which
    files are executable, by number."""
    try:
        status = root.stat()
        if stat.S_ISREG(status.st_mode):
            return [((), status.st_size)], (), frozenset({0} if status.st_mode & stat.S_IXUSR else ())
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{str(root)!r} is neither a file nor a folder: choose one that is")
        return _survey_folder(root)
    except OSError as error:
        remedy = "check its permissions" if isinstance(error, PermissionError) else "check the path"
        raise UsageError(f"cannot share {error.filename!r}: {error.strerror}; {remedy}") from error


def _survey_folder(root: Path) -> _Surveyed:
    executable: set[tuple[str, ...]] = set()
    files: list[tuple[tuple[str, ...], int]] = []
    skipped: list[Path] = []
    unvisited: list[tuple[str, ...]] = [()]
    while unvisited:
        parent = unvisited.pop()
        if len(parent) > MAX_PATH_DEPTH:
            raise UsageError(
                f"{str(root)!r} has folders nested deeper than {MAX_PATH_DEPTH}: share an archive"
            )
        empty = bool(parent)
        with os.scandir(root.joinpath(*parent)) as entries:
            for entry in entries:
                empty = False
                below = (*parent, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    unvisited.append(below)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files.append((below, status.st_size))
                    if status.st_mode & stat.S_IXUSR:
                        executable.add(below)
                else:
                    skipped.append(Path(entry.path))
        if empty:
            skipped.append(root.joinpath(*parent))
        if len(files) > MAX_FILES:
            raise UsageError(
                f"{str(root)!r} has more than {MAX_FILES} files: share an archive of them instead"
            )
    files.sort()
    marked = frozenset(index for index, (below, _) in enumerate(files) if below in executable)
    return files, tuple(sorted(skipped)), marked
