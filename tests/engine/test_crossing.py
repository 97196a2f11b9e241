"""Two dials that cross: whatever comes first and whichever the other side gives up, one connection stays."""

from itertools import permutations
from typing import Final

import pytest
from fakes.fake_link import Net, Peer
from fakes.puppets import FULL, Stage, told
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minibit import bitfield
from minibit.address import Address
from minibit.engine.addresses import COMING_SECONDS, FIRST_RETRY
from minibit.engine.effects import Dial, Effect
from minibit.engine.greeting import AGAIN_SECONDS, CROSSED_SECONDS
from minibit.torrent.layout import Layout
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

BLOCKS = 8
LAYOUT = Layout(BLOCKS * 32768, 32768)
DELAY = 0.02  # seconds, one way
LISTENS: Final = ("10.0.0.7", 51413)
LOW, HIGH = b"a" * 20, b"z" * 20  # peer ids below and above our own
OURS, THEIRS = 1, 2  # who dialled


def dialled(effects: list[Effect]) -> list[Address]:
    return [effect.address for effect in effects if isinstance(effect, Dial)]


def joined(one: Peer, other: Peer) -> list[int]:
    return [len(peer.engine.neighbours) for peer in (one, other)]


# --- among ourselves


@settings(max_examples=100, deadline=None)
@given(
    names=st.permutations(["ana", "bia"]),
    seed=st.booleans(),
    gap=st.floats(-3 * DELAY, 3 * DELAY),
    chance=st.integers(0, 1000),
)
@example(names=["ana", "bia"], seed=False, gap=0.0, chance=1)
@example(names=["bia", "ana"], seed=False, gap=0.0, chance=1)
def test_of_two_peers_that_dial_each_other_one_connection_stays_and_both_finish(
    names: list[str], seed: bool, gap: float, chance: int
) -> None:
    net = Net(LAYOUT, delay=DELAY, seed=chance)
    half = bitfield.from_indices(range(BLOCKS // 2), BLOCKS)
    one = net.join(names[0], have=net_full() if seed else half)
    other = net.join(names[1], have=0 if seed else net_full() & ~half)
    one.meet([other])
    # A seed waits before it dials: the other hears of it just when it does.
    net.after((COMING_SECONDS if seed else 4 * DELAY) + gap, lambda: other.meet([one]))
    net.finish([one, other], seconds=COMING_SECONDS + 2.0)
    net.run(10.0)
    # Two that hold everything, one of whom dialled when it did already, part.
    assert joined(one, other) in ([[1, 1], [0, 0]] if seed else [[1, 1]])
    assert sum(isinstance(effect, Dial) for _, _, effect in net.trace) <= 2


def net_full() -> int:
    return bitfield.full(BLOCKS)


# --- with others, who have rules of their own

RULES = (
    "the first that was complete",
    "the last",
    "their own",
    "ours",
    "that of the lower id",
    "that of the higher id",
    "both",
)


def kept(rule: str, first: int, *, ours_is_lower: bool) -> int | None:
    """Which connection stays by this rule; None: both do."""
    lower = OURS if ours_is_lower else THEIRS
    wires = (first, OURS + THEIRS - first, THEIRS, OURS, lower, OURS + THEIRS - lower, None)
    return dict(zip(RULES, wires, strict=True))[rule]


EVENTS = ("they hear us on ours", "their answer on ours", "we hear them on theirs", "our answer on theirs")
ORDERS = [order for order in permutations(range(4)) if order.index(0) < order.index(1)]
ORDERS = [order for order in ORDERS if order.index(2) < order.index(3)]


class Foreigner:
    """A client that has dialled us as we have dialled it, and keeps one of two connections, by its rule."""

    def __init__(self, rule: str, peer_id: bytes, *, have: int, prompt: bool) -> None:
        self.stage = Stage(have=have)
        self.stage.note(self.stage.engine.peers_found(told((*LISTENS, peer_id)), self.stage.now))
        self.stage.wait(1.0)
        assert dialled(self.stage.effects) == [LISTENS]
        self._rule = rule
        self._peer_id = peer_id
        self._prompt = prompt  # whether we hear at once that it hangs up
        self._complete: list[int] = []  # at its end
        self._ended: list[int] = []  # by it, and not yet told
        self.stage.connect(OURS, outgoing=True, address=LISTENS)
        self.stage.connect(THEIRS, address=(LISTENS[0], 40000))

    def happens(self, event: int) -> None:
        stage, here = self.stage, self.stage.engine.neighbours
        if event == 0 and OURS in here:
            self._completes(OURS)
        elif event == 1 and OURS in self._complete and OURS in here:
            stage.greet(OURS, peer_id=self._peer_id)
        elif event == 2 and THEIRS in here and THEIRS not in self._ended:
            stage.greet(THEIRS, peer_id=self._peer_id)
        elif event == 3 and THEIRS in here and stage.neighbour(THEIRS).greeted:
            self._completes(THEIRS)

    def _completes(self, wire: int) -> None:
        if wire in self._ended:
            return
        self._complete.append(wire)
        lower = self.stage.engine.identity.peer_id < self._peer_id
        stays = kept(self._rule, self._complete[0], ours_is_lower=lower)
        if len(self._complete) == 2 and stays is not None:
            self._ends(OURS + THEIRS - stays)

    def _ends(self, wire: int) -> None:
        self._ended.append(wire)
        if self._prompt:
            self.tell()

    def tell(self) -> None:
        """We hear of all that it has hung up on."""
        for wire in self._ended:
            self.stage.leaves(wire)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("peer_id", [LOW, HIGH])
@pytest.mark.parametrize("have", [FULL, FULL - 1], ids=["seed", "leecher"])
@pytest.mark.parametrize("prompt", [True, False])
def test_whatever_the_others_keep_one_connection_is_there_in_a_moment(
    rule: str, peer_id: bytes, have: int, prompt: bool
) -> None:
    for order in ORDERS:
        them = Foreigner(rule, peer_id, have=have, prompt=prompt)
        for event in order:
            them.happens(event)
        them.tell()
        stage = them.stage
        neighbours = list(stage.engine.neighbours)
        assert len(neighbours) <= 1, order
        if neighbours:
            stage.says(
                neighbours[0], m.Extended(0, ExtendedHandshake(port=LISTENS[1]).encode()), m.HaveNone()
            )
            assert dialled(stage.wait(CROSSED_SECONDS)) == [], (order, "it is here")
        else:
            assert AGAIN_SECONDS[1] < FIRST_RETRY
            assert dialled(stage.wait(AGAIN_SECONDS[1])) == [LISTENS], (order, "both were given up")
            stage.puppet(3, outgoing=True, address=LISTENS, peer_id=peer_id)
            assert list(stage.engine.neighbours) == [3]


def test_both_being_given_up_is_no_theory() -> None:
    lost = 0
    for order in ORDERS:
        them = Foreigner("that of the higher id", HIGH, have=FULL, prompt=False)
        for event in order:
            them.happens(event)
        them.tell()
        lost += not them.stage.engine.neighbours
    assert lost


def test_one_that_lasted_a_while_is_dialled_like_any_other() -> None:
    them = Foreigner("both", HIGH, have=FULL, prompt=True)
    for event in range(4):
        them.happens(event)
    stage = them.stage
    (stays,) = stage.engine.neighbours
    stage.wait(CROSSED_SECONDS)
    stage.leaves(stays)
    assert dialled(stage.wait(AGAIN_SECONDS[1])) == []
    assert dialled(stage.wait(FIRST_RETRY)) == [LISTENS]


def test_it_is_given_up_in_the_end_all_the_same() -> None:
    stage = Stage(have=FULL)
    stage.note(stage.engine.peers_found(told((*LISTENS, HIGH)), stage.now))
    dials = 0
    for round in range(100):
        for _ in dialled(stage.wait(1.0)):
            dials += 1
            ours, theirs = 2 * round + 10, 2 * round + 11
            stage.connect(ours, outgoing=True, address=LISTENS)
            stage.connect(theirs, address=(LISTENS[0], 40000))
            for wire in (ours, theirs):
                stage.greet(wire, peer_id=HIGH)
            for wire in list(stage.engine.neighbours):
                stage.leaves(wire)
    assert dials == 6
