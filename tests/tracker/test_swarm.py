"""The tracker's rules one by one, on a clock that the test holds, and under many threads."""

from dataclasses import dataclass, field
from random import Random
from threading import Thread

import pytest

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.dialects.http_announce import Announce, AnnounceReply, Event
from minibit.dialects.json_calls import Heartbeat, Registration, RequestError
from minibit.snapshot import Figures, State
from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo
from minibit.tracker.peer_manager import MAX_PER_SOURCE
from minibit.tracker.swarm import MAX_PEERS, Listing, Tracker, Welcome, capacity, own_address_towards

COUNT = 20
ALL = bitfield.full(COUNT)
HOME = "127.0.0.1"


def share(count: int = COUNT) -> Metainfo:
    return metainfo.build("sample.bin", [((), count * 16384)], 16384, bytes(20 * count), folder=False)


def wire_id(letter: str) -> bytes:
    return letter.encode() * 20


@dataclass
class Swarm:
    """A tracker, a clock that stands still until told, and what the origin was told."""

    now: float = 1000.0
    told: list[tuple[str, bytes, int]] = field(default_factory=list)
    tracker: Tracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = Tracker(
            share(),
            clock=lambda: self.now - 1000,
            unix=lambda: self.now,
            rng=Random(7),
            on_grant=lambda bt_id, blocks: self.told.append(("grant", bt_id, blocks)),
            on_leave=lambda bt_id: self.told.append(("leave", bt_id, 0)),
            own_address=lambda ip: f"own-{ip}",
        )

    def join(
        self,
        name: str,
        port: int = 5001,
        *,
        bt_id: bytes | None = None,
        blocks: int | None = None,
        replace: bool = False,
        remote: str = HOME,
    ) -> Welcome:
        return self.tracker.register(Registration(name, port, None, blocks, bt_id, replace), remote)

    def beat(self, name: str, bt_id: bytes | None = None, blocks: int | None = None, **more: int) -> Listing:
        return self.tracker.list_peers(name, Heartbeat(bt_id, blocks), HOME, **more)

    def announce(
        self,
        letter: str = "x",
        left: int | None = 100,
        event: Event = Event.NONE,
        remote: str = "10.0.0.9",
        numwant: int = 50,
    ) -> AnnounceReply:
        peer_id = b"-LT2110-" + letter.encode() * 12
        request = Announce(share().info_hash, peer_id, 6881, 0, 0, left, event, numwant)
        return self.tracker.announce(request, remote)

    def announce_as(self, peer_id: bytes, remote: str) -> None:
        self.tracker.announce(Announce(share().info_hash, peer_id, 6881), remote)

    def names(self) -> list[str]:
        return [row.name for row in self.tracker.status().rows]

    def holdings(self, name: str) -> int:
        return next(row.blocks for row in self.tracker.status().rows if row.name == name)


@pytest.fixture
def swarm() -> Swarm:
    return Swarm()


def addresses(answer: Welcome | Listing) -> list[PeerAddress]:
    return [entry.address for entry in answer.entries]


# Registration


def test_a_newcomer_is_granted_blocks_and_told_who_is_there(swarm: Swarm) -> None:
    swarm.join("ana", 5001, bt_id=wire_id("a"))
    welcome = swarm.join("bia", 5002)
    assert not welcome.returning
    assert welcome.new == welcome.granted
    assert 6 <= welcome.granted.bit_count() <= 10
    assert addresses(welcome) == [PeerAddress("ana", HOME, 5001, wire_id("a"))]
    assert swarm.holdings("bia") == 0  # a grant is delivered, not imagined


def test_registering_again_refreshes_and_grants_nothing_new(swarm: Swarm) -> None:
    first = swarm.join("ana", blocks=0b1)
    swarm.now += 50
    again = swarm.join("ana", blocks=0b11)
    assert (again.returning, again.new, again.granted) == (True, 0, first.granted)
    swarm.now += 50
    assert swarm.holdings("ana") == 0b11
    swarm.join("ana")
    assert swarm.holdings("ana") == 0b11, "blocks not said are blocks not changed"


def test_a_peer_that_expired_or_left_keeps_its_first_grant(swarm: Swarm) -> None:
    first = swarm.join("ana").granted
    swarm.now += 60
    back = swarm.join("ana")
    assert (back.returning, back.new, back.granted) == (False, 0, first)
    swarm.tracker.disconnect("ana", None, HOME)
    back = swarm.join("ana")
    assert (back.returning, back.new, back.granted) == (False, 0, first)


