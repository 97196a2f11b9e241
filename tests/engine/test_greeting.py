"""Who may be a neighbour, and what both sides say first: greetings, ourselves, twins."""

from itertools import permutations

import pytest
from fakes.puppets import FULL, INFO_HASH, OWN_ID, Stage, both, piece, reject, request, told

from minibit.address import PeerAddress
from minibit.engine.effects import Dial, HangUp, Send
from minibit.engine.greeting import CLIENT, HANDSHAKE_SECONDS, MUTE_SECONDS, PROBE_SECONDS, SILENCE_SECONDS
from minibit.engine.uploads import MAX_QUEUED
from minibit.wire import messages as m
from minibit.wire.extended import MAX_SPAN, ExtendedHandshake

SAID = ExtendedHandshake(client=CLIENT, port=5000, queue=MAX_QUEUED, name="me", span=MAX_SPAN)
HELLO = m.Extended(0, SAID.encode())
GREETING = m.Handshake(INFO_HASH, OWN_ID)
LOW, HIGH = b"a" * 20, b"z" * 20  # peer ids below and above our own


# --- greetings


def test_we_greet_first_whom_we_dialled() -> None:
    stage = Stage()
    assert stage.connect(1, outgoing=True) == [Send(1, (GREETING,))]
    assert stage.greet(1) == [Send(1, (m.HaveNone(),)), Send(1, (HELLO,))]


def test_who_dialled_us_greets_first() -> None:
    stage = Stage()
    assert stage.connect(1) == []
    assert stage.greet(1) == [Send(1, (GREETING,)), Send(1, (m.HaveNone(),)), Send(1, (HELLO,))]


@pytest.mark.parametrize(
    ("have", "fast", "said"),
    [
        (0, True, [m.HaveNone()]),
        (FULL, True, [m.HaveAll()]),
        (0b1, True, [m.Bitfield(b"\x80")]),
        (0, False, []),
        (FULL, False, [m.Bitfield(b"\xff")]),
        (0b1, False, [m.Bitfield(b"\x80")]),
    ],
)
def test_we_tell_our_blocks_first(have: int, fast: bool, said: list[m.Message]) -> None:
    stage = Stage(have=have)
    stage.connect(1)
    stage.greet(1, fast=fast)
    assert stage.heard(1) == [GREETING, *said, *([HELLO] if fast else [])]


def test_who_a_neighbour_is() -> None:
    stage = Stage()
    stage.connect(1, outgoing=True)
    stage.greet(1)
    assert stage.neighbour(1).label == "10.0.0.1:6881"
    said = ExtendedHandshake(client="Other 1.0", queue=50, name="bia")
    stage.says(1, m.Extended(0, said.encode()))
    them = stage.neighbour(1)
    assert (them.label, them.client, them.supply.queue_limit, them.minibit) == ("bia", "Other 1.0", 50, True)
    stage.note(
        stage.engine.peers_found([PeerAddress("bianca", "10.0.0.1", 6881, them.peer_id, True)], stage.now)
    )
    assert (them.label, them.origin) == ("bianca", True)


def test_a_malformed_hello_costs_the_connection() -> None:
    stage = Stage()
    stage.puppet(1)
    assert stage.says(1, m.Extended(0, b"i1e")) == [HangUp(1, "extended handshake is not a dictionary")]


def test_small_talk_needs_no_answer() -> None:
    stage = Stage()
    stage.puppet(1)
    assert stage.says(1, m.KeepAlive(), m.Port(6881), m.SuggestPiece(0), m.Extended(7, b"anything")) == []


def test_another_share_is_another_matter() -> None:
    stage = Stage()
    stage.connect(1)
    assert stage.greet(1, info_hash=b"?" * 20) == [HangUp(1, "asks for another share")]
    assert stage.engine.neighbours == {}


def test_after_a_hang_up_nothing_of_the_same_read_counts() -> None:
    stage = Stage()
    stage.connect(1)
    effects = stage.says(1, m.Handshake(b"?" * 20, b"x" * 20), m.HaveAll(), m.Unchoke(), piece(0))
    assert effects == [HangUp(1, "asks for another share")]
    assert stage.engine.happened([(1, [m.Interested()])], stage.now) == []
    assert stage.engine.flushed(1, 5, stage.now) == []
    assert stage.engine.disconnected(1, stage.now) == []


