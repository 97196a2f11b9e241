"""A tracker's share over HTTP: ranges, names, limits, and nothing that is not of the share."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest
import requests
from fakes.nodes import bounded, until
from msgspec.structs import replace

from minibit.disk.share import Share, from_path
from minibit.disk.storage import Storage
from minibit.errors import StorageError
from minibit.serve import web_share
from minibit.serve.exchange import Reply, Request
from minibit.serve.server import TrackerServer
from minibit.serve.tracker import Tracker
from minibit.serve.web_share import FROM_ONE, MAX_DOWNLOADS, PART, WebShare
from minibit.torrent import torrent_file

ODD = "é %2F +&#?.txt"
LONG = Random(1).randbytes(3 * PART + 5)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    folder = tmp_path / "set"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(LONG)
    (folder / "empty").touch()
    (folder / "inner" / ODD).write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"secret")
    return from_path(folder, block_size=16384)


@pytest.fixture
def spent() -> list[int]:
    return []


@contextmanager
def opened(share: Share, spent: list[int], limit: float = 0.0) -> Iterator[WebShare]:
    storage = Storage(share.metainfo, share.folder, writable=False)
    try:
        yield WebShare(share.metainfo, storage, limit=limit, spent=spent.append)
    finally:
        storage.close()


@contextmanager
def served(share: Share, spent: list[int]) -> Iterator[str]:
    with opened(share, spent) as files:
        server = TrackerServer(Tracker(share.metainfo, rng=Random(1)), "127.0.0.1", 0)
        server.start(files)
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.close()


def test_whole_files_ranges_heads_and_what_there_is_not(share: Share, spent: list[int]) -> None:
    with served(share, spent) as url:
        whole = requests.get(f"{url}/share/set/a", timeout=20)
        assert (whole.status_code, whole.content) == (200, LONG)
        assert whole.headers["Content-Disposition"] == "attachment"
        assert sum(spent) == len(LONG)

        part = requests.get(f"{url}/share/set/a", headers={"Range": "bytes=100-262999"}, timeout=20)
        assert (part.status_code, part.content) == (206, LONG[100:263_000])
        assert part.headers["Content-Range"] == f"bytes 100-262999/{len(LONG)}"

        stale = {"Range": "bytes=0-1", "If-Range": '"another"'}
        odd = requests.get(f"{url}/share/set/inner/{quote(ODD)}", headers=stale, timeout=20)
        assert odd.content == b"0123456789"
        fresh = {"Range": "bytes=-4", "If-Range": whole.headers["ETag"]}
        assert requests.get(f"{url}/share/set/a", headers=fresh, timeout=20).content == LONG[-4:]

        head = requests.head(f"{url}/share/set/a", headers={"Range": "bytes=5-9"}, timeout=20)
        assert (head.status_code, head.headers["Content-Length"], head.content) == (206, "5", b"")

        none = requests.get(f"{url}/share/set/empty", headers={"Range": "bytes=0-"}, timeout=20)
        assert (none.status_code, none.headers["Content-Range"]) == (416, "bytes */0")
        assert requests.get(f"{url}/share/set/empty", timeout=20).content == b""
        assert requests.post(f"{url}/share/set/a", timeout=20).status_code == 405

        told = torrent_file.parse(requests.get(f"{url}/torrent", timeout=20).content)
        assert told.web_seeds == (f"{url}/share/",)
        assert told.metainfo.info_hash == share.metainfo.info_hash


@pytest.mark.parametrize(
    "path",
    [
        *("", "set", "set/", "secret", "set/../secret", "set/inner/../a", "/etc/passwd", "set//a"),
        *("./set/a", "set/a/", "set/A", "..", "set\\a", "\udcff"),
    ],
)
def test_no_path_leaves_the_share(share: Share, spent: list[int], path: str) -> None:
    with opened(share, spent) as files:

        async def ask() -> Reply:
            return files.answer(Request("GET", f"/share/{path}"))

        reply = bounded(ask)
        assert (reply.status, reply.source) == (404, None)


def test_so_many_at_a_time_and_who_leaves_makes_room(share: Share, spent: list[int]) -> None:
    with opened(share, spent, limit=100) as files:
        request = Request("GET", "/share/set/a", remote="192.0.2.1")

        async def ask() -> None:
            replies = [files.answer(request) for _ in range(FROM_ONE)]
            assert files.answer(request).status == 503, "one address may not have all"
            others = [replace(request, remote=f"192.0.2.{n}") for n in range(FROM_ONE, MAX_DOWNLOADS)]
            replies += map(files.answer, others)
            given: list[bytes] = []
            for reply in replies:
                assert reply.source is not None
                reply.source.next(given.append)
            busy = files.answer(replace(request, remote="198.51.100.1"))
            assert (busy.status, busy.source) == (503, None)
            assert ("Retry-After", "5") in busy.headers
            assert files.answer(Request("GET", "/share/set/empty")).status == 200

            await until(lambda: given)
            for reply in replies:
                reply.sent()
            assert files.answer(request).source is not None
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1, "nothing is read for who has left"
            files.close()

        bounded(ask)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time goes on only by being waited for."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_a_limit_is_shared_with_the_origin_by_halves(
    share: Share, spent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Clock()
    start = time.monotonic()

    async def skip(seconds: float) -> None:
        loop.ahead += seconds

    monkeypatch.setattr(web_share.asyncio, "sleep", skip)

    async def download(files: WebShare) -> float:
        source = files.answer(Request("GET", "/share/set/a")).source
        assert source is not None
        got: list[bytes] = []
        begun = loop.time()
        while sum(map(len, got)) < len(LONG):
            part: asyncio.Future[bytes] = loop.create_future()
            source.next(part.set_result)
            got.append(await part)
        assert b"".join(got) == LONG
        files.close()
        return loop.time() - begun

    with opened(share, spent, limit=20_000) as files:
        took = loop.run_until_complete(download(files))
    loop.close()
    expected = len(LONG) / 10_000
    assert 0.95 * expected < took < 1.05 * expected + time.monotonic() - start
    assert sum(spent) == len(LONG)
    assert max(spent) == 16384


def test_a_file_that_cannot_be_read_breaks_the_answer_off(share: Share, spent: list[int]) -> None:
    with served(share, spent) as url:
        (share.folder / "set" / "a").write_bytes(b"short")
        with pytest.raises(requests.RequestException):
            requests.get(f"{url}/share/set/a", timeout=20)


def test_a_slow_disk_holds_up_no_announce(
    share: Share, spent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, reading = Event(), Event()

    def stuck(*_: Any) -> None:
        reading.set()
        gate.wait(20)
        raise StorageError("gone")

    monkeypatch.setattr(Storage, "read_into", stuck)
    with (
        served(share, spent) as url,
        requests.get(f"{url}/share/set/a", stream=True, timeout=20) as download,
    ):
        assert download.headers["Content-Length"] == str(len(LONG))
        assert reading.wait(20)
        assert requests.get(f"{url}/scrape", timeout=20).status_code == 200
        gate.set()
