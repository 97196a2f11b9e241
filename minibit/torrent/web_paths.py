"""Where a share's files are on an HTTP server: the addresses that web seeds use (BEP 19), percent-encoded."""

from typing import Final
from urllib.parse import quote_from_bytes

from minibit.torrent.metainfo import FileEntry, Metainfo

ROOT: Final = "/share/"  # where a tracker serves its share


def path_of(entry: FileEntry) -> str:
    """A file's path below the folder that the share lies in."""
    return "/".join(quote_from_bytes(element.encode(), safe="") for element in entry.path)


def address_of(seed: str, share: Metainfo, entry: FileEntry) -> str:
    """The address of one file of the share at the web seed `seed`, a usable URL.

    One that ends in a slash is the folder which the share lies in. For a share of several files it always is.
    """
    folder = len(share.files) > 1 or share.files[0].path != (share.name,)
    if seed.endswith("/"):
        return seed + path_of(entry)
    return f"{seed}/{path_of(entry)}" if folder else seed
