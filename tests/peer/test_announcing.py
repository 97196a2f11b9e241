"""A peer in a torrent's own swarm: which trackers it tells what, what bad ones cost, where none leads it."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.trackers import answering, dripping, http
from fakes.web_servers import serving
from msgspec.structs import replace
from peer.test_peer import Asked, bounded, source, tracking, until

from minibit.dialects import http_announce
from minibit.dialects.announce import Announce, AnnounceReply
from minibit.dialects.http_announce import Form
from minibit.dialects.udp_announce import Announced, Connect, Connected, Failed, decode_request, encode_reply
from minibit.disk import torrents
from minibit.disk.share import from_path
from minibit.engine.places import MAX_NEIGHBOURS
from minibit.errors import TrackerRefusedError, TrackerUnreachableError, UsageError
from minibit.net.dht import DhtClient
from minibit.net.lan import Lan
from minibit.peer import announcing, web_rules, web_session
from minibit.peer.announce_client import Answer, announce
from minibit.torrent import torrent_file
from minibit.torrent.torrent_file import TorrentFile

__all__ = ["source"]

SAID = Announce(b"#" * 20, b"-MB0000-aaaaaaaaaaaa", 6881, left=5)
REPLY = AnnounceReply(900, 2, 3, ())
PEERS = (
    b"\x7f\0\0\1\x17\x70" + b"\x7f\0\0\1\0\x16" + b"\xc0\0\2\1\x17\x70"
)  # :6000 and :22 here, :6000 elsewhere
GOOD = http(http_announce.encode_reply(REPLY, Form()))


def told(url: str, **options: Any) -> Any:
    return asyncio.run(announce(url, SAID, Random(1), **options))


def write_torrent(source: Path, *tiers: tuple[str, ...]) -> str:
    share = from_path(source, block_size=16384)
    path = source.parent / "film.torrent"
    path.write_bytes(torrent_file.encode(TorrentFile(share.metainfo, tiers)))
    return str(path)


def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"http://127.0.0.1:{sock.getsockname()[1]}/announce"


def test_a_peer_downloads_by_a_torrent_with_one_living_tracker(source: Path, tmp_path: Path) -> None:
    async def join() -> tuple[Asked, list[Any]]:
        async with tracking(source) as (service, url):
            torrent = await asyncio.to_thread(
                write_torrent, source, (closed(),), (f"{url}/announce",), (closed(),)
            )
            stays = {"host": "127.0.0.1", "leave_when_done": False}
            ana = Asked("http://127.0.0.1:1", tmp_path / "ana", torrent=torrent, **stays)
            seen: list[Any] = []
            async with ana.running():
                await until(lambda: ana.peer.complete and service.view().peers)
                seen += service.view().peers
            assert service.view().peers == (), "it said stopped"
            return ana, seen

    ana, seen = bounded(join)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()
    assert len(seen) == 1
    assert sum("no answer" in line for line in ana.told) == 1, "the dead tracker is told of once"
    assert ana.said("1 seed and 1 other are there")


class Recorded:
    """What each tracker is told, and what it answers."""

    def __init__(self, **answers: AnnounceReply) -> None:
        self.told: list[tuple[str, str]] = []
        self._answers = answers

    async def announce(self, url: str, said: Announce, _rng: Random, **_: object) -> Answer:
        self.told.append((url, said.event.value))
        reply = self._answers[url]
        return Answer(reply, reply.peers, "127.0.0.1")


@pytest.mark.parametrize("private", [False, True])
def test_where_nobody_else_is_counted_the_next_is_asked_too_unless_the_share_is_private(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    share = from_path(source, block_size=16384, private=private).metainfo
    path = source.parent / "film.torrent"
    trackers = ("http://empty/announce", "http://full/announce", "http://spare/announce")
    path.write_bytes(torrent_file.encode(TorrentFile(share, tuple((url,) for url in trackers))))
    empty, full = AnnounceReply(900, 0, 1, ()), AnnounceReply(900, 1, 1, ())
    recorded = Recorded(**dict(zip(trackers, (empty, full, full), strict=True)))
    monkeypatch.setattr(announcing, "announce", recorded.announce)

    async def join() -> Asked:
        ana = Asked("", tmp_path / "ana", torrent=str(path), host="127.0.0.1", leave_when_done=False)
        async with ana.running():
            await until(lambda: ana.said("are there, counting us"))
        return ana

    asked = trackers[: 1 if private else 2]
    assert bounded(join).said("0 seeds and 1 other are there" if private else "1 seed and 1 other are there")
    assert recorded.told[: len(asked)] == [(url, "started") for url in asked]
    assert sorted(recorded.told[len(asked) :]) == [(url, "stopped") for url in asked]


@pytest.mark.parametrize("private", [False, True])
def test_who_is_slow_keeps_us_from_nobody_else_unless_the_share_is_private(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    monkeypatch.setattr(announcing, "SLOW", 0.05)
    share = from_path(source, block_size=16384, private=private).metainfo
    path = source.parent / "film.torrent"

    async def join(slow: str, good: str) -> Asked:
        tiers = ((f"{slow}/announce",), (f"{good}/announce",))
        await asyncio.to_thread(path.write_bytes, torrent_file.encode(TorrentFile(share, tiers)))
        ana = Asked("", tmp_path / "ana", torrent=str(path), host="127.0.0.1", leave_when_done=False)
        async with ana.running():
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5 if private else None):
                    await until(lambda: ana.said("2 seeds and 3 others"))
        return ana

    with dripping() as slow, answering(GOOD, GOOD) as good:
        assert bounded(lambda: join(slow, good)).said("2 seeds and 3 others") is not private


def test_a_private_torrents_peers_are_sought_through_its_trackers_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = from_path(source, block_size=16384, private=True).metainfo
    path = source.parent / "film.torrent"
    path.write_bytes(torrent_file.encode(TorrentFile(share)))
    for seeker in (Lan, DhtClient):
        monkeypatch.setattr(seeker, "run", lambda _: pytest.fail("somebody else is asked"))

    async def join() -> Asked:
        beside = {"lan": True, "dht": (("127.0.0.1", 1),)}
        ana = Asked("", source.parent, torrent=str(path), host="127.0.0.1", **beside)
        await ana.peer.run()
        assert ana.peer._node is not None
        extensions = ana.peer._node.engine.extensions
        assert ana.peer._node.engine.places.room(0.0, starving=False) == MAX_NEIGHBOURS
        assert "ut_metadata" in extensions
        assert "ut_pex" not in extensions
        return ana

    assert bounded(join).said("private: peers are sought through its trackers alone")


@pytest.mark.parametrize("named", ["by a torrent, and its tracker answers", "by a torrent", "by the user"])
def test_a_web_seed_nearby_is_asked_if_its_tracker_answers_or_the_user_names_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setattr("minibit.engine.reserve.PATIENCE", 0.0)  # so it is asked before the tracker answers…
    monkeypatch.setattr("minibit.peer.web_seeds.FIRST_PAUSE", 0.1)  # …and once more
    trackers = [GOOD] * 3 if "answers" in named else []

    async def join(seed: str, tracker: str) -> Asked:
        torrent = Path(write_torrent(source, (f"{tracker}/announce",)))
        seeds: tuple[str, ...] = (seed,)
        if named != "by the user":
            made = torrents.read(torrent)
            torrents.write(torrent, replace(made, web_seeds=seeds))
            seeds = ()
        options = {"torrent": str(torrent), "host": "127.0.0.1", "web_seeds": seeds}
        ana = Asked("", tmp_path / "ana", **options)
        async with ana.running() as task:
            if named == "by a torrent":
                await until(lambda: ana.said("only trackers that answer, and what you name yourself"))
            else:
                await task
        return ana

    with serving({"/film.bin": source.read_bytes()}) as server, answering(*trackers) as tracker:
        ana = bounded(lambda: join(server.url, tracker if trackers else closed().removesuffix("/announce")))
        assert bool(server.asked) is (named != "by a torrent")
    assert ana.said("asking web seed 127.0.0.1")


def test_a_torrent_may_be_fetched_from_a_url_that_the_user_typed(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        async with tracking(source) as (_, url):
            await Asked("", tmp_path / "ana", torrent=f"{url}/torrent", host="127.0.0.1").peer.run()

    bounded(join)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == source.read_bytes()


def test_no_tracker_in_time_ends_a_peer_that_has_a_timeout(source: Path, tmp_path: Path) -> None:
    async def join() -> None:
        torrent = await asyncio.to_thread(write_torrent, source, (closed(),))
        ana = Asked("", tmp_path / "ana", torrent=torrent, host="127.0.0.1", timeout=0.2)
        with pytest.raises(TrackerUnreachableError, match="gave up after"):
            await ana.peer.run()

    bounded(join)


def test_what_is_no_torrent_is_told_in_one_line(tmp_path: Path) -> None:
    async def join(torrent: str) -> None:
        with pytest.raises(UsageError) as caught:
            await Asked("", tmp_path / "ana", torrent=torrent, host="127.0.0.1").peer.run()
        assert "\n" not in str(caught.value)

    bounded(lambda: join(str(tmp_path / "nothing.torrent")))
    with answering(http(b"<html>")) as url:
        bounded(lambda: join(f"{url}/film.torrent"))
    with answering(http(b"", "404 Not Found")) as url:
        bounded(lambda: join(f"{url}/film.torrent"))


def test_a_reply_is_read_and_peers_that_nobody_should_dial_are_left_out() -> None:
    body = b"d8:intervali900e5:peers18:" + PEERS + b"e"
    with answering(http(body)) as url:
        answer = told(f"{url}/announce?key=1")
    assert [(peer.ip, peer.port) for peer in answer.peers] == [("127.0.0.1", 6000), ("192.0.2.1", 6000)]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (http(b"<html>"), "not a tracker's answer"),
        (http(b"", "500 Oops"), "failed with 500"),
        (http(b"x" * (http_announce.MAX_REPLY + 1)), "a reply of more than"),
        (http(GOOD, headers="Content-Encoding: gzip\r\n"), "compressed"),
        (b"", "no answer"),
    ],
)
def test_garbage_is_no_answer(reply: bytes, words: str) -> None:
    with answering(reply) as url, pytest.raises(TrackerUnreachableError, match=words):
        told(f"{url}/announce")


def test_a_refusal_is_told_in_the_trackers_words() -> None:
    with (
        answering(http(http_announce.encode_failure("no room"))) as url,
        pytest.raises(TrackerRefusedError, match="no room"),
    ):
        told(f"{url}/announce")


def test_who_never_answers_is_not_waited_for() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n") as url, pytest.raises(TrackerUnreachableError, match="in time"):
        told(f"{url}/announce", seconds=0.1)


def to(url: str) -> bytes:
    return http(b"", "302 Found", f"Location: {url}\r\n")


def test_redirections_are_followed_a_few_times() -> None:
    with answering(GOOD) as there, answering(to(f"{there}/announce")) as url:
        assert told(f"{url}/announce").reply.complete == 2
    with (
        answering(*[to("/announce")] * (1 + web_session.MAX_REDIRECTS)) as url,
        pytest.raises(TrackerUnreachableError, match="redirects more than"),
    ):
        told(f"{url}/announce")


def test_neither_an_address_nor_a_redirection_leads_to_other_services_here() -> None:
    with answering(b"") as url, pytest.raises(UsageError, match="which is this machine or its network"):
        told(f"{url}/cgi-bin/reboot")
    with (
        answering(b"") as there,
        answering(to(f"{there}/admin")) as url,
        pytest.raises(UsageError, match="which is this machine or its network"),
    ):
        told(f"{url}/announce")
    with (
        answering(to("file:///etc/passwd")) as url,
        pytest.raises(UsageError, match="not an address on the web"),
    ):
        told(f"{url}/announce")


def test_what_is_typed_may_lead_to_its_own_host_and_not_elsewhere_nearby() -> None:
    allows = web_rules.typed("http://t.example/film.torrent").allows
    assert allows("http://t.example:8080/other", "10.0.0.1")
    assert not allows("http://127.0.0.1/", "127.0.0.1")


def test_nothing_is_said_where_an_address_may_not_lead_not_even_the_opening_of_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/cgi-bin/reboot"
        with pytest.raises(UsageError, match="which is this machine or its network"):
            told(url, seconds=2.0)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""


class UdpTracker(asyncio.DatagramProtocol):
    """Answers each announce after lies and strangers' numbers; mute about the first connect."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        self.heard: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        request = decode_request(data)
        self.heard.append(request)
        if len(self.heard) == 1:
            return
        number = request.transaction
        self.transport.sendto(b"garbage", address)
        self.transport.sendto(encode_reply(Failed(number ^ 1, "not for you")), address)
        if isinstance(request, Connect):
            reply: Any = Connected(number, 77)
        else:
            reply = Failed(number, "no room") if self.refuses else Announced(number, REPLY)
        self.transport.sendto(encode_reply(reply), address)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_tracker_over_udp(monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    monkeypatch.setattr("minibit.peer.udp_tracker.FIRST_PATIENCE", 0.02)

    async def tell() -> tuple[Any, list[Any]]:
        loop = asyncio.get_running_loop()
        transport, tracker = await loop.create_datagram_endpoint(
            lambda: UdpTracker(refuses=refuses), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        try:
            return await announce(f"udp://127.0.0.1:{port}/a?b=c", SAID, Random(1)), tracker.heard
        finally:
            transport.close()

    if refuses:
        with pytest.raises(TrackerRefusedError, match="no room"):
            bounded(tell)
        return
    answer, heard = bounded(tell)
    assert answer.reply.complete == 2
    assert [type(each) for each in heard[:2]] == [Connect, Connect], "what got lost was sent again"
    assert (heard[2].connection, heard[2].path, heard[2].announce.left) == (77, b"/a?b=c", 5)


def test_nobody_over_udp_is_not_waited_for() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        with pytest.raises(TrackerUnreachableError, match="in time"):
            told(f"udp://127.0.0.1:{mute.getsockname()[1]}", seconds=0.1)
