"""Whole swarms of engines on a fake network in virtual time: they finish, whoever comes, lies or leaves."""

from random import Random
from typing import Any

import pytest
from fakes.fake_link import Net, Peer

from minibit import bitfield
from minibit.engine.effects import Finished, HangUp
from minibit.engine.neighbour import source
from minibit.engine.places import MAX_NEIGHBOURS
from minibit.torrent.layout import Layout

BLOCKS = 24
LAYOUT = Layout(BLOCKS * 32768 - 5000, 32768)
FULL = bitfield.full(BLOCKS)
SLOW, QUICK = 200_000.0, 400_000.0  # bytes per second


def deal(rng: Random) -> int:
    """A grant, as the tracker deals it: 30–50 % of the blocks."""
    return bitfield.from_indices(
        rng.sample(range(BLOCKS), rng.randint(BLOCKS * 3 // 10, BLOCKS // 2)), BLOCKS
    )


def swarm(
    count: int, *, seed: int = 1, grants: bool = False, layout: Layout = LAYOUT, **options: Any
) -> tuple[Net, Peer, list[Peer]]:
    """An origin with a slow, limited uplink, and `count` peers that all know each other."""
    net = Net(layout, seed=seed)
    origin = net.origin(uplink=SLOW, upload_limit=SLOW)
    peers = [net.join(f"peer{number}", uplink=QUICK, **options) for number in range(count)]
    rng = Random(seed)
    for peer in peers if grants else ():
        grant(origin, peer, deal(rng))
    net.introduce()
    return net, origin, peers


def grant(origin: Peer, peer: Peer, blocks: int) -> None:
    peer_id = peer.engine.identity.peer_id
    origin.run(lambda now: origin.engine.granted(peer_id, blocks, now))


def copies_sent(origin: Peer) -> float:
    """How many times the size of the share the origin has sent."""
    return origin.engine.uploads.total / origin.engine.layout.total_size


def held_by(peers: list[Peer]) -> int:
    """The blocks that at least one of these peers holds."""
    held = 0
    for peer in peers:
        held |= peer.engine.blocks.have
    return held


def settled(net: Net, peers: list[Peer]) -> None:
    """After completion nothing is left over: no block open, nobody owes anything, nobody is banned."""
    net.run(5.0)
    for peer in peers:
        blocks = peer.engine.blocks
        assert (blocks.have, blocks.in_flight, blocks.verifying) == (blocks.full, 0, 0)
        assert peer.finished is not None
        assert peer.engine.banned == 0
        assert not any(n.supply.interesting or n.demand.unsent for n in peer.engine.neighbours.values())


@pytest.fixture(scope="module")
def twenty() -> tuple[Net, Peer, list[Peer], float]:
    net, origin, peers = swarm(20, grants=True)
    return net, origin, peers, net.finish(peers, seconds=300.0)


def test_twenty_peers_with_grants_all_finish(twenty: tuple[Net, Peer, list[Peer], float]) -> None:
    net, origin, peers, _ = twenty
    settled(net, peers)
    finished = [name for _, name, effect in net.trace if isinstance(effect, Finished)]
    assert sorted(finished) == sorted(peer.name for peer in peers)
    for peer in peers:
        assert peer.announced[-1] == "complete"
        assert len(peer.engine.neighbours) == 20
        assert peer.engine.downloads.corrupt == 0
    assert origin.engine.downloads.total == 0


def test_they_carry_most_of_it_themselves(twenty: tuple[Net, Peer, list[Peer], float]) -> None:
    _, origin, peers, seconds = twenty
    assert copies_sent(origin) < 8.0, "of the 20 that were delivered; the grants alone come to 8"
    assert sum(peer.engine.uploads.total for peer in peers) > 12 * LAYOUT.total_size
    assert seconds < 20 * LAYOUT.total_size / SLOW / 2, "half the time that the origin alone would need"


def test_the_same_seed_gives_the_same_swarm_to_the_last_effect(
    twenty: tuple[Net, Peer, list[Peer], float],
) -> None:
    net, _, _, seconds = twenty
    again, _, peers = swarm(20, grants=True)
    assert again.finish(peers, seconds=300.0) == seconds
    assert again.trace == net.trace[: len(again.trace)]
    assert len(again.trace) > 5_000


def test_another_seed_gives_another_swarm() -> None:
    traces = []
    for seed in (1, 2):
        net, _, _ = swarm(6, seed=seed)
        net.run(1.0)
        traces.append(net.trace)
    assert traces[0] != traces[1]


def test_without_grants_the_origin_sends_little_more_than_one_copy() -> None:
    net, origin, peers = swarm(8)
    net.finish(peers, seconds=120.0)
    assert copies_sent(origin) < 1.5


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("grants", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_every_swarm_finishes(count: int, grants: bool, plain: bool) -> None:
    net, origin, peers = swarm(count, grants=grants, plain=plain)
    net.finish(peers, seconds=120.0)
    settled(net, peers)
    if count == 1:
        assert copies_sent(origin) == 1.0


def test_plain_and_fast_peers_mix() -> None:
    net, _, peers = swarm(3)
    peers += [net.join(f"plain{number}", uplink=QUICK, plain=True) for number in range(3)]
    net.introduce()
    net.finish(peers, seconds=120.0)
    settled(net, peers)


@pytest.mark.parametrize("choking", ["tit-for-tat", "reciprocity", "unchoke-all"])
@pytest.mark.parametrize("picking", ["rarest-first", "random", "sequential"])
def test_every_strategy_finishes(picking: str, choking: str) -> None:
    net, _, peers = swarm(6, picking=picking, choking=choking)
    net.finish(peers, seconds=120.0)
    settled(net, peers)


@pytest.mark.parametrize(
    "layout", [Layout(1, 16384), Layout(16384, 16384), Layout(70_000, 65536), Layout(50_000, 1024)]
)
def test_shares_of_odd_sizes(layout: Layout) -> None:
    net, _, peers = swarm(3, layout=layout)
    net.finish(peers, seconds=60.0)
    settled(net, peers)


def test_when_the_only_holder_of_a_block_leaves_the_origin_offers_it_again() -> None:
    net, _, peers = swarm(6)
    net.run(60.0, until=lambda: bool(held_by(peers[:3]) & ~held_by(peers[3:])))
    assert held_by(peers[:3]) & ~held_by(peers[3:]), "they have something to take with them"
    for peer in peers[:3]:
        peer.leave()
    net.finish(peers[3:], seconds=120.0)


def test_a_swarm_without_its_origin_goes_on() -> None:
    net, origin, peers = swarm(5)
    net.run(600.0, until=lambda: held_by(peers) == FULL)
    origin.leave()
    net.finish(peers, seconds=120.0)


def test_late_comers_are_served_by_peers() -> None:
    net, origin, peers = swarm(5)
    net.finish(peers, seconds=120.0)
    origin.leave()
    late = [net.join(f"late{number}", uplink=QUICK) for number in range(3)]
    net.introduce()
    net.finish(late, seconds=120.0)
    settled(net, late)


def test_who_resumes_fetches_only_what_is_missing() -> None:
    net, _, peers = swarm(3)
    half = net.join("half", have=FULL >> 12 << 12, uplink=QUICK)
    net.introduce()
    net.finish([*peers, half], seconds=120.0)
    assert half.engine.downloads.verified == 12
    assert half.engine.downloads.total < 0.8 * LAYOUT.total_size, "endgame may ask twice"


def test_everybody_dials_everybody_and_one_connection_stays() -> None:
    net, _, peers = swarm(6)
    net.run(3.0)
    for peer in net.peers:
        ids = [n.peer_id for n in peer.engine.neighbours.values()]
        assert len(ids) == len(set(ids)) == 6
    twins = [effect for _, _, effect in net.trace if isinstance(effect, HangUp)]
    assert {effect.reason for effect in twins} <= {"a second connection to the same peer"}
    net.finish(peers, seconds=120.0)


def sources(*peers: Peer) -> set[bytes]:
    """What stands for these peers when it comes to guilt."""
    return {
        source(peer.address, peer.engine.identity.peer_id, outgoing=outgoing)
        for peer in peers
        for outgoing in (True, False)
    }


@pytest.mark.parametrize("spoilt", [FULL, 0b1, FULL // 3])
@pytest.mark.parametrize("plain", [False, True])
def test_a_liar_is_banned_and_the_honest_stay(spoilt: int, plain: bool) -> None:
    net, origin, peers = swarm(5, seed=5)  # by chance, somebody asks the liar for its one wrong block
    liar = net.join("liar", have=FULL, uplink=QUICK, spoil=spoilt, plain=plain)
    net.introduce()
    net.finish(peers, seconds=300.0)
    guilty = sources(liar)
    for peer in peers:
        assert set(peer.engine.addresses._banned) <= guilty
    assert any(peer.engine.downloads.corrupt for peer in peers)
    if spoilt.bit_count() > 1:
        assert any(peer.engine.banned for peer in peers)
    assert origin.engine.blocks.complete


def test_two_liars_among_many() -> None:
    net, _, peers = swarm(4)
    liars = [net.join(f"liar{number}", have=FULL, uplink=QUICK, spoil=FULL) for number in range(2)]
    net.introduce()
    net.finish(peers, seconds=300.0)
    guilty = sources(*liars)
    for peer in peers:
        assert set(peer.engine.addresses._banned) <= guilty


def test_no_uplink_carries_more_than_its_limit() -> None:
    net, origin, peers = swarm(8)
    net.run(3.0)
    assert origin.engine.uploads.total <= 3.0 * SLOW + 2 * 16384
    net.finish(peers, seconds=120.0)


def test_more_peers_than_one_may_have_neighbours_all_finish() -> None:
    layout = Layout(4 * 32768, 32768)
    net, origin, peers = swarm(MAX_NEIGHBOURS + 8, layout=layout)
    net.finish(peers, seconds=300.0)
    for peer in peers:
        assert len(peer.engine.neighbours) <= MAX_NEIGHBOURS + 1, "the origin finds a place"
    assert len(origin.engine.neighbours) == len(peers), "nobody misses it"


def test_one_slow_link_costs_the_others_little() -> None:
    net, _, peers = swarm(5)
    alone = net.finish(peers, seconds=300.0)
    net, _, peers = swarm(5)
    net.join("snail", uplink=1_000.0)
    net.introduce()
    assert net.finish(peers, seconds=300.0) < 1.5 * alone
