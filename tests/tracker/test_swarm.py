"""The tracker's rules one by one, in virtual time: a clock is a number that the test holds."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import pytest
from msgspec.structs import replace

from minibit import bitfield
from minibit.address import Address, PeerAddress, compact_peers
from minibit.dialects.announce import Announce, AnnounceReply, Event
from minibit.dialects.json_replies import ConflictError, DoubtError, Listing, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, Registration
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, State, SwarmRow, SwarmStatus
from minibit.torrent.layout import Layout
from minibit.tracker.block_distributor import capacity
from minibit.tracker.notices import Granted, Left, Notice
from minibit.tracker.peer_manager import MAX_ACTIVE_PER_SOURCE
from minibit.tracker.swarm import Swarm

COUNT = 20
ALL = bitfield.full(COUNT)
HOME = "127.0.0.1"
HASH = bytes(range(20))
LAYOUT = Layout(COUNT * 16384, 16384)


def wire_id(letter: str) -> bytes:
    return letter.encode() * 20


@dataclass
class Crowd:
    """A swarm, a clock that stands still until told, and what the origin was told."""

    now: float = 1000.0
    told: list[Notice] = field(default_factory=list)
    swarm: Swarm = field(init=False)

    def __post_init__(self) -> None:
        self.swarm = Swarm("sample.bin", HASH, LAYOUT, rng=Random(7), now=self.now)

    def listen(self) -> list[Notice]:
        """All that the origin was told so far."""
        self.told += self.swarm.take_notices()
        return self.told

    def join(
        self,
        name: str,
        port: int = 5001,
        *,
        bt_id: bytes | None = None,
        blocks: int | None = None,
        replace: bool = False,
        remote: str = HOME,
        ip: str | None = None,
        absent: Address | None = None,
    ) -> Welcome:
        registration = Registration(name, port, ip, blocks, bt_id, replace)
        return self.swarm.register(registration, remote, self.now, absent=absent)

    def beat(
        self,
        name: str,
        bt_id: bytes | None = None,
        blocks: int | None = None,
        remote: str = HOME,
        numwant: int | None = None,
    ) -> Listing:
        beat = Heartbeat(bt_id, blocks)
        return self.swarm.list_peers(name, beat, self.now, numwant=numwant, remote=remote)

    def announce(
        self,
        letter: str = "x",
        left: int | None = 100,
        event: Event = Event.NONE,
        remote: str = "10.0.0.9",
        numwant: int = 50,
        port: int | None = None,
    ) -> AnnounceReply:
        peer_id = b"-LT2110-" + letter.encode() * 12
        port = port or 6881 + ord(letter) - ord("x")
        request = Announce(HASH, peer_id, port, 0, 0, left, event, numwant)
        return self.swarm.announce(request, remote, self.now)

    def announce_as(self, peer_id: bytes, remote: str) -> None:
        self.swarm.announce(Announce(HASH, peer_id, 6881), remote, self.now)

    def leave(self, name: str, bt_id: bytes | None = None, remote: str = HOME) -> None:
        self.swarm.disconnect(Goodbye(name, bt_id), remote, self.now)

    def report(
        self,
        port: int,
        letter: str,
        ip: str = HOME,
        uploaded: int = 0,
        met: Mapping[bytes, int] | None = None,
    ) -> None:
        figures = Figures(uploaded=uploaded)
        self.swarm.report_origin((ip, port), ALL, figures, wire_id(letter), self.now, met=met or {})

    def status(self) -> SwarmStatus:
        return self.swarm.status(self.now)

    def names(self) -> list[str]:
        return [row.name for row in self.status().rows]

    def row_of(self, client: str) -> SwarmRow:
        return next(row for row in self.status().rows if row.name.split()[0] == client)

    def holdings(self, name: str) -> int:
        return next(row.blocks for row in self.status().rows if row.name == name)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def addresses(answer: Welcome | Listing) -> list[PeerAddress]:
    return [entry.address for entry in answer.entries]


# Registration


def test_a_newcomer_is_granted_blocks_and_told_who_is_there(crowd: Crowd) -> None:
    crowd.join("ana", 5001, bt_id=wire_id("a"))
    welcome = crowd.join("bia", 5002)
    assert welcome.new == welcome.granted
    assert 6 <= welcome.granted.bit_count() <= 10
    assert addresses(welcome) == [PeerAddress("ana", HOME, 5001, wire_id("a"))]
    assert crowd.holdings("bia") == 0  # a grant is delivered, not imagined


def test_registering_again_refreshes_and_grants_nothing_new(crowd: Crowd) -> None:
    first = crowd.join("ana", blocks=0b1)
    crowd.now += 50
    again = crowd.join("ana", blocks=0b11)
    assert (again.new, again.granted) == (0, first.granted)
    crowd.now += 50
    assert crowd.holdings("ana") == 0b11
    crowd.join("ana")
    assert crowd.holdings("ana") == 0b11, "blocks not said are blocks not changed"
    crowd.join("ana", blocks=ALL)
    assert crowd.swarm.counts(crowd.now).downloaded == 1, "it became complete here"


def test_a_peer_that_expired_or_left_keeps_its_first_grant(crowd: Crowd) -> None:
    first = crowd.join("ana").granted
    crowd.now += 60
    assert crowd.names() == []
    back = crowd.join("ana", blocks=1)
    assert (back.new, back.granted) == (0, first)
    crowd.leave("ana", None, HOME)
    assert crowd.names() == []
    back = crowd.join("ana")
    assert (back.new, back.granted) == (0, first)
    assert crowd.holdings("ana") == 0, "a peer that comes back says anew what it holds"


def test_a_peer_unheard_of_for_a_minute_is_gone_and_its_copies_with_it(crowd: Crowd) -> None:
    crowd.join("ana", blocks=ALL, bt_id=wire_id("a"))
    crowd.join("bia", 5002, blocks=1)
    crowd.now += 40
    crowd.beat("bia")
    crowd.now += 20
    assert crowd.names() == ["bia"]
    assert crowd.listen()[-1] == Left(wire_id("a"))
    assert crowd.swarm.counts(crowd.now).complete == 0


def test_the_origin_learns_of_every_grant_and_of_the_id_that_replaces_another(crowd: Crowd) -> None:
    granted = crowd.join("ana", bt_id=wire_id("a")).granted
    crowd.join("ana", bt_id=wire_id("b"))
    crowd.leave("ana", wire_id("b"), HOME)
    assert crowd.listen() == [
        Granted(wire_id("a"), granted),
        Left(wire_id("a")),
        Granted(wire_id("b"), granted),
        Left(wire_id("b")),
    ]
    assert crowd.swarm.take_notices() == []


# Names


def test_a_name_belongs_to_one_process(crowd: Crowd) -> None:
    crowd.join("ana", 5001, bt_id=wire_id("a"))
    with pytest.raises(ConflictError, match=r"127\.0\.0\.1:5001.*another name") as caught:
        crowd.join("ana", 5002, bt_id=wire_id("b"))
    assert caught.value.status == 409
    assert caught.value.peer.address == PeerAddress("ana", HOME, 5001, wire_id("a"))
    assert crowd.beat("ana", wire_id("a")).registered


def test_a_dead_process_is_replaced_when_asked(crowd: Crowd) -> None:
    granted = crowd.join("ana", 5001, bt_id=wire_id("a")).granted
    welcome = crowd.join("ana", 5002, bt_id=wire_id("b"), replace=True)
    assert (welcome.new, welcome.granted) == (0, granted)
    assert addresses(crowd.beat("bia")) == [PeerAddress("ana", HOME, 5002, wire_id("b"))]


@pytest.mark.parametrize(("port", "letter"), [(5001, "b"), (5002, "a")])
def test_the_same_address_or_the_same_id_is_the_same_peer(crowd: Crowd, port: int, letter: str) -> None:
    first = crowd.join("ana", 5001, bt_id=wire_id("a"), blocks=0b1)
    again = crowd.join("ana", port, bt_id=wire_id(letter))
    assert (again.new, again.granted, crowd.holdings("ana")) == (0, first.granted, 0b1)
    assert addresses(crowd.beat("bia")) == [PeerAddress("ana", HOME, port, wire_id(letter))]


def test_a_peer_without_an_id_never_conflicts(crowd: Crowd) -> None:
    crowd.join("ana", 5001)
    crowd.join("ana", 5002)
    crowd.join("bia", 5003, bt_id=wire_id("b"))
    crowd.join("bia", 5003)
    assert addresses(crowd.beat("caio")) == [
        PeerAddress("ana", HOME, 5002),
        PeerAddress("bia", HOME, 5003, wire_id("b")),
    ]
    crowd.join("bia", 5004)
    assert addresses(crowd.beat("caio"))[1] == PeerAddress("bia", HOME, 5004)


def test_a_peer_with_an_id_does_not_take_the_name_of_one_without(crowd: Crowd) -> None:
    crowd.join("ana", 5001)
    with pytest.raises(RequestError):
        crowd.join("ana", 5002, bt_id=wire_id("b"))


def test_a_process_that_changes_its_name_is_one_peer(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"))
    crowd.join("bia", bt_id=wire_id("a"))
    assert crowd.names() == ["bia"]


# Heartbeats


def test_a_heartbeat_updates_holdings_and_figures(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"))
    figures = Figures(down_rate=5.0)
    crowd.now += 59
    crowd.swarm.list_peers("ana", Heartbeat(wire_id("a"), 0b11, figures), crowd.now)
    crowd.now += 59
    (row,) = crowd.status().rows
    assert (row.blocks, row.figures, row.timestamp) == (0b11, figures, 1059.0)


def test_a_heartbeat_needs_no_id(crowd: Crowd) -> None:
    crowd.join("ana")
    crowd.now += 59
    listing = crowd.beat("ana", None, 0b101)
    crowd.now += 59
    assert listing.registered
    assert crowd.holdings("ana") == 0b101


@pytest.mark.parametrize("stranger", [None, wire_id("b")])
def test_another_process_changes_nothing(crowd: Crowd, stranger: bytes | None) -> None:
    crowd.join("ana", bt_id=wire_id("a"), blocks=1)
    crowd.now += 30
    listing = crowd.beat("ana", stranger, ALL)
    assert listing.registered == (stranger is None)
    (row,) = crowd.status().rows
    assert (row.blocks, row.timestamp) == (1, 1000.0)


def test_the_asker_is_left_out_and_a_bounded_list_is_a_draw(crowd: Crowd) -> None:
    for number in range(30):
        crowd.join(f"p{number}", 5000 + number)
    crowd.report(4999, "o")
    everyone = crowd.beat("p3")
    assert (len(everyone.entries), everyone.total) == (30, 30)
    assert "p3" not in {peer.name for peer in addresses(everyone)}
    some = crowd.beat("p3", numwant=5)
    assert (len(some.entries), some.total) == (5, 30)
    assert some.entries[0].address == PeerAddress("origin", HOME, 4999, wire_id("o"), True)
    assert crowd.beat("nobody").total == 31


def test_a_tracker_that_restarted_knows_nobody_and_takes_them_back(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"))
    restarted = Crowd()
    assert not restarted.beat("ana", wire_id("a"), 0b111).registered
    restarted.join("ana", bt_id=wire_id("a"), blocks=0b111)
    assert restarted.beat("ana", wire_id("a"), 0b1111).registered
    assert restarted.holdings("ana") == 0b1111


@pytest.mark.parametrize(("active", "interval"), [(1, 1.0), (100, 6.25), (1500, 20.0)])
def test_a_fuller_tracker_is_called_less_often(crowd: Crowd, active: int, interval: float) -> None:
    for number in range(active):
        welcome = crowd.join(f"p{number}", remote=f"10.0.0.{number // 100}")
    assert welcome.interval == 1.0, "a newcomer asks again soon: the origin may have met others by then"
    assert crowd.beat("p0").interval == crowd.join("p0").interval == interval


# Goodbyes


def test_a_peer_leaves_by_a_goodbye_of_its_own(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"))
    with pytest.raises(RequestError) as other:
        crowd.leave("ana", wire_id("b"), HOME)
    crowd.leave("ana", wire_id("a"), HOME)
    with pytest.raises(RequestError) as unknown:
        crowd.leave("ana", None, HOME)
    assert (other.value.status, unknown.value.status) == (409, 404)
    assert crowd.names() == []


@pytest.mark.parametrize("near", ["9.9.9.9", HOME])
def test_a_goodbye_needs_no_id_but_its_own_machine_or_ours(crowd: Crowd, near: str) -> None:
    crowd.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    crowd.leave("ana", None, near)
    assert crowd.names() == []


@pytest.mark.parametrize("far", ["8.8.8.8", "10.0.0.66"])
def test_only_its_own_machine_speaks_for_a_peer(crowd: Crowd, far: str) -> None:
    crowd.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    crowd.join("old", remote="9.9.9.9")
    for attempt in (
        lambda: crowd.leave("ana", wire_id("a"), far),
        lambda: crowd.leave("ana", None, far),
        lambda: crowd.leave("old", None, far),
        lambda: crowd.join("ana", bt_id=wire_id("a"), remote=far),
        lambda: crowd.join("ana", remote=far),
        lambda: crowd.join("old", remote=far),
        lambda: crowd.join("eve", bt_id=wire_id("a"), remote=far),
        lambda: crowd.join("ana", bt_id=wire_id("e"), replace=True, remote="8.8.4.4"),
    ):
        with pytest.raises(RequestError) as caught:
            attempt()
        assert caught.value.status == 403
    crowd.announce_as(wire_id("a"), remote=far)
    assert [peer.ip for peer in addresses(crowd.beat("x"))] == ["9.9.9.9", "9.9.9.9"]
    crowd.leave("ana", wire_id("a"), "9.9.9.9")
    crowd.leave("old", None, "9.9.9.9")


@pytest.mark.parametrize("heir", ["9.9.9.9", HOME])
def test_a_dead_process_is_replaced_from_its_machine_or_from_ours(crowd: Crowd, heir: str) -> None:
    crowd.join("ana", bt_id=wire_id("a"), remote="9.9.9.9")
    crowd.join("ana", 5002, bt_id=wire_id("b"), replace=True, remote=heir)
    crowd.leave("ana", wire_id("b"), heir)


def test_a_peer_that_claims_another_address_of_its_own_may_still_leave(crowd: Crowd) -> None:
    crowd.swarm.register(Registration("ana", 5001, "192.168.1.5"), "10.0.0.2", crowd.now)
    crowd.leave("ana", None, "10.0.0.2")
    assert crowd.names() == []


def test_a_heartbeat_with_a_public_id_from_elsewhere_changes_nothing_and_keeps_no_ghost(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"), blocks=0b1, remote="10.0.0.1")
    crowd.join("old", blocks=0b1, remote="10.0.0.1")
    for _ in range(6):
        crowd.now += 10
        assert not crowd.beat("ana", wire_id("a"), ALL, remote="10.0.0.66").registered
        assert not crowd.beat("old", None, ALL, remote="10.0.0.66").registered
        assert {row.blocks for row in crowd.status().rows} <= {0b1}
    assert crowd.names() == []


def test_a_stranger_nearby_who_claims_a_peers_own_address_does_not_speak_for_it(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"), blocks=0b1, remote="10.0.0.1")
    crowd.announce(remote="10.0.0.2")
    (foreign,) = (name for name in crowd.names() if name != "ana")
    for attempt in (
        lambda: crowd.join("ana", 9, bt_id=wire_id("a"), blocks=ALL, remote="10.0.0.66", ip="10.0.0.1"),
        lambda: crowd.join("ana", blocks=ALL, remote="10.0.0.66", ip="10.0.0.1"),
        lambda: crowd.join("eve", bt_id=wire_id("a"), remote="10.0.0.66", ip="10.0.0.1"),
        lambda: crowd.join(foreign, remote="10.0.0.66", ip="10.0.0.2"),
    ):
        with pytest.raises(RequestError, match="another address"):
            attempt()
    assert crowd.holdings("ana") == 0b1
    with pytest.raises(RequestError):
        crowd.leave("ana", remote="10.0.0.66")


def test_a_live_peers_name_is_not_taken_over_from_another_near_address(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"), remote="10.0.0.1")
    at = ("10.0.0.1", 5001)

    def inherit(absent: Address | None = None) -> Welcome:
        return crowd.join("ana", 5002, bt_id=wire_id("e"), replace=True, remote="10.0.0.66", absent=absent)

    with pytest.raises(ConflictError):
        inherit(absent=at)  # she spoke just now, and so a door that is closed says nothing
    crowd.now += 5
    with pytest.raises(DoubtError) as caught:
        inherit()
    assert caught.value.at == at
    with pytest.raises(DoubtError):
        inherit(absent=("10.0.0.1", 22))
    assert crowd.beat("ana", wire_id("a"), remote="10.0.0.1").registered, "she is asked, and is there"
    crowd.now += 5
    inherit(absent=at)
    assert crowd.beat("ana", wire_id("e"), remote="10.0.0.66").registered


def test_no_door_is_knocked_at_that_was_only_claimed(crowd: Crowd) -> None:
    crowd.join("bait", 22, bt_id=wire_id("b"), remote="10.0.0.66", ip="10.0.0.1")
    crowd.now += 30
    with pytest.raises(RequestError) as caught:
        crowd.join("bait", 5002, bt_id=wire_id("e"), replace=True, remote="10.0.0.67")
    assert caught.value.status == 403


@pytest.mark.parametrize(("stranger", "fakes"), [("192.168.1.66", 200), ("203.0.113.5", 200), (HOME, 500)])
def test_four_thousand_invented_peers_do_not_keep_honest_ones_apart(
    crowd: Crowd, stranger: str, fakes: int
) -> None:
    refused = 0
    for number in range(4000):
        try:
            crowd.join(f"fake{number}", bt_id=number.to_bytes(20, "big"), remote=stranger)
        except RequestError as error:
            refused += error.status == 429
    assert 4000 - refused == fakes
    honest = "abcdefgh"
    for at, letter in enumerate(honest):
        crowd.join(letter, 6000 + at, bt_id=wire_id(letter), remote=f"192.168.1.{at}")
    crowd.report(4999, "o", met={**dict.fromkeys(map(wire_id, honest), 0), b"somebody who is not listed": 1})
    for at, letter in enumerate(honest):
        listing = crowd.beat(letter, wire_id(letter), remote=f"192.168.1.{at}", numwant=50)
        names = [peer.name for peer in addresses(listing)]
        assert set(names[:8]) == set(honest) - {letter} | {"origin"}
        assert len(names) == 50, "whoever the origin has not met yet may be honest too"


# The origin


def test_the_origin_reports_itself_and_cannot_be_impersonated(crowd: Crowd) -> None:
    crowd.report(4999, "o", uploaded=3)
    crowd.now += 10_000
    crowd.report(4998, "p", uploaded=4)
    (row,) = crowd.status().rows
    assert (row.name, row.origin, row.port, row.figures.uploaded, row.given) == ("origin", True, 4998, 4, 0)
    impostor = Announce(HASH, wire_id("p"), 6881, event=Event.STOPPED)
    for attempt in (
        lambda: crowd.join("ana", bt_id=wire_id("p")),
        lambda: crowd.swarm.announce(impostor, HOME, crowd.now),
        lambda: crowd.leave("origin", None, HOME),
    ):
        with pytest.raises(RequestError):
            attempt()
    crowd.swarm.list_peers("origin", Heartbeat(wire_id("p"), 0), crowd.now)
    assert crowd.holdings("origin") == ALL


# Announces


def test_clients_of_both_kinds_see_each_other(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"), remote="10.0.0.1")
    reply = crowd.announce()
    assert reply.peers == (PeerAddress("ana", "10.0.0.1", 5001, wire_id("a")),)
    assert (reply.complete, reply.incomplete) == (0, 2)
    (seen,) = addresses(crowd.beat("ana"))
    assert (seen.ip, seen.port, seen.bt_id) == ("10.0.0.9", 6881, b"-LT2110-" + b"x" * 12)
    assert seen.name.startswith("libtorrent 2.1.1 ")


def test_the_same_seed_deals_the_same_blocks_to_the_same_names_whoever_comes_first() -> None:
    names = ["ana", "bia", "caio"]
    one, other = Crowd(now=0.0), Crowd(now=0.0)
    dealt = {name: one.join(name, 5001 + at).granted for at, name in enumerate(names)}
    again = {name: other.join(name, 5001 + at).granted for at, name in enumerate(reversed(names))}
    assert again == dealt
    assert len(set(dealt.values())) == len(names)


def test_a_foreign_client_is_granted_blocks_under_its_id_and_the_origin_told_once(crowd: Crowd) -> None:
    crowd.announce()
    crowd.announce()
    (first,) = crowd.listen()
    assert isinstance(first, Granted)
    assert first.peer_id == b"-LT2110-" + b"x" * 12
    assert 6 <= first.blocks.bit_count() <= 10
    crowd.announce(event=Event.STOPPED)
    crowd.announce()
    assert crowd.listen() == [first, Left(first.peer_id), first]


def test_a_foreign_seed_holds_everything_and_is_granted_nothing(crowd: Crowd) -> None:
    reply = crowd.announce(left=0)
    (row,) = crowd.status().rows
    assert (row.blocks, row.given, row.figures.state) == (ALL, 0, State.COMPLETE)
    assert (reply.complete, reply.incomplete) == (1, 0)
    assert crowd.listen() == []


def test_a_client_that_restarts_is_listed_once(crowd: Crowd) -> None:
    crowd.announce("x")
    crowd.announce("y", left=0, port=6881)
    (row,) = crowd.status().rows
    assert (row.port, row.blocks) == (6881, ALL)
    assert crowd.listen()[-1] == Left(b"-LT2110-" + b"x" * 12)
    assert [peer.port for peer in crowd.announce("z").peers] == [6881]
    assert crowd.announce("z", port=6881).peers == (), "one that moves to where another one was"
    (row,) = crowd.status().rows
    assert (row.port, row.blocks) == (6881, 0)


def test_whatever_is_new_in_an_announce_that_repeats_others_is_filed(crowd: Crowd) -> None:
    """Each differs in one thing from what that client said before."""
    crowd.announce("x")
    for said, expected in (
        ({}, ("10.0.0.9", 6881, 0)),
        ({"port": 7000}, ("10.0.0.9", 7000, 0)),
        ({"port": 7000, "left": 0}, ("10.0.0.9", 7000, ALL)),
        ({"port": 7000, "left": 0, "remote": HOME}, (HOME, 7000, ALL)),
        ({"port": 7000, "left": 0, "remote": "10.0.0.9"}, (HOME, 7000, ALL)),  # which does not speak for it
        ({"port": 7000, "left": 3, "remote": HOME}, (HOME, 7000, 0)),
    ):
        crowd.announce("x", **said)
        (row,) = crowd.status().rows
        assert (row.ip, row.port, row.blocks) == expected
    crowd.now += 30
    crowd.announce("x", left=3, port=7000, remote=HOME)
    (row,) = crowd.status().rows
    assert row.timestamp == crowd.now, "a repeated one is a sign of life"


def test_a_stranger_nearby_replaces_nobody_by_claiming_its_address(crowd: Crowd) -> None:
    crowd.announce("x", remote="10.0.0.9")
    for port in (6881, 7000):
        claim = Announce(HASH, wire_id("e"), port, ip="10.0.0.9")
        if port == 6881:
            with pytest.raises(RequestError, match="its own machine"):
                crowd.swarm.announce(claim, "10.0.0.66", crowd.now)
        else:
            crowd.swarm.announce(claim, "10.0.0.66", crowd.now)
            with pytest.raises(RequestError, match="its own machine"):
                crowd.swarm.announce(replace(claim, port=6881), "10.0.0.66", crowd.now)
    assert sorted(row.port for row in crowd.status().rows) == [6881, 7000]


def test_what_a_foreign_client_holds_is_what_the_origin_sees(crowd: Crowd) -> None:
    peer_id = b"-LT2110-" + b"x" * 12
    crowd.announce("x", left=100)
    crowd.join("ana", bt_id=wire_id("a"), blocks=1)
    crowd.report(4999, "o", met={peer_id: 0b1011, wire_id("a"): ALL, b"somebody": 1})
    held = {row.name.split()[0]: row.blocks for row in crowd.status().peers}
    assert held == {"ana": 1, "libtorrent": 0b1011}, "a MiniBit peer says itself what it holds"
    crowd.announce("x", left=90)
    crowd.report(4999, "o")
    assert crowd.row_of("libtorrent").blocks == 0b1011, "it has met others since, and told us nothing new"
    crowd.report(4999, "o", met={peer_id: ALL})
    row = crowd.row_of("libtorrent")
    assert (row.blocks, row.figures.state) == (ALL, State.COMPLETE), "though it never says so"
    crowd.announce("x", left=0)
    crowd.report(4999, "o", met={peer_id: 0})
    assert crowd.row_of("libtorrent").blocks == ALL
    crowd.announce("x", left=100)
    assert crowd.row_of("libtorrent").blocks == 0, "it has found something spoilt"
    assert crowd.swarm.counts(crowd.now).downloaded == 1


def test_a_scrape_counts_who_became_complete_here(crowd: Crowd) -> None:
    crowd.announce("s", left=0)
    crowd.announce("x", left=None)
    crowd.announce("x", left=0, event=Event.COMPLETED)
    crowd.announce("x", left=0, event=Event.COMPLETED)
    crowd.join("ana", blocks=ALL)
    crowd.join("bia", 5002)
    crowd.beat("bia", None, ALL)
    counts = crowd.swarm.counts(crowd.now)
    assert (counts.complete, counts.downloaded, counts.incomplete) == (4, 2, 0)


def test_an_announce_of_stopped_counts_from_the_clients_own_machine_only(crowd: Crowd) -> None:
    crowd.announce()
    crowd.announce(event=Event.STOPPED, remote="10.0.0.66")
    assert len(crowd.names()) == 1
    assert crowd.announce(event=Event.STOPPED).peers == ()
    assert crowd.names() == []
    crowd.announce(event=Event.STOPPED)


def test_an_announce_that_a_web_page_made_a_browser_send_ends_only_what_came_by_announce(
    crowd: Crowd,
) -> None:
    crowd.join("ana", bt_id=wire_id("a"), blocks=0b1)
    before = crowd.status()
    for event in Event:
        stopped = Announce(HASH, wire_id("a"), 6881, left=0, event=event)
        crowd.swarm.announce(stopped, HOME, crowd.now)
    assert crowd.status() == before
    crowd.now += 60
    assert crowd.names() == []


def test_an_announce_from_elsewhere_moves_nobody(crowd: Crowd) -> None:
    crowd.announce()
    crowd.announce(remote="10.0.0.66")
    assert [peer.ip for peer in addresses(crowd.beat("x"))] == ["10.0.0.9"]


@pytest.mark.parametrize("grant", [(0.3, 0.5), (0.0, 0.0)])
def test_the_origin_hears_of_a_clients_grant_when_it_begins_to_lack_blocks_and_not_with_each_announce(
    grant: tuple[float, float],
) -> None:
    swarm = Swarm("sample.bin", HASH, LAYOUT, rng=Random(7), now=0.0, grant=grant)
    for left, dealt in ((0, 0), (7, 1), (7, 0), (None, 0), (0, 0), (7, 1)):
        swarm.announce(Announce(HASH, wire_id("x"), 6881, left=left), "10.0.0.9", 0.0)
        assert len(swarm.take_notices()) == dealt


def test_packed_or_not_an_announce_is_told_of_the_same_peers(crowd: Crowd) -> None:
    crowd.report(4999, "o", ip="192.168.1.1")
    for number, letter in enumerate("abcdef"):
        crowd.announce(letter, remote=f"10.0.0.{number}" if number % 2 else f"2001:db8::{number}")
    asked = Announce(HASH, b"-LT2110-" + b"a" * 12, 6881 + ord("a") - ord("x"), left=100)
    one_by_one = crowd.swarm.announce(asked, "2001:db8::0", crowd.now)
    packed = crowd.swarm.announce(asked, "2001:db8::0", crowd.now, packed=True)
    four, six = compact_peers(packed.peers)
    told = Counter(re.findall(b"(?s).{6}", four + packed.four)) + Counter(
        re.findall(b"(?s).{18}", six + packed.six)
    )
    assert told == Counter(peer.packed for peer in one_by_one.peers)
    assert told.total() == 6


def test_numwant_bounds_the_reply(crowd: Crowd) -> None:
    for number in range(10):
        crowd.join(f"p{number}", 5000 + number)
    assert len(crowd.announce(numwant=4).peers) == 4
    assert crowd.announce(numwant=0).peers == ()


def test_a_name_made_for_a_foreign_client_is_its_own(crowd: Crowd) -> None:
    crowd.announce()
    (name,) = crowd.names()
    crowd.announce(event=Event.STOPPED)
    crowd.join(name)
    crowd.announce()
    assert len(crowd.names()) == 2
    crowd.announce_as(bytes(20), HOME)
    assert any(other.startswith("client ") for other in crowd.names())


def test_a_minibit_peer_may_announce_too_and_stays_one_peer(crowd: Crowd) -> None:
    crowd.join("ana", bt_id=wire_id("a"), blocks=0b1)
    reply = crowd.swarm.announce(Announce(HASH, wire_id("a"), 6881, left=0), HOME, crowd.now)
    assert (reply.incomplete, reply.peers) == (1, ())
    assert crowd.holdings("ana") == 1
    assert crowd.names() == ["ana"]


# Status


def test_status_agrees_with_what_was_said(crowd: Crowd) -> None:
    crowd.report(4999, "o")
    assert crowd.status().rarest_copies == 0
    given = crowd.join("bia", blocks=ALL).granted.bit_count()
    crowd.join("ana", 5002, blocks=ALL & ~1)
    crowd.now += 5
    view = crowd.status()
    assert [row.name for row in view.rows] == ["origin", "ana", "bia"]
    assert (view.uptime, view.rarest_copies, view.block_count, view.share) == (5.0, 1, COUNT, "sample.bin")
    assert [row.figures.state for row in view.peers] == [State.DOWNLOADING, State.COMPLETE]
    assert view.rows[2].given == given
    assert type(view).from_json(view.to_json()) == view


# Bounds


def test_registrations_beyond_all_room_are_refused_and_everyone_else_is_answered() -> None:
    """In the largest share that there is, which has the fewest places."""
    count = 1 << 21
    swarm = Swarm("sample.bin", HASH, Layout(count * 16384, 16384), rng=Random(7), now=0.0, grant=(0, 0))
    places, refused = capacity(count), 0
    for number in range(places + 300):
        registration = Registration(f"p{number}", 5001, bt_id=number.to_bytes(20, "big"))
        try:
            swarm.register(registration, HOME, 0.0)
        except RequestError as error:
            refused += error.status == 429
    assert refused == 300
    with pytest.raises(RequestError, match="limit"):
        swarm.announce(Announce(HASH, wire_id("x"), 6881), HOME, 0.0)
    assert swarm.list_peers("p1", Heartbeat((1).to_bytes(20, "big")), 0.0, numwant=50).registered
    swarm.register(Registration("late", 5001), HOME, 60.0)
    assert [row.name for row in swarm.status(60.0).rows] == ["late"]


def test_one_address_takes_a_part_of_the_places_only(crowd: Crowd) -> None:
    for number in range(MAX_ACTIVE_PER_SOURCE):
        crowd.join(f"p{number}", remote="9.9.9.9")
    with pytest.raises(RequestError, match="from your address") as caught:
        crowd.join("one more", remote="9.9.9.9")
    assert caught.value.status == 429
    crowd.join("another", remote="8.8.8.8")
    crowd.leave("p0", None, "9.9.9.9")
    crowd.join("one more", remote="9.9.9.9")
    crowd.join("p1", 5002, remote="9.9.9.9")


# Side by side


def test_swarms_side_by_side_share_nothing_not_even_time() -> None:
    early, late = Crowd(now=1000.0), Crowd(now=5_000_000.0)
    granted = early.join("ana", bt_id=wire_id("a"), blocks=ALL).granted
    assert late.names() == []
    assert late.join("ana", bt_id=wire_id("a")).granted == granted, "the same seed, the same draw"
    late.now += 60
    assert late.names() == []
    assert early.names() == ["ana"]
    assert early.listen() == [Granted(wire_id("a"), granted)]
    assert late.listen() == [Granted(wire_id("a"), granted), Left(wire_id("a"))]
    assert (early.status().uptime, late.status().uptime) == (0.0, 60.0)


def test_a_week_of_a_swarm_in_virtual_time() -> None:
    """Peers come, beat and go silent, at a pace that no real clock could keep."""

    def live(seed: int) -> list[Notice]:
        rng, crowd = Random(seed), Crowd(now=0.0)
        crowd.swarm = Swarm("sample.bin", HASH, LAYOUT, rng=Random(seed), now=0.0)
        for step in range(2000):
            crowd.now += rng.expovariate(2000 / (7 * 86400))
            letter = chr(97 + step % 26)
            crowd.join(letter, 5000 + step % 26, bt_id=wire_id(letter), blocks=rng.getrandbits(COUNT))
            for _ in range(rng.randrange(3)):
                crowd.now += 30
                crowd.beat(letter, wire_id(letter), rng.getrandbits(COUNT))
        crowd.now += 60
        assert crowd.status().peers == ()
        assert crowd.swarm.counts(crowd.now).complete == 0
        return crowd.listen()

    assert live(1) == live(1)
    assert live(1) != live(2)


def test_the_origin_is_told_of_those_that_lack_blocks(crowd: Crowd) -> None:
    crowd.report(9999, "o")
    crowd.join("ana", 5001, blocks=ALL)
    crowd.join("bia", 5002, blocks=1)
    crowd.announce("x", left=0, port=6001)
    crowd.announce("y", left=5, port=6002)
    assert sorted(peer.port for peer in crowd.swarm.needy(crowd.now)) == [5002, 6002]
    crowd.now += 100.0
    assert [peer.port for peer in crowd.swarm.needy(crowd.now)] == [6002]
