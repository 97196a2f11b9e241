"""One peer against a real tracker and its origin, on one loop: joining, completing, leaving, coming back."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from fakes.trackers import SHARE, answering, dripping, http

from minibit.dialects.json_replies import Listing
from minibit.disk.share import from_path
from minibit.disk.storage import Storage
from minibit.engine.greeting import Identity
from minibit.engine.places import MAX_NEIGHBOURS, SEEKS
from minibit.errors import OtherShareError, StalledError, StorageError, TrackerUnreachableError, UsageError
from minibit.eventlog.reading import Reader
from minibit.events import kinds
from minibit.net.listener import EVERYWHERE, listen
from minibit.peer import peer as peer_module
from minibit.peer import tracker_client
from minibit.peer.attendance import Attendance, default_host
from minibit.peer.ending import Interrupt
from minibit.peer.membership import Membership
from minibit.peer.peer import Peer, PeerSettings
from minibit.peer.tracker_client import NameTakenError, TrackerClient
from minibit.serve.service import TrackerService, TrackerSettings
from minibit.torrent.torrent_file import TorrentFile

PATIENCE = 30.0
SIZE = 100_000

T = TypeVar("T")


class Asked:
    """A peer, and all that it has told its user."""

    def __init__(self, tracker: str, folder: Path, name: str = "ana", **options: Any) -> None:
        self.told: list[str] = []
        self.interrupt = Interrupt()
        settings = PeerSettings(name, 0, tracker, folder, **{"leave_when_done": True, **options})
        self.peer = Peer(
            settings, tell=self.told.append, progress=lambda _done, _total: None, interrupt=self.interrupt
        )

    def said(self, words: str) -> bool:
        return any(words in line for line in self.told)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.peer.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, OtherShareError, UsageError, StorageError):
                await task


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "film.bin"
    path.parent.mkdir()
    path.write_bytes(Random(11).randbytes(SIZE))
    return path


@asynccontextmanager
async def tracking(source: Path, **options: Any) -> AsyncIterator[tuple[TrackerService, str]]:
    """A tracker that shares `source`, and its URL."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    share = await asyncio.to_thread(from_path, source, block_size=16384)
    service = TrackerService(share, TrackerSettings(port=0, **options))
    task = asyncio.create_task(service.run(lambda port, _: ready.set_result(port)))
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        yield service, f"http://127.0.0.1:{ready.result()}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


async def register_and_die(url: str, name: str, port: int) -> None:
    with closing(TrackerClient(url)) as client:
        await Membership(
            client, (await client.torrent()).metainfo, name, b"-XX0000-dead-as-dust", port
        ).register(0)


async def until(look: Callable[[], Any]) -> None:
    while not look():
        await asyncio.sleep(0.01)


def test_a_peer_joins_completes_and_leaves(source: Path, tmp_path: Path) -> None:
    async def join() -> Asked:
        async with tracking(source) as (service, url):
            ana = Asked(url, tmp_path / "ana")
            assert not ana.peer.trading
            await ana.peer.run()
            assert service.view().peers == (), "it said goodbye"
            return ana

    ana = bounded(join)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()
    assert ana.peer.complete
    view = ana.peer.view()
    assert [line.split(" with the tracker at ")[0] for line in ana.told[:1]] == ["registered as ana"]
    assert ana.told[1] == f"listening on port {view.port}"
    assert ana.told[2].startswith(f"granted {view.granted.bit_count()} (")
    assert ana.told[2].endswith(" of 7 blocks; 0 on disk")
    assert ana.told[3].startswith("complete: all 7 blocks verified after ")
    assert ana.told[4:] == [f"it is in {tmp_path / 'ana' / 'film.bin'}"]


@pytest.mark.parametrize(("lan", "seeks"), [(False, SEEKS), (True, MAX_NEIGHBOURS)])
def test_who_seeks_those_of_its_network_dials_for_more(
    lan: bool, seeks: int, source: Path, tmp_path: Path
) -> None:
    async def join() -> int:
        async with tracking(source) as (_, url):
            ana = Asked(url, tmp_path / "ana", lan=lan)
            await ana.peer.run()
            assert ana.peer._node is not None
            engine = ana.peer._node.engine
            return engine.places.room(ana.peer._node.now, starving=False) + len(engine.neighbours)

    assert bounded(join) == seeks