# --- ourselves


def test_we_learn_our_own_address_by_dialling_it() -> None:
    stage = Stage()
    (dial,) = stage.note(stage.engine.peers_found(told(("10.0.0.9", 5000, None)), stage.now))
    assert dial == Dial(("10.0.0.9", 5000))
    stage.connect(1, outgoing=True, address=("10.0.0.9", 5000))
    stage.connect(2)
    # The end that accepted answers the greeting, so that the end that dialled learns whom it reached.
    assert stage.greet(2, peer_id=OWN_ID) == [Send(2, (GREETING,))]
    assert stage.greet(1, peer_id=OWN_ID) == [HangUp(1, "that is ourselves")]
    stage.leaves(2)
    assert stage.engine.neighbours == {}
    assert not any(isinstance(effect, Dial) for effect in stage.wait(300.0))
    assert stage.engine.peers_found(told(("10.0.0.9", 5000, None)), stage.now) == []


def test_a_stranger_that_claims_to_be_us_gets_nowhere() -> None:
    stage = Stage(have=FULL)
    stage.connect(1)
    stage.greet(1, peer_id=OWN_ID)
    assert stage.says(1, m.HaveAll(), m.Interested(), request(0)) == [HangUp(1, "that is ourselves")]
    stage.connect(2)
    stage.greet(2, peer_id=OWN_ID)
    assert HangUp(2, "no handshake") in stage.wait(HANDSHAKE_SECONDS + 2)


# --- twins


@pytest.mark.parametrize(
    ("peer_id", "first_outgoing", "kept"),
    [(HIGH, True, 1), (HIGH, False, 2), (LOW, True, 2), (LOW, False, 1)],
)
def test_of_two_connections_the_one_that_the_lower_id_dialled_stays(
    peer_id: bytes, first_outgoing: bool, kept: int
) -> None:
    stage = Stage()
    stage.connect(1, outgoing=first_outgoing)
    stage.connect(2, outgoing=not first_outgoing)
    stage.greet(1, peer_id=peer_id)
    stage.greet(2, peer_id=peer_id)
    assert list(stage.engine.neighbours) == [kept]
    assert stage.hung_up == {3 - kept: "a second connection to the same peer"}


@pytest.mark.parametrize("outgoing", [True, False])
def test_a_second_connection_the_same_way_is_refused(outgoing: bool) -> None:
    stage = Stage()
    for key in (1, 2):
        stage.connect(key, outgoing=outgoing)
        stage.greet(key, peer_id=HIGH)
    assert list(stage.engine.neighbours) == [1]


MEETING = [("accept", 1), ("answer", 1), ("accept", 2), ("answer", 2)]
ORDERS = [
    order
    for order in permutations(MEETING)
    if all(order.index(("accept", wire)) < order.index(("answer", wire)) for wire in (1, 2))
]


@pytest.mark.parametrize("order", ORDERS)
def test_both_sides_keep_the_same_one_whatever_comes_first(order: list[tuple[str, int]]) -> None:
    dialler, accepter = {1: LOW, 2: HIGH}, {1: HIGH, 2: LOW}
    sides = {who: Stage(peer_id=who) for who in (LOW, HIGH)}
    for who, stage in sides.items():
        for wire in (1, 2):
            stage.connect(wire, outgoing=dialler[wire] == who)
    answered: set[int] = set()
    for event, wire in order:
        far, near = sides[accepter[wire]], sides[dialler[wire]]
        if event == "accept":
            far.greet(wire, peer_id=dialler[wire])
            answered |= {wire} & set(far.engine.neighbours)
        elif wire in answered:
            near.greet(wire, peer_id=accepter[wire])
        else:
            near.leaves(wire)
    for here, there in ((sides[LOW], sides[HIGH]), (sides[HIGH], sides[LOW])):
        for wire in here.hung_up:
            there.leaves(wire)
    assert [list(stage.engine.neighbours) for stage in sides.values()] == [[1], [1]]


def test_a_stale_connection_is_given_up_in_the_end() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, peer_id=HIGH)  # its cable is cut: it will never be heard of again
    stage.wait(SILENCE_SECONDS + 2)
    assert set(stage.hung_up) == {1}


