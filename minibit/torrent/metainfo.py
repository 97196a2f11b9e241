"""v1 metainfo (BEP 3): what is shared, how it is cut into blocks, and which hash each block has.

A hybrid torrent (BEP 52) is read through its v1 half. BEP 47's attributes are read: padding is bytes between
two files that lie in none, an executable is marked, and symbolic links, which could lead out, are left out.

Everything in a `.torrent` comes from a stranger, so `parse` refuses whatever could hurt before a byte
is written: sizes that are absurd, names that leave the download folder or that some file system
treats specially, two files under one path. Reading a folder to *make* metainfo is `share.py`'s work.
"""

import hashlib
import unicodedata
from collections.abc import Container
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from minibit.errors import BencodeError, MetainfoError
from minibit.text import one_line
from minibit.torrent import bencode
from minibit.torrent.layout import MAX_BLOCKS, Layout, padding

MAX_FOREIGN_BLOCK_SIZE: Final = 32 * 1024 * 1024  # a block is held in memory until it is verified
MAX_FILES: Final = 100_000
MAX_TOTAL_SIZE: Final = 1 << 50
MAX_PATH_DEPTH: Final = 64
MAX_NAME_BYTES: Final = 255  # the limit of one path element on every common file system

# They change the order in which a name is shown: "a<RLO>txt.exe" reads "aexe.txt" (Unicode, Bidi_Control).
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTED: Final = frozenset(("Cc", "Zl", "Zp"))  # control codes, and what ends a line

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


class FileEntry(Struct, frozen=True):
    """One shared file: its path below the download folder, its length and its offset in the share."""

    path: tuple[str, ...]
    length: int
    offset: int
    executable: bool = False


class Metainfo(Struct, frozen=True, dict=True):
    """A share. `files` are in order; bytes before, between and behind them are padding: zeros that lie in no
    file (BEP 47). `digests` holds 20 bytes of SHA-1 per block.

    A single file has one entry whose path is `(name,)`; in a folder every path begins with `name`.
    `info` is the bencoded info dictionary, the bytes that `info_hash` is taken of. `private`: peers come from
    the torrent's own trackers alone (BEP 27). `links` is how many symbolic links are left out.
    """

    name: str
    files: tuple[FileEntry, ...]
    layout: Layout
    digests: bytes
    info: bytes
    private: bool = False
    links: int = 0

    @cached_property
    def info_hash(self) -> bytes:
        """20 bytes of SHA-1 over `info`: the name of this share on every wire."""
        return hashlib.sha1(self.info).digest()

    def digest(self, block: int) -> bytes:
        """The 20 bytes that SHA-1 of `block` must give."""
        return self.digests[20 * block : 20 * block + 20]


def build(
    name: str,
    files: list[tuple[tuple[str, ...], int]],
    block_size: int,
    digests: bytes,
    *,
    folder: bool,
    executable: Container[int] = (),
    private: bool = False,
    padded: bool = False,
) -> Metainfo:
    """Metainfo of `files` (path below the share's own root, length), hashed block by block.

    For a single file (`folder=False`), `files` has one entry with the empty path. `executable` are files by
    their numbers. `padded`: every file of a folder begins a block (BEP 47).

    Raises:
        MetainfoError: a name that peers would refuse.
    """
    info: dict[str, Any] = {"name": name, "piece length": block_size, "pieces": digests}
    described = [
        {"length": length} | ({"attr": "x"} if index in executable else {})
        for index, (_, length) in enumerate(files)
    ]
    if folder:
        entries = info["files"] = []
        behind = padding([length for _, length in files], block_size)
        for entry, (path, _), missing in zip(described, files, behind, strict=True):
            entries.append(entry | {"path": list(path)})
            if padded and missing:
                entries.append({"length": missing, "path": [".pad", str(missing)], "attr": "p"})
    else:
        info |= described[0]
    if private:
        info["private"] = 1
    return from_info(bencode.decode(bencode.encode(info)))


def parse(data: bytes) -> Metainfo:
    """The share that a `.torrent` file describes; what else it says is `torrent_file`'s matter.

    Raises:
        MetainfoError: malformed, absurd or unsafe; the message says which part.
    """
    return from_document(document(data))


def from_document(document: Any) -> Metainfo:
    """The share that a decoded `.torrent` file describes; raises as `parse` does."""
    return from_info(_field(document, b"info", dict, "the torrent"))


def document(data: bytes) -> Any:
    """What a `.torrent` file holds, decoded and not looked at.

    Raises:
        MetainfoError: it is none.
    """
    try:
        return bencode.decode(data)
    except BencodeError as error:
        raise MetainfoError(f"this is not a .torrent file: {error}") from None


def parse_info(data: bytes) -> Metainfo:
    """The share that an encoded info dictionary, which is its metadata (BEP 9), describes.

    Raises:
        MetainfoError: malformed, absurd or unsafe; the message says which part.
    """
    try:
        info = bencode.decode(data)
    except BencodeError as error:
        raise MetainfoError(f"info: {error}") from None
    if not isinstance(info, dict):
        raise MetainfoError("info: not a dictionary")
    return from_info(info)


