"""The bundled sample: something real to share when nothing is named, made here instead of shipped.

Twelve mebibytes of lines that a person can read, the same on every machine and Python: the words are
drawn by SHAKE-128 of the block's number, so that no two blocks are alike and a table of blocks shows
what it would for anybody's file.
"""

import atexit
import hashlib
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp, mkstemp
from typing import Final

from minibit.disk.cache import cache_folder
from minibit.errors import StorageError

SAMPLE_NAME: Final = "minibit-sample.bin"
SAMPLE_SIZE: Final = 12 * 1024 * 1024
SAMPLE_BLOCK_SIZE: Final = 64 * 1024
SAMPLE_DIGEST: Final = "6cb7e7588e150a8a076f2e8ce3dc34f1a673ab0fec811248dbf2b7a76058412b"  # SHA-256

_BLOCKS: Final = SAMPLE_SIZE // SAMPLE_BLOCK_SIZE
_WORDS: Final = (
    b"every block travels from peer towards peers that still lack their copies rare ones lead "
    b"while swarm grows each neighbour gives what another needs until everyone holds this whole file"
).split()
# What one random byte writes: a word, and after every eighth of them the end of the line.
_DRAWS: Final = [_WORDS[draw % len(_WORDS)] + (b"\n" if draw >= 224 else b" ") for draw in range(256)]
_DRAWS_PER_BLOCK: Final = SAMPLE_BLOCK_SIZE // min(map(len, _DRAWS)) + 1


def cached_sample() -> Path:
    """The sample file, kept in the user's cache folder; if that cannot be, in a temporary folder that goes
    with this process.

    Raises:
        StorageError: there is no room for it anywhere.
    """
    try:
        return write_sample(cache_folder())
    except (StorageError, RuntimeError):  # the latter: nobody knows this user's home
        folder = Path(mkdtemp(prefix="minibit-sample-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return write_sample(folder)


def write_sample(folder: Path) -> Path:
    """The sample file in `folder`, created there unless it is there already and whole.

    Raises:
        StorageError: the folder or the file cannot be written.
    """
    path = folder / SAMPLE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _is_whole(path):
            return path
        # Renamed into place when whole, so that two trackers starting at once cannot meet half a file.
        descriptor, draft = mkstemp(dir=folder, prefix=f".{SAMPLE_NAME}.")
        try:
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o644)  # no secret, unlike what `mkstemp` is made for
                for block in range(_BLOCKS):
                    file.write(_sample_block(block))
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise StorageError(
            f"cannot write the sample file to {str(folder)!r} ({error.strerror}): free some space, "
            "allow writing there, or name something else to share with --share"
        ) from error
    return path


def _sample_block(block: int) -> bytes:
    title = f"MiniBit sample, block {block + 1} of {_BLOCKS}\n".encode()
    draws = hashlib.shake_128(title).digest(_DRAWS_PER_BLOCK)
    text = title + b"".join(map(_DRAWS.__getitem__, draws))
    return text[: SAMPLE_BLOCK_SIZE - 1] + b"\n"


def _is_whole(path: Path) -> bool:
    try:
        if path.stat().st_size != SAMPLE_SIZE:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SAMPLE_DIGEST
    except OSError:  # not there, or not ours to read
        return False