def comes_back(stage: Stage, key: int) -> bool:
    """The peer HIGH dials us again, and again: whether it is let in this time."""
    stage.connect(key, address=("10.0.0.1", 40000 + key))
    stage.greet(key, peer_id=HIGH)
    return key in stage.engine.neighbours


def test_who_comes_back_after_a_silent_break_waits_for_seconds_not_minutes() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, peer_id=HIGH)
    stage.wait(1.0)
    assert not comes_back(stage, 2)
    assert stage.heard(1) == [m.Request(0, 0, 1)], "the older one is made to speak"
    stage.wait(2.0)
    assert not comes_back(stage, 3)
    assert stage.heard(1) == [], "once is enough"
    stage.wait(PROBE_SECONDS)
    assert comes_back(stage, 4)
    assert set(stage.engine.neighbours) == {4}


@pytest.mark.parametrize("answer", [reject(0), m.KeepAlive()])
def test_a_neighbour_that_answers_keeps_its_place_whoever_claims_it(answer: m.Message) -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, peer_id=HIGH)
    for key in range(2, 40):
        stage.wait(5.0)
        assert not comes_back(stage, key)
        if stage.heard(1):
            stage.wait(PROBE_SECONDS - 1)
            stage.says(1, answer)
    assert list(stage.engine.neighbours) == [1]


def test_a_silent_break_of_a_plain_neighbour_is_known_by_its_silence() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, peer_id=HIGH, fast=False)
    stage.wait(MUTE_SECONDS - 1)
    assert not comes_back(stage, 2)
    assert stage.heard(1) == [], "nothing obliges it to answer"
    stage.wait(2.0)
    assert comes_back(stage, 3)


def test_who_is_made_to_speak_answers() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1)
    assert stage.says(1, m.Request(0, 0, 1)) == [Send(1, (m.RejectRequest(0, 0, 1),))]


def test_who_comes_from_where_a_tracker_lists_the_id_takes_the_place_of_who_does_not() -> None:
    stage = Stage()
    stage.puppet(1, peer_id=HIGH, address=("10.0.0.66", 40001))
    stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, HIGH)), stage.now))
    assert comes_back(stage, 2)
    assert list(stage.engine.neighbours) == [2]


@pytest.mark.parametrize("peer_id", [LOW, HIGH])
def test_a_connection_in_use_is_not_given_up_for_one_that_dials_us(peer_id: bytes) -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True, outgoing=True, peer_id=peer_id)
    stage.says(1, *both(0))
    stage.connect(2, address=("10.0.0.1", 40000))
    stage.greet(2, peer_id=peer_id)
    assert list(stage.engine.neighbours) == [1]


@pytest.mark.parametrize(("listed", "from_"), [("10.0.0.1", "10.0.0.66"), ("10.0.0.1", "10.0.0.1")])
def test_to_claim_the_id_of_a_listed_neighbour_does_not_evict_it(listed: str, from_: str) -> None:
    stage = Stage()
    stage.note(stage.engine.peers_found(told((listed, 6881, HIGH)), stage.now))
    stage.puppet(1, have=FULL, peer_id=HIGH, address=(listed, 40001))
    stage.connect(2, address=(from_, 40002))
    stage.greet(2, peer_id=HIGH)
    assert list(stage.engine.neighbours) == [1]


def test_a_claim_from_where_the_id_is_not_listed_is_no_recommendation() -> None:
    stage = Stage()
    stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, HIGH)), stage.now))
    stage.puppet(1, peer_id=HIGH, address=("10.0.0.66", 40001))
    stage.puppet(2, peer_id=LOW, address=("10.0.0.1", 40002))
    assert not stage.neighbour(1).expected
    assert not stage.neighbour(2).expected


def test_who_dials_us_is_no_origin_whatever_it_claims() -> None:
    stage = Stage()
    origin = PeerAddress("origin", "10.0.0.1", 6881, HIGH, True)
    stage.note(stage.engine.peers_found([origin], stage.now))
    stage.puppet(1, peer_id=HIGH, address=("10.0.0.1", 40001))
    impostor = stage.neighbour(1)
    assert (impostor.origin, impostor.name, impostor.expected) == (False, "", False)
