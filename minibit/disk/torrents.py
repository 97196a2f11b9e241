"""`.torrent` files on this machine: read and written, with a clear answer where that cannot be."""

from pathlib import Path

from minibit.disk.refusals import explaining
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


def kept(folder: Path, info_hash: bytes) -> TorrentFile | None:
    """The torrent of this share that `keep` has left in this folder; what is anything else is nothing."""
    place = _place(folder, info_hash)
    try:
        found = read(place) if place.is_file() else None
    except UsageError:
        return None
    return found if found is not None and found.metainfo.info_hash == info_hash else None


def keep(folder: Path, torrent: TorrentFile) -> None:
    """Keep it in this folder under the name of its info hash, which nobody else gives to a file.

    Raises:
        StorageError: the disk refuses.
    """
    place = _place(folder, torrent.metainfo.info_hash)
    unfinished = place.with_suffix(".torrent.part")
    with explaining(str(place)):
        # A link of that name is replaced, not followed.
        unfinished.unlink(missing_ok=True)
        with unfinished.open("xb") as stream:
            stream.write(torrent_file.encode(torrent))
        unfinished.replace(place)


def _place(folder: Path, info_hash: bytes) -> Path:
    return folder / f"{info_hash.hex()}.torrent"


def write(path: Path, torrent: TorrentFile) -> None:
    """Put it at `path`.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        path.write_bytes(torrent_file.encode(torrent))
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}; choose another --output") from None
