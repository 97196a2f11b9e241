"""What a disk refuses, or what lies on it in our way: one line that names the file and the remedy."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from minibit.errors import StorageError, UsageError

ELSEWHERE: Final = "choose another folder with --dir"
_IN_THE_WAY: Final = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
_REMEDIES: Final = {
    errno.ENOSPC: "the disk is full: free some space and start again, verified blocks are kept",
    errno.EDQUOT: "your disk quota is used up: free some space and start again, verified blocks are kept",
    errno.EFBIG: f"this file system holds no files of that size: {ELSEWHERE}",
    errno.EROFS: f"the disk is read-only: {ELSEWHERE}",
    errno.EACCES: f"permission denied: allow this user to use it, or {ELSEWHERE}",
    errno.EPERM: f"permission denied: allow this user to use it, or {ELSEWHERE}",
    errno.ENOENT: "it vanished: put it back, or start again to fetch what is missing",
}


class InTheWayError(StorageError, UsageError):
    """Something on the disk is not ours to touch: a usage error at the start, a disk error later on."""


def in_the_way(path: str, why: str, *, replaceable: bool = False) -> InTheWayError:
    """Something lies where a file of the share belongs; `replaceable` if `--overwrite` would replace it."""
    replace = ", or have `minibit peer` replace it with --overwrite" if replaceable else ""
    join = ", " if replaceable else ", or "
    return InTheWayError(f"{path!r} {why}: move it away{join}{ELSEWHERE}{replace}")


def explained(error: OSError, path: str) -> StorageError:
    """What the system says about `path`."""
    number = error.errno or 0
    if number in _IN_THE_WAY:
        return in_the_way(path, f"cannot be used ({os.strerror(number)})")
    remedy = _REMEDIES.get(number, f"{os.strerror(number)}: check this disk, or {ELSEWHERE}")
    return StorageError(f"{path!r}: {remedy}")


@contextmanager
def explaining(path: str) -> Iterator[None]:
    """Errors of the system inside are about `path`."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error
