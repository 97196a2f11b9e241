"""A node with web seeds: it downloads from a good one, whatever bad ones do."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.nodes import Running, bounded, running, shared, until
from fakes.web_servers import WebServer, free_address, serving

from minibit.disk.share import Share
from minibit.engine import reserve
from minibit.net import web_transport
from minibit.net.web_transport import WebTransport
from minibit.peer import web_seeds
from minibit.peer.web_rules import trusting
from minibit.peer.web_seeds import LONGEST_PAUSE, WebSeed, WebSeeds
from minibit.wire.web_remote import WebRemote


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "PATIENCE", 0.0)
    monkeypatch.setattr(web_seeds, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(web_seeds, "FIRST_PAUSE", 0.02)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return shared(tmp_path)


def files(share: Share) -> dict[str, bytes]:
    paths = ["/".join(entry.path) for entry in share.metainfo.files]
    return {f"/{path}": (share.folder / path).read_bytes() for path in paths}


@asynccontextmanager
async def seeded(ana: Running, share: Share, *urls: str, told: Callable[[str], None]) -> AsyncIterator[Any]:
    seeds = WebSeeds(urls, share.metainfo, trusting({"127.0.0.1"}), told, Random(1))
    task = asyncio.create_task(seeds.stay(ana.node))
    try:
        yield seeds
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def fetched(share: Share, folder: Path, url: str, *, after: str = "") -> list[str]:
    """What a peer says that downloads from `url`, after it has spoken of a web seed at `after` if given."""

    async def download() -> list[str]:
        async with running("ana", share.metainfo, folder, seed=False) as ana:
            if after:
                async with seeded(ana, share, after, told=lambda _: None):
                    await until(lambda: ana.events)
            async with seeded(ana, share, url, told=lambda _: None):
                await until(ana.node.finished.is_set)
            return list(ana.events)

    return bounded(download)


def copied(share: Share, folder: Path) -> bool:
    return all((folder / path[1:]).read_bytes() == data for path, data in files(share).items())


def test_a_good_one_is_a_neighbour_and_leaves_when_all_is_here(share: Share, tmp_path: Path) -> None:
    with serving(files(share)) as server:
        seen: set[str] = set()

        async def download() -> list[str]:
            told: list[str] = []
            async with (
                running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
                seeded(ana, share, server.url, told=told.append),
            ):
                engine = ana.node.engine
                await until(lambda: engine.neighbours)
                while not ana.node.finished.is_set() or engine.neighbours:
                    seen.update(neighbour.label for neighbour in engine.neighbours.values())
                    await asyncio.sleep(0)
                assert engine.banned == engine.downloads.corrupt == 0
                assert engine.downloads.total == share.metainfo.layout.total_size
                assert ana.events == []
            return told

        told = bounded(download)
    assert copied(share, tmp_path / "ana")
    assert "web seed 127.0.0.1" in seen
    assert told == ["peers bring too little: asking web seed 127.0.0.1"]
    assert len(server.asked) <= 6, "stretches, not blocks"


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("missing", "hung up on .*: it answered 404"),
        ("no ranges", "hung up on .*: it does not send ranges of files"),
        ("elsewhere", "hung up on .*: it sends another range or file"),
        ("breaks off", "hung up on .*: (no answer|its answer broke off)"),
        ("compressed", "hung up on .*: it sends compressed"),
        ("in circles", "hung up on .*: it redirects more than 5 times"),
        ("hangs", r"hung up on .*: nothing came for 0\.5 s"),
        ("says nothing", r"hung up on .*: nothing came for 0\.5 s"),
        ("says half a word", r"hung up on .*: nothing came for 0\.5 s"),
        ("lies", "banned the peer at web seed 127.0.0.1 port .*: sent 2 corrupt blocks"),
    ],
)
def test_a_bad_one_costs_one_line(
    share: Share, tmp_path: Path, manner: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "0\\.5" in said:
        monkeypatch.setattr(web_transport, "STUCK_SECONDS", 0.5)
    with serving(files(share), manner) as bad, serving(files(share)) as good:
        (line,) = fetched(share, tmp_path / "ana", good.url, after=bad.url)
    assert re.match(said, line)
    assert copied(share, tmp_path / "ana")


def test_one_that_sends_too_much_is_good(share: Share, tmp_path: Path) -> None:
    with serving(files(share), "too much") as server:
        assert fetched(share, tmp_path / "ana", server.url) == []
    assert copied(share, tmp_path / "ana")


def test_one_that_comes_back_is_asked_again(share: Share, tmp_path: Path) -> None:
    async def download(server: WebServer) -> list[str]:
        async with (
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
            seeded(ana, share, server.url, told=lambda _: None),
        ):
            await until(lambda: len(server.asked) >= 3)
            server.manner = "well"
            await until(ana.node.finished.is_set)
            return ana.events

    with serving(files(share), "missing") as server:
        assert len(bounded(lambda: download(server))) == 1, "told once, however often it failed"


def test_peers_and_a_web_seed_that_is_not_there(share: Share, tmp_path: Path) -> None:
    async def download() -> None:
        async with (
            running("bia", share.metainfo, share.folder, seed=True) as bia,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
            seeded(ana, share, free_address(), told=lambda _: None),
        ):
            await until(lambda: ana.events)
            ana.node.peers_found([bia.address])
            await until(ana.node.finished.is_set)

    bounded(download)
    assert copied(share, tmp_path / "ana")


class Nothing:
    """A source that is never read."""

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        raise AssertionError((offset, length))

    def abort(self) -> None: ...
    def close(self) -> None: ...


def test_pauses_double_up_to_a_bound_and_who_brought_something_begins_anew(share: Share) -> None:
    seed = WebSeed("http://m.example/")

    async def end(brought: int = 0, *, left: bool = False) -> float:
        remote = WebRemote(share.metainfo.layout, bytes(20), bytes(20), "")
        remote.brought = brought
        seed.transport = WebTransport(remote, Nothing(), lambda: 0)
        seed.transport.left = left
        seed.ended(0.0)
        return seed.due

    async def end_often() -> None:
        pauses = [await end() for _ in range(30)]
        assert pauses[:3] == [0.02, 0.04, 0.08]
        assert pauses[-1] == 0.02 * 1024 <= LONGEST_PAUSE
        assert await end(5) == 0.02
        assert seed.brought == 5
        assert await end(7, left=True) == 0.02
        assert seed.brought == 12

    bounded(end_often)


def test_what_one_is_called() -> None:
    assert WebSeed("http://m.example/").address == ("web seed m.example", 80)
    assert WebSeed("https://m.example:8443/a").address == ("web seed m.example", 8443)
    assert WebSeed("http://m.example/a").peer_id != WebSeed("http://m.example/b").peer_id
    assert len(WebSeed(f"http://{'m' * 60}.example/").name) == 32
