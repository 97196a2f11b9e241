"""Who is slow, mute or short of memory, on the fake network in virtual time: a quick neighbour finds work."""

from fakes.fake_link import Net, Peer

from minibit import bitfield
from minibit.torrent.layout import CHUNK_SIZE, Layout

MIB = 1024 * 1024
CRAWL, QUICK = 1_000.0, 4.0 * MIB  # bytes per second


def leech(net: Net, seeds: list[Peer]) -> Peer:
    """A peer that has nothing, and meets these."""
    peer = net.join("leech")
    peer.meet(seeds)
    return peer


def wasted(peer: Peer) -> float:
    """What came and was not needed, as a part of the share."""
    return peer.engine.downloads.total / peer.engine.layout.total_size - 1


def test_three_tricklers_do_not_lock_a_quick_neighbour_out_of_the_last_block() -> None:
    layout = Layout(MIB, MIB)
    net = Net(layout)
    seeds = [net.join(f"trickler{n}", have=1, uplink=CRAWL, choking="unchoke-all") for n in range(3)]
    peer = leech(net, seeds)
    net.run(2.0)
    seeds.append(net.join("quick", have=1, uplink=QUICK, choking="unchoke-all"))
    peer.meet(seeds)
    assert net.finish([peer], seconds=600.0) < 5.0
    assert wasted(peer) < 0.05


def test_any_number_of_mutes_is_found_out_in_seconds() -> None:
    layout = Layout(MIB, MIB)
    net = Net(layout)
    mutes = [net.join(f"mute{n}", have=1, uplink=0.01, choking="unchoke-all") for n in range(12)]
    peer = leech(net, [*mutes, net.join("quick", have=1, uplink=QUICK, choking="unchoke-all")])
    assert net.finish([peer], seconds=600.0) < 20.0


def test_sole_holders_that_crawl_do_not_take_all_the_memory() -> None:
    """As three do that hold a block of 16 MiB each: there is memory for three."""
    layout = Layout(8 * MIB, MIB)
    full = bitfield.full(8)
    net = Net(layout)
    slow = [net.join(f"slow{n}", have=1 << n, uplink=2 * CRAWL, choking="unchoke-all") for n in range(3)]
    peer = net.join("leech")
    peer.engine.blocks.max_open = 3
    peer.meet(slow)
    net.run(5.0)
    rest = net.join("rest", have=full ^ 0b111, uplink=QUICK, choking="unchoke-all")
    peer.meet([rest])
    net.run(60.0, until=lambda: peer.engine.blocks.have == full ^ 0b111)
    assert peer.engine.blocks.have == full ^ 0b111, "all that the quick one has"
    net.finish([peer], seconds=1200.0)
    assert wasted(peer) < 0.1


def test_in_a_friendly_crowd_hardly_anything_is_fetched_twice() -> None:
    layout = Layout(96 * 4 * CHUNK_SIZE, 4 * CHUNK_SIZE)
    net = Net(layout)
    net.origin(uplink=MIB)
    peers = [net.join(f"peer{number}", uplink=MIB) for number in range(6)]
    net.introduce()
    net.finish(peers, seconds=120.0)
    assert sum(wasted(peer) for peer in peers) / len(peers) < 0.06, "on so small a share"
