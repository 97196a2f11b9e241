"""Shares at the edges of what there can be: two nodes, or a node and a web server, and the copy compared."""

import unicodedata
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from fakes.nodes import bounded, running, until
from fakes.web_servers import serving
from peer.test_web_seeds import seeded

from minibit import bitfield
from minibit.disk.share import from_path
from minibit.engine import reserve
from minibit.peer import web_seeds
from minibit.torrent import metainfo

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

SIZES: Mapping[str, tuple[int, list[int]]] = {  # block size, lengths of files
    "one byte": (16 * KIB, [1]),
    "smaller than a chunk": (16 * KIB, [16 * KIB - 1]),
    "one chunk": (16 * KIB, [16 * KIB]),
    "a last block of one byte": (16 * KIB, [3 * 16 * KIB + 1]),
    "a last block of one chunk and a byte": (64 * KIB, [2 * 64 * KIB + 16 * KIB + 1]),
    "empty files before, between and behind": (16 * KIB, [0, 0, 40_000, 0, 1, 0, 16 * KIB, 0]),
    "many files in one block": (64 * KIB, [100] * 60),
    "files that cross borders of blocks": (16 * KIB, [20_000, 30_000, 7, 70_000]),
    "blocks of 16 MiB": (16 * MIB, [16 * MIB + 5]),
    "one block of 16 MiB that is not full": (16 * MIB, [5 * MIB, 0, 3]),
}

NAMES = [
    unicodedata.normalize("NFC", "Ünïcödé Å.txt"),
    unicodedata.normalize("NFD", "Zöé.txt"),
    "Привет мир.txt",
    "שלום עולם.txt",
    "مرحبا بالعالم.txt",
    "日本語 한국어 中文.txt",
    "हिन्दी தமிழ்.txt",
    "👩‍👩‍👧‍👦🏳️‍🌈.txt",
    "100% #1?&+ ;=@:$'\"!*()[]{}|<>^`~,.txt",
    "%2e%2e%2f",
    " leading space",
    "-rf",
    "console.txt",
    ".hidden",
    "a" * 255,
    "é" * 127,
    "😀" * 63,
]


@pytest.fixture(params=["peers", "a web seed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(reserve, "PATIENCE", 0.0)
    monkeypatch.setattr(web_seeds, "LOOK_SECONDS", 0.01)
    return str(request.param)


def arrives(folder: Path, files: Mapping[str, bytes], block_size: int, way: str) -> None:
    """Share these, and see that a peer's copy is the same."""
    for path, data in files.items():
        (folder / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "set" / path).write_bytes(data)
    share = from_path(folder / "set", block_size=block_size)
    addresses = {f"/set/{quote(path)}": data for path, data in files.items()}

    async def fetch() -> None:
        async with running("ana", share.metainfo, folder / "ana", seed=False) as ana:
            if way == "peers":
                async with running("bia", share.metainfo, folder, seed=True) as bia:
                    ana.node.peers_found([bia.address])
                    await until(ana.node.finished.is_set)
            else:
                with serving(addresses) as server:
                    async with seeded(ana, share, server.url, told=lambda _: None):
                        await until(ana.node.finished.is_set)
            assert ana.events == []

    bounded(fetch)
    copy = folder / "ana" / "set"
    assert {
        str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*") if path.is_file()
    } == dict(files)


@pytest.mark.parametrize("case", SIZES)
def test_sizes(tmp_path: Path, way: str, case: str) -> None:
    block_size, lengths = SIZES[case]
    files = {f"{number:02}": Random(number).randbytes(length) for number, length in enumerate(lengths)}
    arrives(tmp_path, files, block_size, way)


def test_names_in_every_script(tmp_path: Path, way: str) -> None:
    files = {name: Random(name).randbytes(1000) for name in NAMES}
    files |= {f"ордер/{'深' * 80}/ملف": b"deep"}
    arrives(tmp_path, files, 16 * KIB, way)


@pytest.mark.parametrize("size", [4 * GIB + 5, TIB + 5])
def test_offsets_beyond_four_gibibytes_and_a_tebibyte(tmp_path: Path, size: int) -> None:
    block_size = 4 * MIB if size > TIB else 16 * KIB
    last = (size - 1) // block_size
    far = min(last, 4 * GIB // block_size)  # the first block behind 4 GiB
    path = tmp_path / "huge.bin"
    blocks = {}
    with path.open("wb") as file:
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("this file system has no files of this size")
        for block in {far, last, last - 1}:
            blocks[block] = Random(block).randbytes(min(block_size, size - block * block_size))
            file.seek(block * block_size)
            file.write(blocks[block])
    digests = bytearray(20 * (last + 1))
    for block, data in blocks.items():
        digests[20 * block : 20 * block + 20] = sha1(data).digest()
    share = metainfo.build("huge.bin", [((), size)], block_size, bytes(digests), folder=False)
    here = bitfield.full(last + 1) & ~bitfield.union(blocks)

    async def fetch() -> None:
        async with (
            running("bia", share, tmp_path, seed=True) as bia,
            running("ana", share, tmp_path / "ana", seed=False, known=False) as ana,
        ):
            ana.node.begin(share, ana.storage, here)
            ana.node.peers_found([bia.address])
            await until(lambda: ana.node.engine.blocks.complete)

    bounded(fetch)
    with (tmp_path / "ana" / "huge.bin").open("rb") as file:
        for block, data in blocks.items():
            file.seek(block * block_size)
            assert file.read(len(data)) == data
