"""From a magnet link to a share: told while it takes, given up in time, kept for the next start."""

import asyncio
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peer.test_peer import Asked, bounded, source, tracking

from minibit.disk import torrents
from minibit.disk.share import from_path
from minibit.errors import MetainfoError, StalledError
from minibit.peer import introduction as room
from minibit.peer.introduction import Introduction
from minibit.torrent import bencode, magnet
from minibit.torrent.magnet import Magnet

__all__ = ["source"]

PRIVATE = {"name": "film", "piece length": 16384, "pieces": bytes(20), "length": 5, "private": 1}


class Alone:
    """A node on the loop's clock, with these neighbours."""

    def __init__(self, **neighbours: bool) -> None:
        met = {name: SimpleNamespace(introduced=introduced) for name, introduced in neighbours.items()}
        self.engine = SimpleNamespace(neighbours=met)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()


def introduced(info: bytes | None, node: Any, limit: float | None = None) -> tuple[Any, list[str]]:
    told: list[str] = []

    async def learn() -> Any:
        introduction = Introduction(Magnet(hashlib.sha1(info or b"").digest()), limit, told.append)
        if info is not None:
            introduction.handler._learnt(info)
        return await introduction.metainfo(node)

    try:
        return bounded(learn), told
    except (StalledError, MetainfoError) as error:
        return error, told


def test_a_peer_joins_by_the_trackers_own_magnet_link(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        async with tracking(source) as (service, url):
            link = service.magnet(url.removeprefix("http://"))
            ana = Asked("", tmp_path / "ana", magnet=link, host="127.0.0.1")
            await ana.peer.run()
            assert ana.said("its hash is right")
            (tmp_path / "ana" / "film.bin").unlink()
            again = Asked("", tmp_path / "ana", magnet=link, host="127.0.0.1")
            await again.peer.run()
            assert not again.said("its hash is right"), "it was kept"

    bounded(join)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()


def test_nobody_in_time_is_told_in_one_line() -> None:
    error, told = introduced(None, Alone(), 0.05)
    assert str(error) == (
        "gave up after 0.05 s: nobody sent the metadata of this magnet link (no peer met so far)"
    )
    assert told == ["no peer met so far"]
    error, _ = introduced(None, Alone(ana=True, bia=True, caio=False), 0.0)
    assert "(2 peers met, and none has the metadata so far)" in str(error)


def test_a_peer_gives_up_as_soon_as_either_patience_ends(tmp_path: Path) -> None:
    link = magnet.parse(f"magnet:?xt=urn:btih:{'ab' * 20}&x.pe=127.0.0.1:1")

    async def join() -> None:
        ana = Asked("", tmp_path / "ana", magnet=link, host="127.0.0.1", timeout=60.0, stall_timeout=0.05)
        with pytest.raises(StalledError, match=r"gave up after 0\.05 s: nobody sent the metadata"):
            await ana.peer.run()

    bounded(join)
    assert not (tmp_path / "ana").exists()


def test_what_changes_is_told_but_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.001)
    node = Alone()
    numbers = iter(range(1_000_000))

    class Restless(dict[int, Any]):
        def values(self) -> Any:
            return [SimpleNamespace(introduced=True)] * next(numbers)

    node.engine.neighbours = Restless()
    _, told = introduced(None, node, 0.05)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (b"garbage", "not valid bencode"),
        (bencode.encode({"meta version": 2, "name": "film"}), "of version 2 alone"),
        (bencode.encode(PRIVATE | {"name": ".."}), "could leave the download folder"),
        (bencode.encode([]), "this magnet link's share"),
    ],
)
def test_a_share_that_cannot_be_laid_out_is_refused_in_one_line(info: bytes, words: str) -> None:
    error, _ = introduced(info, Alone())
    assert isinstance(error, MetainfoError)
    assert str(error).startswith("this magnet link's share: ")
    assert words in str(error)


def test_what_is_kept_is_found_and_nothing_else(source: Path, tmp_path: Path) -> None:
    share = from_path(source, block_size=16384).metainfo
    link = Magnet(share.info_hash, trackers=("http://t.example/announce",), web_seeds=("http://w.example/f",))
    place = tmp_path / f"{share.info_hash.hex()}.torrent"
    assert torrents.kept(tmp_path, share.info_hash) is None

    async def keep() -> None:
        await Introduction(link, None, lambda _: None).keep(share, tmp_path)

    (tmp_path / f"{place.name}.part").symlink_to(tmp_path / "victim")
    bounded(keep)
    bounded(keep)
    assert not (tmp_path / "victim").exists()
    kept = torrents.kept(tmp_path, share.info_hash)
    assert kept is not None
    assert (kept.metainfo, kept.tiers, kept.web_seeds) == (share, (link.trackers,), link.web_seeds)
    place.rename(tmp_path / f"{'ab' * 20}.torrent")
    assert torrents.kept(tmp_path, b"\xab" * 20) is None, "another share's"
    place.write_bytes(b"garbage")
    assert torrents.kept(tmp_path, share.info_hash) is None