def test_a_peer_unheard_of_for_a_minute_is_gone_and_its_copies_with_it(swarm: Swarm) -> None:
    swarm.join("ana", blocks=ALL, bt_id=wire_id("a"))
    swarm.join("bia", 5002, blocks=1)
    swarm.now += 40
    swarm.beat("bia")
    swarm.now += 20
    assert swarm.names() == ["bia"]
    assert swarm.told[-1] == ("leave", wire_id("a"), 0)
    assert swarm.tracker.scrape(())[share().info_hash].complete == 0


def test_the_origin_learns_of_every_grant_and_of_the_id_that_replaces_another(swarm: Swarm) -> None:
    granted = swarm.join("ana", bt_id=wire_id("a")).granted
    swarm.join("ana", bt_id=wire_id("b"))
    swarm.tracker.disconnect("ana", wire_id("b"), HOME)
    assert swarm.told == [
        ("grant", wire_id("a"), granted),
        ("leave", wire_id("a"), 0),
        ("grant", wire_id("b"), granted),
        ("leave", wire_id("b"), 0),
    ]


# Names


def test_a_name_is_one_process(swarm: Swarm) -> None:
    swarm.join("ana", 5001, bt_id=wire_id("a"))
    with pytest.raises(RequestError, match=r"127\.0\.0\.1:5001.*another name") as caught:
        swarm.join("ana", 5002, bt_id=wire_id("b"))
    assert caught.value.status == 409
    assert caught.value.peer is not None
    assert caught.value.peer.address == PeerAddress("ana", HOME, 5001, wire_id("a"))
    assert swarm.beat("ana", wire_id("a")).registered


def test_a_dead_process_is_replaced_when_asked(swarm: Swarm) -> None:
    granted = swarm.join("ana", 5001, bt_id=wire_id("a")).granted
    welcome = swarm.join("ana", 5002, bt_id=wire_id("b"), replace=True)
    assert (welcome.new, welcome.granted) == (0, granted)
    assert addresses(swarm.beat("bia")) == [PeerAddress("ana", HOME, 5002, wire_id("b"))]


@pytest.mark.parametrize(("port", "letter"), [(5001, "b"), (5002, "a")])
def test_the_same_address_or_the_same_id_is_the_same_peer(swarm: Swarm, port: int, letter: str) -> None:
    swarm.join("ana", 5001, bt_id=wire_id("a"))
    assert swarm.join("ana", port, bt_id=wire_id(letter)).returning
    assert addresses(swarm.beat("bia")) == [PeerAddress("ana", HOME, port, wire_id(letter))]


def test_a_peer_without_an_id_never_conflicts(swarm: Swarm) -> None:
    swarm.join("ana", 5001)
    swarm.join("ana", 5002)
    swarm.join("bia", 5003, bt_id=wire_id("b"))
    swarm.join("bia", 5003)
    assert addresses(swarm.beat("caio")) == [
        PeerAddress("ana", HOME, 5002),
        PeerAddress("bia", HOME, 5003, wire_id("b")),
    ]
    swarm.join("bia", 5004)
    assert addresses(swarm.beat("caio"))[1] == PeerAddress("bia", HOME, 5004)


def test_an_id_keeps_its_name_from_a_peer_that_shows_none(swarm: Swarm) -> None:
    swarm.join("ana", 5001)
    with pytest.raises(RequestError):
        swarm.join("ana", 5002, bt_id=wire_id("b"))


