"""Scenarios as values: who comes when, the bound, and what cannot be."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from minibit.errors import UsageError
from minibit.lab.casting import refined, refuse_live
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario, plain

MIB = 1 << 20


def scenario(*kinds: PeerClass, **others: Any) -> Scenario:
    return Scenario(kinds or (PeerClass(count=3),), **({"size": 4 * MIB, "block_size": 64 << 10} | others))


@pytest.mark.parametrize("peers", [1, 12, 13, 100])
def test_every_peer_has_its_own_name(peers: int) -> None:
    names = [newcomer.name for newcomer in plain(peers, MIB, None).newcomers()]
    assert len(set(names)) == peers
    assert not {"origin", "tracker"} & set(names)


def test_classes_name_their_peers() -> None:
    played = scenario(PeerClass("fast", 2), PeerClass("rider"), PeerClass(count=2))
    assert [newcomer.name for newcomer in played.newcomers()] == ["fast1", "fast2", "rider", "ana", "bia"]


def test_peers_come_as_their_class_says_and_the_same_each_time() -> None:
    played = scenario(
        PeerClass("late", 3, start=5.0, arrive=Arrival.EVERY, arrive_seconds=2.0),
        PeerClass("poisson", 50, arrive=Arrival.POISSON, arrive_seconds=0.5),
    )
    coming = played.newcomers()
    assert coming == played.newcomers()
    assert [each.arrives for each in coming if each.kind.name == "late"] == [5.0, 7.0, 9.0]
    last = max(each.arrives for each in coming if each.kind.name == "poisson")
    assert 15 < last < 40
    assert [each.arrives for each in coming] == sorted(each.arrives for each in coming)
    assert coming != replace(played, seed=1).newcomers()


def test_the_bound_of_kumar_and_ross() -> None:
    assert plain(8, 64 * MIB, None, upload=4 * MIB).bound == 16.0
    assert scenario(PeerClass(count=8, upload=MIB), origin=OriginLine(upload=8 * MIB)).bound == 2.0
    assert scenario(PeerClass(count=8), origin=OriginLine(upload=MIB)).bound == 4.0
    assert scenario(PeerClass(download=MIB / 2)).bound == 8.0
    rider = PeerClass(upload=MIB, free_rider=True)
    assert scenario(rider, origin=OriginLine(upload=MIB)).bound == 4.0
    assert scenario().bound == 0.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scenario((), MIB, 1 << 14), "peers: nobody takes part: add a [[peers]] table"),
        (lambda: scenario(PeerClass(count=0)), "peers: nobody takes part"),
        (lambda: scenario(PeerClass(count=5001)), "at most 5,000"),
        (lambda: scenario(size=0), "size: there is nothing to share"),
        (lambda: scenario(block_size=3000), "block-size: 3000 cannot be: choose a power of two"),
        (lambda: scenario(block_size=1 << 25), "block-size"),
        (lambda: scenario(size=1 << 40, block_size=1 << 14), "is too small for 1.0 TiB: choose a larger one"),
        (lambda: scenario(grant=(0.5, 0.3)), "grant: it is LOW-HIGH"),
        (lambda: scenario(PeerClass(upload=0.5)), "peers.upload: 0.5 is no rate"),
        (lambda: scenario(origin=OriginLine(upload=1), size=1 << 40, block_size=1 << 20), "at best: raise"),
        (
            lambda: scenario(PeerClass(count=9, arrive=Arrival.EVERY, arrive_seconds=2e4)),
            "the last would come after 160,000 s",
        ),
        (lambda: scenario(origin=OriginLine(choking="unchoke-none")), "origin.choking: with unchoke-none"),
        (lambda: scenario(PeerClass(upload=-1.0)), "peers.upload: -1 is no rate"),
        (lambda: scenario(PeerClass(download=math.nan)), "peers.download: nan is no rate"),
        (lambda: scenario(origin=OriginLine(upload=-5.0)), "origin.upload: -5 is no rate"),
        (lambda: scenario(PeerClass(start=-1.0)), "peers.start: -1 s is no time"),
        (lambda: scenario(PeerClass(arrive=Arrival.EVERY)), "peers.arrive: 0 s apart is no time"),
        (lambda: scenario(latency=-0.1), "latency: -0.1 s is not one"),
        (lambda: scenario(neighbours=0), "neighbours: 0 cannot be: choose 1–50"),
        (lambda: scenario(PeerClass("a", 2), PeerClass("a1")), "peers.name: 'a1' is taken"),
        (lambda: scenario(PeerClass("origin")), "peers.name: 'origin'"),
        (lambda: scenario(PeerClass("../x")), "peers.name: '../x'"),
        (
            lambda: scenario(PeerClass(leave=Departure.KILLED, leave_seconds=3.0)),
            "peers.leave: everybody leaves before the end",
        ),
        (
            lambda: scenario(PeerClass(free_rider=True), origin=OriginLine(copies=1)),
            "origin.leave: nobody uploads once the origin is gone",
        ),
        (
            lambda: scenario(origin=OriginLine(upload=MIB, leave_seconds=3.0)),
            "origin.leave: in 3 s at 1.0 MiB/s the origin cannot give one copy of 4.0 MiB",
        ),
    ],
)
def test_what_cannot_be_is_named_with_its_remedy(make: Callable[[], Scenario], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_take_the_place_of_what_a_scenario_says() -> None:
    played = scenario(PeerClass("fast", 2, upload=5.0), PeerClass("slow", 6, upload=1.0))
    other = refined(
        played, peers=4, upload=9.0, picking="random", choking="unchoke-all", grant=(0.0, 0.0), seed=7
    )
    assert [kind.count for kind in other.classes] == [1, 3]
    assert {kind.upload for kind in other.classes} == {9.0} == {other.origin.upload}
    assert {kind.picking for kind in other.classes} == {"random"}
    assert {kind.choking for kind in other.classes} == {"unchoke-all"} == {other.origin.choking}
    assert (other.grant, other.seed) == ((0.0, 0.0), 7)
    assert refined(played) == played


def test_a_free_rider_stays_one_whatever_the_others_play() -> None:
    (kind,) = refined(scenario(PeerClass(free_rider=True)), choking="unchoke-all").classes
    assert kind.manners == "unchoke-none"


@pytest.mark.parametrize("peers", range(3, 40))
def test_more_or_fewer_peers_keep_the_proportions(peers: int) -> None:
    kinds = refined(scenario(PeerClass("a", 1), PeerClass("b", 3), PeerClass("c", 8)), peers=peers).classes
    assert sum(kind.count for kind in kinds) == peers
    for kind, part in zip(kinds, (1 / 12, 3 / 12, 8 / 12), strict=True):
        assert kind.count == 1 or abs(kind.count - part * peers) <= 1.5


def test_too_few_peers_for_the_classes() -> None:
    with pytest.raises(UsageError, match="--peers: scenario 'swarm' has 2 classes of peers"):
        refined(scenario(PeerClass("a"), PeerClass("b")), peers=1)


@pytest.mark.parametrize(
    ("played", "key"),
    [
        (scenario(PeerClass(uplink=1.0)), "peers.uplink"),
        (scenario(PeerClass("a", liar=True), PeerClass("b")), "peers.liar"),
        (scenario(PeerClass("a", leave=Departure.SILENT, leave_seconds=1.0), PeerClass("b")), "silent after"),
        (scenario(origin=OriginLine(uplink=1.0)), "origin.uplink"),
        (scenario(origin=OriginLine(copies=1)), "origin.leave"),
        (scenario(latency=0.1), "latency"),
        (scenario(neighbours=10), "neighbours"),
        (scenario(PeerClass(count=101)), "101 processes are too many"),
    ],
)
def test_what_real_processes_cannot_do_is_refused(played: Scenario, key: str) -> None:
    with pytest.raises(UsageError, match=key) as caught:
        refuse_live(played)
    assert "--simulate" in str(caught.value)


def test_what_real_processes_can_do() -> None:
    refuse_live(scenario(PeerClass("a", leave=Departure.KILLED, leave_seconds=2.0), PeerClass("b", 2)))


def test_an_origin_that_gives_only_grants_may_be_if_they_cover_everything() -> None:
    scenario(PeerClass(count=20), origin=OriginLine(choking="unchoke-none"))
    scenario(PeerClass(count=1), origin=OriginLine(choking="unchoke-none"), grant=(1.0, 1.0))
