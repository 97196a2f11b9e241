"""`.torrent` files on this machine: read and written, with a clear answer where that cannot be."""

from pathlib import Path

from minibit.errors import MetainfoError, UsageError
from minibit.torrent import torrent_file
from minibit.torrent.bencode import MAX_BYTES
from minibit.torrent.torrent_file import TorrentFile


def read(path: Path) -> TorrentFile:
    """The file at `path`.

    Raises:
        UsageError: it is no .torrent file, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}; check the path") from None
    try:
        return torrent_file.parse(data)
    except MetainfoError as error:
        raise UsageError(f"{str(path)!r}: {error}") from None


def write(path: Path, torrent: TorrentFile) -> None:
    """Put it at `path`.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        path.write_bytes(torrent_file.encode(torrent))
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}; choose another --output") from None
