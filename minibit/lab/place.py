"""The folder where a swarm's copies and logs go: refused while nothing has been written to it yet.

It knows the folder of each peer and the share, and no process.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Final

from minibit.disk.share import survey
from minibit.errors import UsageError
from minibit.units import size

PART: Final = 1 << 20  # bytes written at a time


def prepare(folder: Path, share: Path, names: Iterable[str]) -> tuple[int, tuple[Path, ...]]:
    """Make `folder` ready for a copy of `share` for each of `names`; returns the bytes to be written, and
    what of the share is left out.

    Raises:
        UsageError: it cannot be a folder, lies inside the share, or has no room for the copies.
    """
    if folder.resolve().is_relative_to(share.resolve()):
        raise UsageError(f"--dir: {str(folder)!r} lies inside what is shared: choose a folder outside of it")
    length, skipped = survey(share)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writes = sum(max(0, length - _held(folder / name)) for name in names)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise refused(folder, error) from error
    if writes > free:
        raise UsageError(
            f"the copies would take {size(writes)} and {str(folder)!r} has {size(free)} free: "
            "choose a folder with more room with --dir, or fewer --peers"
        )
    return writes, skipped


def write_share(folder: Path, name: str, length: int) -> Path:
    """A file of `length` bytes to share in `folder`, the same each time.

    Raises:
        UsageError: it cannot be written there.
    """
    path, rng = folder / name, Random(length)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for begin in range(0, length, PART):
                file.write(rng.randbytes(min(PART, length - begin)))
    except OSError as error:
        raise refused(folder, error) from error
    return path


def refused(folder: Path, error: OSError) -> UsageError:
    """What to tell a user whose folder the system does not let us use."""
    return UsageError(
        f"--dir: cannot write to {str(folder)!r} ({error.strerror}): choose another folder, "
        "or check its permissions"
    )


def _held(folder: Path) -> int:
    """Bytes of the disk that an earlier copy takes already; what it has not got are holes."""
    return sum(512 * path.lstat().st_blocks for path in folder.rglob("*") if path.is_file())