def test_a_process_that_changes_its_name_is_one_peer(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"))
    swarm.join("bia", bt_id=wire_id("a"))
    assert swarm.names() == ["bia"]


# Heartbeats


def test_a_heartbeat_updates_holdings_and_figures(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"))
    figures = Figures(down_rate=5.0)
    swarm.now += 59
    swarm.tracker.list_peers("ana", Heartbeat(wire_id("a"), 0b11, figures), HOME)
    swarm.now += 59
    (row,) = swarm.tracker.status().rows
    assert (row.blocks, row.figures, row.timestamp) == (0b11, figures, 1059.0)


def test_an_existing_peer_beats_without_an_id(swarm: Swarm) -> None:
    swarm.join("ana")
    swarm.now += 59
    listing = swarm.beat("ana", None, 0b101)
    swarm.now += 59
    assert listing.registered
    assert swarm.holdings("ana") == 0b101


@pytest.mark.parametrize("stranger", [None, wire_id("b")])
def test_another_process_changes_nothing(swarm: Swarm, stranger: bytes | None) -> None:
    swarm.join("ana", bt_id=wire_id("a"), blocks=1)
    swarm.now += 30
    listing = swarm.beat("ana", stranger, ALL)
    assert listing.registered == (stranger is None)
    (row,) = swarm.tracker.status().rows
    assert (row.blocks, row.timestamp) == (1, 1000.0)


def test_the_asker_is_left_out_and_a_bounded_list_is_a_draw(swarm: Swarm) -> None:
    for number in range(30):
        swarm.join(f"p{number}", 5000 + number)
    swarm.tracker.report_origin(4999, ALL, Figures(), wire_id("o"))
    everyone = swarm.beat("p3")
    assert (len(everyone.entries), everyone.total) == (30, 30)
    assert "p3" not in {peer.name for peer in addresses(everyone)}
    some = swarm.beat("p3", numwant=5)
    assert (len(some.entries), some.total) == (5, 30)
    assert some.entries[0].address == PeerAddress("origin", HOME, 4999, wire_id("o"), True)
    assert swarm.beat("nobody").total == 31


def test_a_tracker_that_restarted_knows_nobody_and_takes_them_back(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"))
    restarted = Swarm()
    assert not restarted.beat("ana", wire_id("a"), 0b111).registered
    restarted.join("ana", bt_id=wire_id("a"), blocks=0b111)
    assert restarted.beat("ana", wire_id("a"), 0b1111).registered
    assert restarted.holdings("ana") == 0b1111


@pytest.mark.parametrize(("active", "interval"), [(1, 1.0), (100, 2.0), (1500, 20.0)])
def test_a_fuller_tracker_is_called_less_often(swarm: Swarm, active: int, interval: float) -> None:
    for number in range(active):
        welcome = swarm.join(f"p{number}")
    assert welcome.interval == interval


# Goodbyes


def test_goodbye(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"))
    with pytest.raises(RequestError) as other:
        swarm.tracker.disconnect("ana", wire_id("b"), HOME)
    swarm.tracker.disconnect("ana", wire_id("a"), HOME)
    with pytest.raises(RequestError) as unknown:
        swarm.tracker.disconnect("ana", None, HOME)
    assert (other.value.status, unknown.value.status) == (409, 404)
    assert swarm.names() == []


@pytest.mark.parametrize("near", ["9.9.9.9", HOME])
def test_a_goodbye_needs_no_id_but_its_own_machine_or_ours(swarm: Swarm, near: str) -> None:
    swarm.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    swarm.tracker.disconnect("ana", None, near)
    assert swarm.names() == []


@pytest.mark.parametrize("far", ["8.8.8.8", "10.0.0.66"])
def test_only_its_own_machine_speaks_for_a_peer(swarm: Swarm, far: str) -> None:
    swarm.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    swarm.join("old", remote="9.9.9.9")
    for attempt in (
        lambda: swarm.tracker.disconnect("ana", wire_id("a"), far),
        lambda: swarm.tracker.disconnect("ana", None, far),
        lambda: swarm.tracker.disconnect("old", None, far),
        lambda: swarm.join("ana", bt_id=wire_id("a"), remote=far),
        lambda: swarm.join("ana", remote=far),
        lambda: swarm.join("old", remote=far),
        lambda: swarm.join("eve", bt_id=wire_id("a"), remote=far),
        lambda: swarm.join("ana", bt_id=wire_id("e"), replace=True, remote="8.8.4.4"),
    ):
        with pytest.raises(RequestError) as caught:
            attempt()
        assert caught.value.status == 403
    swarm.announce_as(wire_id("a"), remote=far)
    assert [peer.ip for peer in addresses(swarm.beat("x"))] == ["9.9.9.9", "9.9.9.9"]
    swarm.tracker.disconnect("ana", wire_id("a"), "9.9.9.9")
    swarm.tracker.disconnect("old", None, "9.9.9.9")


@pytest.mark.parametrize("heir", ["9.9.9.9", HOME, "192.168.1.7"])
def test_a_dead_process_is_replaced_from_its_machine_or_from_nearby(swarm: Swarm, heir: str) -> None:
    swarm.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    swarm.join("ana", 5002, bt_id=wire_id("b"), replace=True, remote=heir)
    swarm.tracker.disconnect("ana", wire_id("b"), heir)


def test_a_peer_that_claims_another_address_of_its_own_may_still_leave(swarm: Swarm) -> None:
    swarm.tracker.register(Registration("ana", 5001, "192.168.1.5"), "10.0.0.2")
    swarm.tracker.disconnect("ana", None, "10.0.0.2")
    assert swarm.names() == []


# The origin


def test_the_origin_reports_itself_and_cannot_be_impersonated(swarm: Swarm) -> None:
    swarm.tracker.report_origin(4999, ALL, Figures(uploaded=3), wire_id("o"))
    swarm.now += 10_000
    swarm.tracker.report_origin(4998, ALL, Figures(uploaded=4), wire_id("p"))
    (row,) = swarm.tracker.status().rows
    assert (row.name, row.origin, row.port, row.figures.uploaded, row.given) == ("origin", True, 4998, 4, 0)
    impostor = Announce(share().info_hash, wire_id("p"), 6881, event=Event.STOPPED)
    for attempt in (
        lambda: swarm.join("ana", bt_id=wire_id("p")),
        lambda: swarm.tracker.announce(impostor, HOME),
        lambda: swarm.tracker.disconnect("origin", None, HOME),
    ):
        with pytest.raises(RequestError):
            attempt()
    swarm.tracker.list_peers("origin", Heartbeat(wire_id("p"), 0), HOME)
    assert swarm.holdings("origin") == ALL


# Addresses


def test_who_is_here_is_told_to_others_as_where_the_tracker_is(swarm: Swarm) -> None:
    swarm.tracker.report_origin(4999, ALL, Figures(), wire_id("o"), ip="0.0.0.0")
    swarm.join("ana")
    swarm.join("bia", remote="192.168.1.9")
    far = swarm.tracker.list_peers(None, Heartbeat(), "192.168.1.5")
    assert [peer.ip for peer in addresses(far)] == ["own-192.168.1.5", "own-192.168.1.5", "192.168.1.9"]
    assert [peer.ip for peer in addresses(swarm.beat("x"))] == ["0.0.0.0", HOME, "192.168.1.9"]


def test_this_machine_reaches_loopback_from_loopback() -> None:
    assert own_address_towards("127.0.0.1") == "127.0.0.1"
    assert own_address_towards("not an address") is None


# Announces


def test_clients_of_both_kinds_see_each_other(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"), remote="10.0.0.1")
    reply = swarm.announce()
    assert reply.peers == (PeerAddress("ana", "10.0.0.1", 5001, wire_id("a")),)
    assert (reply.complete, reply.incomplete) == (0, 2)
    (seen,) = addresses(swarm.beat("ana"))
    assert (seen.ip, seen.port, seen.bt_id) == ("10.0.0.9", 6881, b"-LT2110-" + b"x" * 12)
    assert seen.name.startswith("LT2110-")


def test_a_foreign_client_is_granted_blocks_under_its_id(swarm: Swarm) -> None:
    swarm.announce()
    swarm.announce()
    kind, bt_id, granted = swarm.told[0]
    assert (kind, bt_id) == ("grant", b"-LT2110-" + b"x" * 12)
    assert 6 <= granted.bit_count() <= 10
    assert set(swarm.told) == {swarm.told[0]}


def test_a_foreign_seed_holds_everything_and_is_granted_nothing(swarm: Swarm) -> None:
    reply = swarm.announce(left=0)
    (row,) = swarm.tracker.status().rows
    assert (row.blocks, row.given, row.figures.state) == (ALL, 0, State.COMPLETE)
    assert (reply.complete, reply.incomplete) == (1, 0)
    assert swarm.told == []


def test_scrape_counts_who_became_complete_here(swarm: Swarm) -> None:
    swarm.announce("s", left=0)
    swarm.announce("x", left=None)
    swarm.announce("x", left=0, event=Event.COMPLETED)
    swarm.announce("x", left=0, event=Event.COMPLETED)
    swarm.join("ana", blocks=ALL)
    swarm.join("bia", 5002)
    swarm.beat("bia", None, ALL)
    (counts,) = swarm.tracker.scrape(()).values()
    assert (counts.complete, counts.downloaded, counts.incomplete) == (4, 2, 0)
    assert swarm.tracker.scrape([share().info_hash]) == swarm.tracker.scrape(())
    assert swarm.tracker.scrape([bytes(20)]) == {}


def test_stopped_ends_an_entry_from_its_own_machine_only(swarm: Swarm) -> None:
    swarm.announce()
    swarm.announce(event=Event.STOPPED, remote="10.0.0.66")
    assert len(swarm.names()) == 1
    assert swarm.announce(event=Event.STOPPED).peers == ()
    assert swarm.names() == []
    swarm.announce(event=Event.STOPPED)


def test_an_announce_from_elsewhere_moves_nobody(swarm: Swarm) -> None:
    swarm.announce()
    swarm.announce(remote="10.0.0.66")
    assert [peer.ip for peer in addresses(swarm.beat("x"))] == ["10.0.0.9"]


def test_numwant_bounds_the_reply(swarm: Swarm) -> None:
    for number in range(10):
        swarm.join(f"p{number}", 5000 + number)
    assert len(swarm.announce(numwant=4).peers) == 4
    assert swarm.announce(numwant=0).peers == ()


def test_another_torrent_is_refused(swarm: Swarm) -> None:
    with pytest.raises(RequestError, match="/torrent"):
        swarm.tracker.announce(Announce(bytes(20), b"x" * 20, 6881), HOME)


def test_a_name_made_for_a_foreign_client_is_its_own(swarm: Swarm) -> None:
    swarm.announce()
    (name,) = swarm.names()
    swarm.announce(event=Event.STOPPED)
    swarm.join(name)
    swarm.announce()
    assert len(swarm.names()) == 2
    swarm.tracker.announce(Announce(share().info_hash, bytes(20), 6881), HOME)
    assert any(other.startswith("client-") for other in swarm.names())


def test_a_minibit_peer_may_announce_too_and_stays_one_peer(swarm: Swarm) -> None:
    swarm.join("ana", bt_id=wire_id("a"), blocks=0b1)
    swarm.now += 59
    swarm.tracker.announce(Announce(share().info_hash, wire_id("a"), 6881, left=0), HOME)
    swarm.now += 59
    assert swarm.holdings("ana") == 1
    assert swarm.names() == ["ana"]


# Status


def test_status_agrees_with_what_was_said(swarm: Swarm) -> None:
    swarm.tracker.report_origin(4999, ALL, Figures(), wire_id("o"))
    assert swarm.tracker.status().rarest_copies == 0
    given = swarm.join("bia", blocks=ALL).granted.bit_count()
    swarm.join("ana", 5002, blocks=ALL & ~1)
    swarm.now += 5
    view = swarm.tracker.status()
    assert [row.name for row in view.rows] == ["origin", "ana", "bia"]
    assert (view.uptime, view.rarest_copies, view.block_count, view.share) == (5.0, 1, COUNT, "sample.bin")
    assert [row.figures.state for row in view.peers] == [State.DOWNLOADING, State.COMPLETE]
    assert view.rows[2].given == given
    assert type(view).from_json(view.to_json()) == view


# Bounds


def test_ten_thousand_registrations_are_bounded_and_answered(swarm: Swarm) -> None:
    refused = 0
    for number in range(10_000):
        try:
            swarm.join(f"p{number}", bt_id=number.to_bytes(20, "big"))
        except RequestError as error:
            refused += error.status == 429
    assert refused == 10_000 - MAX_PEERS
    with pytest.raises(RequestError):
        swarm.announce()
    assert swarm.beat("p1", (1).to_bytes(20, "big"), numwant=50).registered
    swarm.now += 60
    assert not swarm.join("late").returning
    assert swarm.names() == ["late"]


def test_one_address_takes_a_part_of_the_places_only(swarm: Swarm) -> None:
    for number in range(MAX_PER_SOURCE):
        swarm.join(f"p{number}", remote="9.9.9.9")
    with pytest.raises(RequestError, match="from your address") as caught:
        swarm.join("one more", remote="9.9.9.9")
    assert caught.value.status == 429
    swarm.join("another", remote="8.8.8.8")
    swarm.tracker.disconnect("p0", None, "9.9.9.9")
    swarm.join("one more", remote="9.9.9.9")


def test_a_huge_share_has_fewer_places() -> None:
    assert capacity(2048) == MAX_PEERS
    assert 100 < capacity(1 << 21) < 500


def test_many_threads_leave_one_consistent_swarm() -> None:
    swarm = Swarm()
    failures: list[BaseException] = []

    def live(number: int) -> None:
        rng = Random(number)
        name, bt_id = f"p{number}", wire_id(chr(97 + number))
        try:
            for _ in range(60):
                swarm.join(name, 5000 + number, bt_id=bt_id)
                swarm.beat(name, bt_id, rng.getrandbits(COUNT))
                swarm.announce(chr(97 + number), left=rng.randrange(2))
                swarm.tracker.status()
                if rng.random() < 0.3:
                    swarm.tracker.disconnect(name, bt_id, HOME)
                    swarm.announce(chr(97 + number), event=Event.STOPPED)
            swarm.join(name, 5000 + number, bt_id=bt_id, blocks=ALL)
            swarm.announce(chr(97 + number), event=Event.STOPPED)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert swarm.names() == [f"p{number}" for number in range(6)]
    assert swarm.tracker.status().rarest_copies == 6
    (counts,) = swarm.tracker.scrape(()).values()
    assert (counts.complete, counts.incomplete) == (6, 0)
