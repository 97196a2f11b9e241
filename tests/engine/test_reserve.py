"""When web seeds are needed, and for what: never while peers do well."""

from random import Random
from typing import Any

from fakes.fake_link import Net, Peer
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.engine.reserve import PATIENCE, Reserve, stretch
from minibit.torrent.layout import Layout

LAYOUT = Layout(40 * 16384, 16384)
FULL = bitfield.full(40)
SEED = ("web seed m.example", 80)


class Scene:
    """A net, and one peer's reserve, looked at every second."""

    def __init__(self, **options: Any) -> None:
        self.net = Net(LAYOUT)
        self.ana = self.net.join("ana", **options)
        self.reserve = Reserve({SEED}, self.net.now)

    def after(self, seconds: float, brought: int = 0) -> int:
        """What is wanted then."""
        wanted = 0
        for _ in range(round(seconds)):
            self.net.run(1.0)
            wanted = self.reserve.wanted(self.ana.engine, brought, self.net.now)
        return wanted

    def meet(self, name: str, **options: Any) -> Peer:
        peer = self.net.join(name, **options)
        self.ana.meet([peer])
        return peer


def test_who_is_alone_asks_for_everything_after_a_while() -> None:
    scene = Scene()
    assert scene.after(PATIENCE - 1) == 0
    assert scene.after(1) == FULL


def test_what_peers_bring_is_waited_for() -> None:
    scene = Scene()
    scene.meet("bia", have=FULL, uplink=16384.0)
    assert scene.after(30) == 0
    assert 0 < scene.ana.engine.blocks.have.bit_count() < 40


def test_blocks_that_no_peer_shows_are_asked_for_and_no_others() -> None:
    scene = Scene()
    lost = 0b1001 << 20
    scene.meet("bia", have=FULL & ~lost, uplink=16384.0)
    assert scene.after(PATIENCE - 1) == 0
    assert scene.after(2) == lost


def test_an_origin_shows_its_blocks_one_after_the_other_and_is_waited_for() -> None:
    scene = Scene()
    origin = scene.meet("origin", have=FULL, uplink=16384.0, offering=True)
    scene.net.join("bia").meet([origin])
    assert scene.after(20) == 0
    assert scene.ana.engine.copies.held != FULL


def test_peers_that_fall_silent_and_come_back() -> None:
    scene = Scene()
    bia = scene.meet("bia", have=FULL, uplink=16384.0)
    assert scene.after(5) == 0
    bia.leave()
    assert scene.after(PATIENCE - 2) == 0
    missing = scene.after(4)
    assert missing == scene.ana.engine.blocks.missing != 0
    scene.meet("caio", have=FULL, uplink=16384.0)
    assert scene.after(3) == 0, "they bring more than a web seed that brings nothing"


def test_peers_that_come_back_have_to_bring_more_than_it_does() -> None:
    scene = Scene()
    assert scene.after(PATIENCE) == FULL
    engine = scene.ana.engine
    engine.connected(99, SEED, scene.net.now, outgoing=False)
    flow = engine.neighbours[99].supply.flow
    scene.meet("bia", have=FULL, uplink=8192.0)
    for _ in range(5):
        flow.add(16384, scene.net.now)
        assert scene.after(1) != 0
    assert scene.after(12) == 0


def test_what_web_seeds_brought_is_no_sign_of_peers() -> None:
    scene = Scene()
    assert scene.after(PATIENCE) == FULL
    engine = scene.ana.engine
    for _ in range(5):  # the engine counts later than the seed does
        engine.downloads.total += 16384
        assert scene.after(1, brought=engine.downloads.total + 4096) == FULL


def test_who_is_complete_needs_nobody() -> None:
    scene = Scene(have=FULL)
    assert scene.after(2 * PATIENCE) == 0


@given(st.integers(0, (1 << 60) - 1), st.integers(1, 70), st.integers())
def test_a_stretch_is_as_long_as_asked_for_or_as_gaps_let_it_be(blocks: int, most: int, seed: int) -> None:
    found = stretch(blocks, most, Random(seed))
    assert found & ~blocks == 0
    assert bool(found) == bool(blocks)
    if found:
        low = found & -found
        assert (found // low) & (found // low + 1) == 0, "in a row"
        assert found.bit_count() <= most
        longest = max(map(len, f"{blocks:b}".split("0")))
        assert 2 * found.bit_count() >= min(most, longest)
