"""The swarm's shell: many threads and one swarm, notices in order, addresses that the asker can dial."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Thread

import pytest

from minibit import bitfield
from minibit.address import Address, PeerAddress
from minibit.dialects.announce import Announce, AnnounceReply, Event
from minibit.dialects.json_replies import ConflictError, Listing, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.refusal import RequestError
from minibit.serve.tracker import (
    MAX_ASKED,
    ROUTE_SECONDS,
    Tracker,
    answers,
    growing_clock,
    own_address_towards,
)
from minibit.snapshot import Figures
from minibit.torrent import metainfo
from minibit.tracker.notices import Granted, Left, Notice

COUNT = 20
ALL = bitfield.full(COUNT)
HOME = "127.0.0.1"
FAR = "192.168.1.5"
OWN = "203.0.113.7"  # the tracker, as others reach it
SHARE = metainfo.build("sample.bin", [((), COUNT * 16384)], 16384, bytes(20 * COUNT), folder=False)


def wire_id(letter: str) -> bytes:
    return letter.encode() * 20


@dataclass
class Clocked:
    """A tracker, clocks that stand still until told, and what the origin was told."""

    now: float = 1000.0
    ahead: float = 0.0  # s that Unix time is ahead of the clock that only grows
    told: list[Notice] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: Callable[[Address], bool] = answers
    tracker: Tracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = Tracker(
            SHARE,
            rng=Random(7),
            notify=self.told.append,
            clock=lambda: self.now,
            unix=lambda: self.now + self.ahead,
            own_address=self._own,
            answers=self.answers,
        )

    def _own(self, ip: str) -> str | None:
        self.asked.append(ip)
        return OWN if ip != "8.8.8.8" else None

    def join(
        self, name: str, port: int = 5001, bt_id: bytes | None = None, blocks: int = 0, remote: str = HOME
    ) -> Welcome:
        return self.tracker.register(Registration(name, port, None, blocks, bt_id), remote)

    def list(self, remote: str, name: str | None = None) -> Listing:
        return self.tracker.list_peers(ListingQuery(name), Heartbeat(), remote)

    def announce(self, letter: str, left: int = 1, event: Event = Event.NONE) -> AnnounceReply:
        return self.tracker.announce(
            Announce(SHARE.info_hash, b"-LT2110-" + letter.encode() * 12, 6881, left=left, event=event), HOME
        )


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


def ips(reply: Welcome | Listing) -> list[str]:
    return [entry.address.ip for entry in reply.entries]


def test_who_comes_over_ipv4_to_a_host_for_both_families_is_told_an_address_of_ipv4(clocked: Clocked) -> None:
    clocked.tracker.report_origin(("::1", 4999), ALL, Figures(), wire_id("o"))
    assert ips(clocked.list(HOME)) == [HOME]
    assert ips(clocked.list("::1")) == ["::1"]
    assert ips(clocked.list(FAR)) == [OWN]
    assert [peer.ip for peer in clocked.announce("x").peers] == [HOME]


def test_peers_on_the_trackers_machine_are_told_to_others_at_an_address_they_can_dial(
    clocked: Clocked,
) -> None:
    clocked.tracker.report_origin(("0.0.0.0", 4999), ALL, Figures(), wire_id("o"))
    clocked.join("ana", bt_id=wire_id("a"))
    clocked.join("bia", remote="192.168.1.9")
    clocked.asked.clear()
    assert ips(clocked.list(FAR)) == [OWN, OWN, "192.168.1.9"]
    assert ips(clocked.list(FAR)) == [OWN, OWN, "192.168.1.9"]
    assert clocked.asked == [FAR], "once in a while"
    clocked.now += ROUTE_SECONDS
    assert ips(clocked.list(FAR)) == [OWN, OWN, "192.168.1.9"]
    assert clocked.asked == [FAR, FAR], "routes change"
    assert ips(clocked.list(HOME)) == ["0.0.0.0", HOME, "192.168.1.9"]
    assert ips(clocked.list("8.8.8.8")) == ["0.0.0.0", HOME, "192.168.1.9"], "it cannot be told"
    assert sorted(ips(clocked.join("caio", remote=FAR))) == ["192.168.1.9", OWN, OWN]
    for packed in (False, True):
        reply = clocked.tracker.announce(Announce(SHARE.info_hash, b"x" * 20, 6881), FAR, packed=packed)
        assert {peer.ip for peer in reply.peers} == {OWN, "192.168.1.9", FAR}
        assert (reply.four, reply.six) == (b"", b"")
    with pytest.raises(ConflictError) as caught:
        clocked.join("ana", 5002, bt_id=wire_id("b"), remote=FAR)
    assert caught.value.peer.address == PeerAddress("ana", OWN, 5001, wire_id("a"))


def test_peers_elsewhere_are_packed_beside_an_origin_on_the_trackers_machine(clocked: Clocked) -> None:
    clocked.tracker.report_origin(("0.0.0.0", 4999), ALL, Figures(), wire_id("o"))
    clocked.join("bia", remote="192.168.1.9")
    reply = clocked.tracker.announce(Announce(SHARE.info_hash, b"x" * 20, 6881), FAR, packed=True)
    assert reply.peers == ()
    assert reply.four == PeerAddress("", OWN, 4999).packed + PeerAddress("", "192.168.1.9", 5001).packed
    here = clocked.tracker.announce(Announce(SHARE.info_hash, b"x" * 20, 6881, numwant=0), FAR, packed=True)
    assert (here.peers, here.four) == ((), b"")


def test_nobody_asks_for_our_address_where_it_is_not_needed(clocked: Clocked) -> None:
    clocked.join("bia", remote="192.168.1.9")
    clocked.list(FAR)
    assert clocked.asked == []


def test_this_machine_reaches_loopback_from_loopback() -> None:
    assert own_address_towards("127.0.0.1") == "127.0.0.1"
    assert own_address_towards("not an address") is None


def test_the_origin_hears_of_everything_in_order_refusals_included(clocked: Clocked) -> None:
    granted = clocked.join("ana", bt_id=wire_id("a")).granted
    assert clocked.told == [Granted(wire_id("a"), granted)]
    clocked.now += 60
    with pytest.raises(RequestError):
        clocked.tracker.disconnect(Goodbye("ana"), HOME)
    assert clocked.told[1:] == [Left(wire_id("a"))], "she had gone silent, which a refused call found out"
    clocked.join("ana", bt_id=wire_id("a"))
    clocked.tracker.disconnect(Goodbye("ana"), HOME)
    assert clocked.told[2:] == [Granted(wire_id("a"), granted), Left(wire_id("a"))]


def test_a_share_is_looked_up_by_its_hash(clocked: Clocked) -> None:
    clocked.join("ana", blocks=ALL)
    (counts,) = clocked.tracker.scrape(()).values()
    assert (counts.complete, counts.downloaded, counts.incomplete) == (1, 0, 0)
    assert clocked.tracker.scrape([bytes(20), SHARE.info_hash]) == {SHARE.info_hash: counts}
    assert clocked.tracker.scrape([bytes(20)]) == {}
    with pytest.raises(RequestError, match="/torrent"):
        clocked.tracker.announce(Announce(bytes(20), b"x" * 20, 6881), HOME)


@pytest.mark.parametrize("ahead", [-3600.0, -0.5, 0.5, 3600.0])
@pytest.mark.parametrize("remote", [HOME, FAR])
def test_others_are_told_unix_time_after_the_clock_was_set_or_the_machine_slept(
    clocked: Clocked, ahead: float, remote: str
) -> None:
    clocked.join("ana", bt_id=wire_id("a"))
    clocked.now += 59
    clocked.ahead = ahead
    unix = 1000.0 + (ahead if abs(ahead) > 1 else 0.0)
    joined = clocked.join("bia", 5002)
    listing = clocked.list(remote)
    assert [entry.timestamp for entry in joined.entries] == [unix]
    assert [entry.timestamp for entry in listing.entries] == [unix, unix + 59]
    with pytest.raises(ConflictError) as caught:
        clocked.join("ana", 5003, bt_id=wire_id("c"), remote=remote)
    assert caught.value.peer.timestamp == unix
    status = clocked.tracker.status()
    assert [row.timestamp for row in status.rows] == [unix, unix + 59], "and nobody has left for that"
    assert status.uptime == 59


def test_the_clock_starts_as_unix_time_and_only_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    unix, steady = [1e9, 0.0], [50.0, 50.0, 57.5]
    monkeypatch.setattr("time.time", lambda: unix.pop(0))
    monkeypatch.setattr("time.monotonic", lambda: steady.pop(0))
    clock = growing_clock()
    assert (clock(), clock()) == (1e9, 1e9 + 7.5), "whatever is made of the other clock meanwhile"


def test_many_threads_leave_one_consistent_swarm(clocked: Clocked) -> None:
    tracker = clocked.tracker
    failures: list[BaseException] = []

    def live(number: int) -> None:
        rng, letter = Random(number), chr(97 + number)
        name, bt_id = f"p{number}", wire_id(letter)
        try:
            for _ in range(60):
                clocked.join(name, 5000 + number, bt_id)
                tracker.list_peers(ListingQuery(name), Heartbeat(bt_id, rng.getrandbits(COUNT)), HOME)
                clocked.announce(letter, left=rng.randrange(2))
                tracker.status()
                if rng.random() < 0.3:
                    tracker.disconnect(Goodbye(name, bt_id), HOME)
                    clocked.announce(letter, event=Event.STOPPED)
            clocked.join(name, 5000 + number, bt_id, ALL)
            clocked.announce(letter, event=Event.STOPPED)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [row.name for row in tracker.status().rows] == [f"p{number}" for number in range(6)]
    assert tracker.status().rarest_copies == 6
    (counts,) = tracker.scrape(()).values()
    assert (counts.complete, counts.incomplete) == (6, 0)
    last = {notice.peer_id: type(notice) for notice in clocked.told}
    assert last == {wire_id(chr(97 + n)): Granted for n in range(6)} | {
        b"-LT2110-" + chr(97 + n).encode() * 12: Left for n in range(6)
    }


def test_a_live_peers_name_is_kept_because_the_tracker_asks_it_and_only_so_many_at_once() -> None:
    asked: list[Address] = []
    there = True

    def answers(address: Address) -> bool:
        asked.append(address)
        clocked.tracker.status()  # nobody waits for the lock meanwhile
        if there:
            with pytest.raises(ConflictError):
                inherit("10.0.0.67")
        return there

    clocked = Clocked(answers=answers)
    clocked.join("ana", bt_id=wire_id("a"), remote="10.0.0.1")
    clocked.now += 5

    def inherit(remote: str) -> Welcome:
        return clocked.tracker.register(Registration("ana", 5002, None, 0, wire_id("e"), True), remote)

    with pytest.raises(ConflictError):
        inherit("10.0.0.66")
    assert asked == [("10.0.0.1", 5001)] * MAX_ASKED, "only the address on record, and no more at once"
    there = False
    inherit("10.0.0.66")
    assert ips(clocked.list(HOME)) == ["10.0.0.66"]


def test_a_knock_tells_whether_somebody_is_there_and_says_nothing() -> None:
    with socket.create_server((HOME, 0)) as listener:
        address = listener.getsockname()
        assert answers(address)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""
    assert not answers(address)