def from_info(info: dict[bytes, Any]) -> Metainfo:
    """The share that a decoded info dictionary describes.

    Raises:
        MetainfoError: malformed, absurd or unsafe; the message says which part.
    """
    if b"pieces" not in info and info.get(b"meta version") == 2:
        raise MetainfoError(
            "this torrent is of version 2 alone (BEP 52), and only version 1 is spoken here: "
            "ask for a hybrid or version 1 torrent"
        )
    name = _safe_name(_field(info, b"name", bytes, "info"))
    block_size = _field(info, b"piece length", int, "info")
    if not 1024 <= block_size <= MAX_FOREIGN_BLOCK_SIZE:
        raise MetainfoError(
            one_line(f"info: a piece length of {block_size} bytes is not supported (1 KiB–32 MiB)")
        )
    digests = _field(info, b"pieces", bytes, "info")

    links = 0
    if b"files" in info:
        if b"length" in info:
            raise MetainfoError("info: has both 'length' and 'files'")
        files, total_size, links = _parse_files(name, _field(info, b"files", list, "info"))
    else:
        total_size = _length(info, (name,))
        files = (FileEntry((name,), total_size, 0, b"x" in _attributes(info)),)

    if not 0 < total_size <= MAX_TOTAL_SIZE:
        raise MetainfoError(f"info: a total size of {total_size} bytes is not supported")
    layout = Layout(total_size, block_size)
    if layout.block_count > MAX_BLOCKS:
        raise MetainfoError(f"info: {layout.block_count} blocks exceed the limit of {MAX_BLOCKS}")
    if len(digests) != 20 * layout.block_count:
        raise MetainfoError(
            f"info: {len(digests)} bytes of block hashes where {layout.block_count} blocks need "
            f"{20 * layout.block_count}"
        )
    private = info.get(b"private") == 1
    return Metainfo(name, files, layout, digests, bencode.encode(info), private, links)


def _parse_files(name: str, entries: list[Any]) -> tuple[tuple[FileEntry, ...], int, int]:
    """The files, how long they are with their padding, and how many links were left out."""
    if not 0 < len(entries) <= MAX_FILES:
        raise MetainfoError(f"info: {len(entries)} files (1–{MAX_FILES} are supported)")
    files: list[FileEntry] = []
    offset = links = 0
    for entry in entries:
        attributes = _attributes(entry)
        if b"p" in attributes:  # named by whoever made it, often all by one name, and never written
            offset += _length(entry, (name, "padding"))
            continue
        elements = _field(entry, b"path", list, "a file")
        if not 0 < len(elements) <= MAX_PATH_DEPTH:
            raise MetainfoError(f"a file's path has {len(elements)} parts (1–{MAX_PATH_DEPTH})")
        path = (name, *(_safe_name(element) for element in elements))
        if b"l" in attributes:
            if entry.get(b"length", 0) != 0:
                raise MetainfoError(f"file {_told(path)}: a symbolic link with bytes of its own")
            links += 1
            continue
        length = _length(entry, path)
        files.append(FileEntry(path, length, offset, b"x" in attributes))
        offset += length
    if offset and not any(entry.length for entry in files):
        raise MetainfoError(f"info: none of {len(entries)} files has any bytes: there is nothing to fetch")
    _refuse_clashes(files)
    return tuple(files), offset, links


def _attributes(entry: Any) -> bytes:
    """BEP 47's letters; what is no string says nothing."""
    attributes = entry.get(b"attr") if isinstance(entry, dict) else None
    return attributes if isinstance(attributes, bytes) else b""


def _refuse_clashes(files: list[FileEntry]) -> None:
    # NUL is in no name and sorts below all: a path that another one repeats or passes through stands
    # right before it, so that 100,000 deep paths cost one sort and no memory per folder.
    folded = sorted((_fold("\0".join(entry.path)), place) for place, entry in enumerate(files))
    for (path, _), (following, place) in pairwise(folded):
        if path == following:
            raise MetainfoError(f"the path {_told(files[place].path)} appears twice")
        if following.startswith(path + "\0"):
            raise MetainfoError(f"the path {_told(files[place].path)} passes through another file")


def _fold(path: str) -> str:
    # Two names that differ only in case or in Unicode form are one file on macOS and Windows.
    return unicodedata.normalize("NFC", path).casefold()


def _safe_name(raw: Any) -> str:
    """One path element that means the same plain file on every system (webtorrent #3012)."""
    if not isinstance(raw, bytes):
        raise MetainfoError("a path element is not a string")
    if not 0 < len(raw) <= MAX_NAME_BYTES:  # first: every other refusal repeats the name
        raise MetainfoError(f"a name of {len(raw)} bytes is not supported (1–{MAX_NAME_BYTES})")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MetainfoError(f"the name {raw!r} is not UTF-8") from None
    if any(c in _BIDI or unicodedata.category(c) in _UNPRINTED for c in name):
        raise MetainfoError(f"the name {name!r} holds a character that is not shown: rename that file")
    if name in (".", "..") or "/" in name or "\\" in name:
        raise MetainfoError(f"the name {name!r} could leave the download folder: refused")
    if name.split(".")[0].rstrip(" ").lower() in _DEVICES or name[-1] in " .":
        raise MetainfoError(f"the name {name!r} is reserved on some systems: rename that file")
    return name


def _length(entry: dict[bytes, Any], path: tuple[str, ...]) -> int:
    length = entry.get(b"length")
    if not isinstance(length, int):
        raise MetainfoError(f"file {_told(path)}: 'length' is missing or not a number")
    if not 0 <= length <= MAX_TOTAL_SIZE:
        raise MetainfoError(one_line(f"file {_told(path)}: a length of {length} bytes is not supported"))
    return length


def _told(path: tuple[str, ...]) -> str:
    """A path for a message: 64 names of 255 bytes would be no line."""
    return one_line(repr("/".join(path)))


def _field(container: Any, key: bytes, kind: type, where: str) -> Any:
    value = container.get(key) if isinstance(container, dict) else None
    if not isinstance(value, kind):
        raise MetainfoError(f"{where}: {key.decode()!r} is missing or not {_KINDS[kind]}")
    return value


_KINDS = {dict: "a dictionary", list: "a list", int: "a number", bytes: "a string"}