def test_a_name_that_cannot_be_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        async with tracking(source) as (_, url):
            await register_and_die(url, "ana", port=int(url.rpartition(":")[2]))
            for name in ("Origin", "ana"):  # where `ana` should be, somebody answers: the tracker
                with pytest.raises(UsageError):
                    await Asked(url, tmp_path / "new", name).peer.run()

    bounded(join)
    assert not (tmp_path / "new").exists()


def test_a_peer_that_listens_at_one_address_is_listed_there(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        async with tracking(source) as (service, url):
            ana = Asked(url, tmp_path / "ana", host="127.0.0.2", leave_when_done=False)
            async with ana.running():
                while not (rows := service.view().peers):
                    await asyncio.sleep(0.01)
            assert [row.ip for row in rows] == ["127.0.0.2"]
            assert not ana.said("the tracker lists us")

    bounded(join)


def test_it_is_said_when_a_peer_is_listed_where_it_does_not_listen() -> None:
    told: list[str] = []
    welcome = {"concedidos": [], "blocos_iniciais": [], "peers": [], "ip": "192.0.2.7"}

    async def come(url: str) -> None:
        presence = Attendance(url, None, told.append)
        with closing(presence):
            await presence.come(Identity("ana", b"a" * 20, 5001, "10.0.0.1"), SHARE, 0)

    with answering(http(welcome)) as url:
        bounded(lambda: come(url))
    assert told[1].startswith("the tracker lists us at 192.0.2.7, and we listen at 10.0.0.1 alone")


def test_one_family_after_another_joins_a_tracker_of_both(source: Path, tmp_path: Path) -> None:
    try:
        listen("::1", 0).close()
    except UsageError:
        pytest.skip("no IPv6 loopback here")

    async def join() -> None:
        async with tracking(source, host="::") as (_, url):
            await Asked(url, tmp_path / "ana").peer.run()
            await Asked(url.replace("127.0.0.1", "[::1]"), tmp_path / "bia").peer.run()

    bounded(join)
    for name in ("ana", "bia"):
        assert (tmp_path / name / "film.bin").read_bytes() == source.read_bytes()


def test_a_swarm_may_live_on_ipv6(source: Path, tmp_path: Path) -> None:
    try:
        listen("::1", 0).close()
    except UsageError:
        pytest.skip("no IPv6 loopback here")

    async def join() -> None:
        async with tracking(source, host="::1") as (_, url):
            await Asked(url.replace("127.0.0.1", "[::1]"), tmp_path / "ana").peer.run()

    bounded(join)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()


def test_a_peer_that_has_everything_fetches_nothing(source: Path) -> None:
    async def join() -> Asked:
        async with tracking(source) as (_, url):
            ana = Asked(url, source.parent)
            await ana.peer.run()
            return ana

    ana = bounded(join)
    assert ana.said("of 7 blocks; 7 on disk")
    assert ana.told[-2:] == ["complete: every block was on disk already", f"it is in {source}"]
    view = ana.peer.view()
    assert (view.figures.resumed, view.figures.downloaded) == (7, 0)


def test_a_damaged_block_is_fetched_again(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ana" / "film.bin"
    copy.parent.mkdir()
    damaged = bytearray(source.read_bytes())
    damaged[3 * 16384 + 5] ^= 1
    copy.write_bytes(damaged)

    async def join() -> Asked:
        async with tracking(source) as (_, url):
            ana = Asked(url, copy.parent)
            await ana.peer.run()
            return ana

    ana = bounded(join)
    assert ana.said("of 7 blocks; 6 on disk")
    view = ana.peer.view()
    assert (view.figures.resumed, view.figures.verified, view.figures.downloaded) == (6, 1, 16384)
    assert copy.read_bytes() == source.read_bytes()


def test_a_peer_whose_file_is_changed_while_it_seeds_ends_with_an_error(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.peer.peer.WATCH_SECONDS", 0.01)

    async def seed() -> Asked:
        async with tracking(source) as (_, url):
            ana = Asked(url, tmp_path / "ana", leave_when_done=False)
            async with ana.running() as task:
                await until(lambda: ana.peer.complete)
                (tmp_path / "ana" / "film.bin").write_bytes(bytes(SIZE))
                with pytest.raises(StorageError, match="something else"):
                    await task
            return ana

    bounded(seed)


def test_a_users_file_in_the_way_is_refused_before_anybody_is_told(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "ana" / "film.bin"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")

    async def join() -> None:
        async with tracking(source) as (service, url):
            with pytest.raises(UsageError, match="--overwrite"):
                await Asked(url, mine.parent).peer.run()
            assert service.view().peers == ()
            assert mine.read_bytes() == b"mine"
            await Asked(url, mine.parent, overwrite=True).peer.run()

    bounded(join)
    assert [path.name for path in mine.parent.iterdir()] == ["film.bin"]
    assert mine.read_bytes() == source.read_bytes()


def test_a_folder_that_another_peer_has_taken_meanwhile_is_left_with_a_goodbye(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found no folder there, and only one may create it."""
    folder = tmp_path / "same"
    real = Membership.register

    async def join() -> None:
        async with tracking(source) as (service, url):
            other = Storage(from_path(source, block_size=16384).metainfo, folder, writable=True)

            async def slow(self: Membership, *arguments: Any, **options: Any) -> Any:
                await asyncio.to_thread(other.prepare)
                return await real(self, *arguments, **options)

            monkeypatch.setattr(Membership, "register", slow)
            with pytest.raises(UsageError, match="another peer is at work"):
                await Asked(url, folder).peer.run()
            assert service.view().peers == ()
            other.close()

    bounded(join)


def test_a_name_that_is_in_use_is_refused(source: Path, tmp_path: Path) -> None:
    async def collide() -> None:
        async with tracking(source) as (service, url):
            first = Asked(url, tmp_path / "first", leave_when_done=False)
            async with first.running() as task:
                await until(lambda: first.peer.complete)
                second = Asked(url, tmp_path / "second")
                with pytest.raises(NameTakenError, match=r"'ana' is active at .*choose another name"):
                    await second.peer.run()
                assert not task.done()
                assert [row.name for row in service.view().peers] == ["ana"]

    bounded(collide)


def test_the_name_of_a_dead_process_is_taken_over(source: Path, tmp_path: Path) -> None:
    async def inherit() -> Asked:
        async with tracking(source) as (_, url):
            with closing(listen("127.0.0.1", 0)) as nobody:
                port = nobody.getsockname()[1]
            await register_and_die(url, "ana", port)
            ana = Asked(url, tmp_path / "ana")
            await ana.peer.run()
            return ana

    assert bounded(inherit).peer.complete


def test_a_peer_that_the_tracker_has_forgotten_registers_again(source: Path, tmp_path: Path) -> None:
    def forget(url: str) -> None:
        with urllib.request.urlopen(url + "/listar_peers?brief=1", timeout=5) as reply:
            peers = json.load(reply)["peers"]
        body = json.dumps(next(peer for peer in peers if peer["peer_id"] == "ana")).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url + "/desconectar_peer", body, headers)
        with urllib.request.urlopen(request, timeout=5):
            pass

    async def be_forgotten() -> None:
        async with tracking(source) as (service, url):
            ana = Asked(url, tmp_path / "ana", leave_when_done=False)
            async with ana.running():
                await until(lambda: ana.peer.complete)
                ana.peer._presence.granted = 0
                await asyncio.to_thread(forget, url)
                await until(lambda: ana.said("the tracker had forgotten us: registered again"))
                (row,) = service.view().peers
                assert row.blocks.bit_count() == 7, "and it said what it holds"
                view = ana.peer.view()
                assert view.granted.bit_count() == row.given > 0

    bounded(be_forgotten)


def test_a_tracker_that_shares_something_else_now_ends_the_peer(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgotten(*_: object) -> Listing:
        return Listing(False, 0, (), 1.0)

    async def return_to_another_share() -> None:
        async with tracking(source) as (_, url):
            ana = Asked(url, tmp_path / "ana", leave_when_done=False)
            other = from_path(source, block_size=32768).metainfo

            async def another(_: TrackerClient) -> TorrentFile:
                return TorrentFile(other)

            async with ana.running() as task:
                await until(lambda: ana.peer.complete)
                monkeypatch.setattr(TrackerClient, "torrent", another)
                monkeypatch.setattr(Membership, "heartbeat", forgotten)
                with pytest.raises(OtherShareError, match="info hash") as caught:
                    await task
                assert caught.value.exit_code == 1

    bounded(return_to_another_share)


def test_a_tracker_that_shares_more_blocks_now_is_noticed_by_a_heartbeat(
    source: Path, tmp_path: Path
) -> None:
    """It cannot even read what we hold, and refuses; the trade went on for ever without a word of that."""
    longer = tmp_path / "longer.bin"
    longer.write_bytes(Random(12).randbytes(5 * SIZE))

    async def meet_another_share() -> None:
        async with tracking(source) as (_, url):
            port = int(url.rpartition(":")[2])
            ana = Asked(url, tmp_path / "ana", leave_when_done=False)
            task = asyncio.create_task(ana.peer.run())
            await until(lambda: ana.peer.complete)
        service = TrackerService(
            await asyncio.to_thread(from_path, longer, block_size=16384), TrackerSettings(port=port)
        )
        tracker = asyncio.create_task(service.run(lambda *_: None))
        try:
            with pytest.raises(OtherShareError, match=r"shares 'longer\.bin' now"):
                await task
        finally:
            tracker.cancel()
            with suppress(asyncio.CancelledError):
                await tracker

    bounded(meet_another_share)


def test_an_origin_that_died_in_the_middle_is_told_of_and_given_up(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "STALL_LOOK_SECONDS", 0.05)

    async def be_left_alone() -> Asked:
        async with tracking(source, upload_limit=1.0) as (_, url):
            ana = Asked(url, tmp_path / "ana", stall_timeout=1.0)
            task = asyncio.create_task(ana.peer.run())
            await until(lambda: ana.peer.trading)
        with pytest.raises(StalledError, match=r"gave up: nothing has come for 1 s: .* missing; .*resumes"):
            await task
        return ana

    ana = bounded(be_left_alone)
    assert ana.said("stalled: nothing has come for 1 s: ")


def test_leaving_while_the_tracker_is_told_of_completion(source: Path, tmp_path: Path) -> None:
    """Completion and the announcement of it come at the same moment; neither may outlive the peer."""

    async def join_again_and_again() -> None:
        async with tracking(source) as (_, url):
            for number in range(5):
                await Asked(url, tmp_path / str(number), f"peer{number}").peer.run()

    bounded(join_again_and_again)


def test_where_nobody_serves_the_trackers_web_seed_does(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.engine.reserve.PATIENCE", 0.0)

    async def download() -> tuple[int, Asked]:
        async with tracking(source, web_seed=True, grant=(0.0, 0.0), choking="unchoke-none") as (
            service,
            url,
        ):
            ana = Asked(url, tmp_path / "ana")
            await ana.peer.run()
            await until(lambda: service.view().origin.figures.uploaded >= SIZE)
            return ana.peer.view().figures.from_origin, ana

    from_origin, ana = bounded(download)
    assert from_origin == 0
    assert ana.said("asking web seed 127.0.0.1")
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()


def test_a_tracker_that_is_not_there_is_given_up_in_the_time_allowed(tmp_path: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    ana = Asked(url, tmp_path / "ana", timeout=0.1)

    with pytest.raises(TrackerUnreachableError, match=r"gave up after 0\.1 s: no answer from the tracker"):
        bounded(ana.peer.run)

    assert ana.said("is it running there? Trying again in 0.1 s")
    assert not (tmp_path / "ana").exists()


def test_a_tracker_that_hangs_is_given_up_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_client, "LEAST_SECONDS", 0.05)
    with dripping() as url:
        ana = Asked(url, tmp_path / "ana", timeout=0.05)
        with pytest.raises(TrackerUnreachableError, match=rf"gave up .* at {url} .*is it running there\?"):
            bounded(ana.peer.run)


def test_looking_for_a_tracker_ends_at_once_when_interrupted(tmp_path: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    ana = Asked(url, tmp_path / "ana")

    async def interrupt() -> int:
        async def when_retried() -> None:
            await until(lambda: ana.said("Trying again in 1.0 s"))
            ana.interrupt.end(130)

        ending = asyncio.create_task(when_retried())
        code = await ana.interrupt.guard(ana.peer.run())
        await ending
        return code

    assert bounded(interrupt) == 130


def test_a_tracker_that_hangs_is_left_at_once_when_interrupted(tmp_path: Path) -> None:
    def calling() -> bool:
        return any(thread.name == "tracker-calls" for thread in threading.enumerate())

    async def interrupt(url: str) -> int:
        ana = Asked(url, tmp_path / "ana")

        async def when_calling() -> None:
            await until(calling)
            ana.interrupt.end(130)

        ending = asyncio.create_task(when_calling())
        code = await ana.interrupt.guard(ana.peer.run())
        await ending
        assert calling(), "its thread is left behind"
        return code

    with dripping(b"HTTP/1.1 200 OK\r\nX-Slow") as url:
        assert bounded(lambda: interrupt(url)) == 130


@pytest.mark.parametrize(
    ("options", "words"),
    [({"picking": "best"}, "unknown picking strategy"), ({"choking": "best"}, "unknown choking strategy")],
)
def test_what_cannot_be_is_refused_before_a_port_is_taken(
    tmp_path: Path, options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        bounded(Asked("http://127.0.0.1:1", tmp_path / "ana", **options).peer.run)


@pytest.mark.parametrize(
    ("tracker", "host"),
    [
        ("http://127.0.0.1:5000", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("http://[::1]:5000", "::1"),
        ("http://192.168.1.7:5000", EVERYWHERE),
        ("tracker.example", EVERYWHERE),
        ("http://127.example:80", EVERYWHERE),
    ],
)
def test_a_peer_listens_as_far_as_its_tracker_reaches(tracker: str, host: str) -> None:
    assert default_host(tracker) == host


def test_the_loop_does_no_disk_call(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the peer's nor the tracker's, at the start and at the end."""
    on_the_loop: list[str] = []

    def watched(owner: type, name: str) -> None:
        call = getattr(owner, name)

        def watch(*arguments: Any, **options: Any) -> Any:
            with suppress(RuntimeError):
                asyncio.get_running_loop()
                on_the_loop.append(f"{owner.__name__}.{name}")
            return call(*arguments, **options)

        monkeypatch.setattr(owner, name, watch)

    for name in ("__init__", "survey", "prepare", "stamps", "close"):
        watched(Storage, name)
    watched(Path, "exists")

    async def join() -> None:
        async with tracking(source) as (_, url):
            await Asked(url, tmp_path / "ana").peer.run()

    bounded(join)
    assert on_the_loop == []


# --- its event log


def test_its_log_goes_from_joining_to_goodbye(source: Path, tmp_path: Path) -> None:
    async def join() -> int:
        async with tracking(source, log=tmp_path / "origin.jsonl") as (_, url):
            ana = Asked(url, tmp_path / "ana", log=tmp_path / "ana.jsonl")
            await ana.peer.run()
            return ana.peer.view().granted

    granted = bounded(join)
    with Reader(tmp_path / "ana.jsonl") as reader:
        (joined, *told, left) = [entry.event for entry, _ in reader.entries()]
        assert reader.header.share == "film.bin"
    assert isinstance(joined, kinds.Joined)
    assert (joined.granted, joined.resumed, joined.origin) == (granted, 0, False)
    verified = [event for event in told if isinstance(event, kinds.Verified)]
    assert sorted(event.block for event in verified) == list(range(7))
    assert {who for event in verified for who, _ in event.senders} == {"origin"}
    assert left == kinds.Left("goodbye", "")
    with Reader(tmp_path / "origin.jsonl") as reader:
        told = [entry.event for entry, _ in reader.entries()]
    assert isinstance(told[0], kinds.Joined)
    assert told[0].origin
    assert "ana" in [event.who for event in told if isinstance(event, kinds.Connected)]
    assert told[-1] == kinds.Left("goodbye", "")


def test_a_full_disk_ends_its_log_and_not_the_peer(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "claim", lambda _: None)

    async def join() -> Asked:
        async with tracking(source) as (_, url):
            ana = Asked(url, tmp_path / "ana", log=Path("/dev/full"))
            await ana.peer.run()
            return ana

    ana = bounded(join)
    assert ana.peer.complete
    assert [line for line in ana.told if "event log" in line] == [
        "cannot write the event log /dev/full any more (No space left on device): going on without it"
    ]


def test_nothing_begins_if_its_log_would_overwrite_something(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        async with tracking(source) as (service, url):
            ana = Asked(url, tmp_path / "ana", log=source)
            with pytest.raises(UsageError, match="no event log"):
                await ana.peer.run()
            assert service.view().peers == ()

    bounded(join)
    assert len(source.read_bytes()) == SIZE
