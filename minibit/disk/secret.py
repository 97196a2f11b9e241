"""A secret that all runs of this user's trackers on this machine share.

What a tracker signs with it is good for the next one too: libtorrent keeps a connection id for each tracker's
IP address, whatever its port, and for a minute shows it to one that was started anew, or to a second one.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes
from tempfile import mkstemp
from typing import Final

from minibit.disk.cache import cache_folder

SECRET_NAME: Final = "tracker-secret"
SECRET_SIZE: Final = 32  # bytes


def kept_secret() -> bytes:
    """The secret, from the user's cache folder; one for this run alone if it cannot be kept there."""
    with suppress(OSError, RuntimeError):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return _read(folder / SECRET_NAME) or _made(folder)
    return token_bytes(SECRET_SIZE)


def _read(path: Path) -> bytes | None:
    """The secret in `path`, or None if that is not there, is no secret, or is another user's to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            ours = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            content = file.read(SECRET_SIZE + 1)
    except OSError:
        return None
    return content if ours and len(content) == SECRET_SIZE else None


def _made(folder: Path) -> bytes:
    """A new secret, in its place when whole; two trackers that start at once may each have their own."""
    secret = token_bytes(SECRET_SIZE)
    descriptor, draft = mkstemp(dir=folder, prefix=f".{SECRET_NAME}.")  # for this user alone
    try:
        with open(descriptor, "wb") as file:
            file.write(secret)
        os.replace(draft, folder / SECRET_NAME)
    except BaseException:
        os.unlink(draft)
        raise
    return secret
