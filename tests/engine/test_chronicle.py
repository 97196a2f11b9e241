"""What an engine's journal becomes: events with names, in order, each neighbour under one name."""

from typing import Any

from fakes.puppets import FULL, Stage, both, told

from minibit.engine.chronicle import Chronicle
from minibit.engine.journal import Picked as PickedEntry
from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.strategies.view import Pick
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake


class Chronicled:
    """A stage whose engine is chronicled from its first moment."""

    def __init__(self, **options: Any) -> None:
        self.heard: list[Entry] = []
        self.chronicle = Chronicle("me", self.heard.append, start=1000.0)
        self.stage = Stage(journal=self.chronicle, **options)
        self.chronicle.joined(self.stage.engine, "10.0.0.9:5000", 0b11, self.stage.now)

    def events(self, *wanted: type[Any]) -> list[Any]:
        """What was told since this was last asked, of these kinds or of all."""
        told, self.heard[:] = [entry.event for entry in self.heard], []
        return [event for event in told if not wanted or isinstance(event, wanted)]


def test_joining_says_what_was_granted_and_resumed() -> None:
    chronicled = Chronicled(have=0b101, upload_limit=5000.0, download_limit=7000.0)
    (entry,) = chronicled.heard
    assert (entry.t, entry.peer) == (0.0, "me")
    assert entry.event == kinds.Joined("10.0.0.9:5000", False, 5000.0, 0b11, 0b101, 7000.0)


def test_a_neighbour_is_told_of_under_one_name_whatever_it_calls_itself_later() -> None:
    chronicled = Chronicled(have=FULL)
    stage = chronicled.stage
    stage.puppet(1, minibit=True, interested=True)
    stage.says(1, m.Extended(0, ExtendedHandshake(name="somebody else").encode()))
    stage.says(1, m.NotInterested())
    stage.leaves(1)
    _, *events = chronicled.events()
    assert events == [
        kinds.Connected("puppet1", "10.0.0.1:6881", False, ""),
        kinds.Chosen(False, (), "puppet1", (("puppet1", 0.0),), (("puppet1", "drawn"),), "rare blocks held"),
        kinds.Chosen(False, (), None, (), (("puppet1", "lost interest"),), "rare blocks held"),
        kinds.Disconnected("puppet1", "the connection is over"),
    ]


def test_who_tells_no_name_is_called_by_its_address() -> None:
    chronicled = Chronicled()
    chronicled.stage.puppet(1, fast=False)
    assert chronicled.events(kinds.Connected)[0].who == "10.0.0.1:6881"


def test_a_neighbour_that_never_says_hello_is_connected_once_it_matters() -> None:
    chronicled = Chronicled(have=FULL)
    stage = chronicled.stage
    stage.connect(1)
    stage.greet(1)
    assert chronicled.events(kinds.Connected) == []
    stage.says(1, m.HaveNone(), m.Interested())
    assert [type(event) for event in chronicled.events()] == [kinds.Connected, kinds.Chosen]


def test_a_block_from_its_pick_to_its_verdict() -> None:
    chronicled = Chronicled(have=FULL ^ 0b1)
    stage = chronicled.stage
    stage.puppet(1, minibit=True, have=0b1, unchokes=True)
    stage.says(1, *both(0))
    stage.verified(0)
    assert chronicled.events(kinds.Picked, kinds.Verified, kinds.Completed) == [
        kinds.Picked(0, "puppet1", "first", 1, 1, None),
        kinds.Verified(0, (("puppet1", 2),)),
        kinds.Completed(),
    ]


def test_a_corrupt_block_and_the_ban_of_its_sender() -> None:
    chronicled = Chronicled(have=FULL ^ 0b11)
    stage = chronicled.stage
    stage.puppet(1, minibit=True, have=0b11, unchokes=True)
    for block in (0, 1):
        stage.says(1, *both(block))
        stage.verified(block, False)
    reason = "sent 2 corrupt blocks, the last one block 1"
    assert chronicled.events(kinds.Corrupt, kinds.Banned, kinds.Disconnected) == [
        kinds.Corrupt(0, (("puppet1", 2),)),
        kinds.Corrupt(1, (("puppet1", 2),)),
        kinds.Banned("puppet1", reason),
        kinds.Disconnected("puppet1", reason),
    ]


def test_a_dial_by_the_name_that_the_tracker_told() -> None:
    chronicled = Chronicled()
    stage = chronicled.stage
    stage.note(stage.engine.peers_found(told(("10.0.0.7", 7, b"x" * 20), ("10.0.0.8", 8, None)), stage.now))
    stage.note(stage.engine.dial_failed(("10.0.0.7", 7), stage.now))
    assert chronicled.events(kinds.Dialled, kinds.DialFailed) == [
        kinds.Dialled("peer7"),
        kinds.Dialled("10.0.0.8:8"),
        kinds.DialFailed("peer7"),
    ]


def test_who_left_is_named_by_the_choice_that_fills_its_place_and_then_forgotten() -> None:
    chronicled = Chronicled(have=FULL)
    stage = chronicled.stage
    for key in (1, 2):
        stage.puppet(key, minibit=True, interested=True)
    chronicled.events()
    stage.leaves(1)
    (choice,) = chronicled.events(kinds.Chosen)
    assert ("puppet1", "left") in choice.moves
    assert list(chronicled.chronicle._names.values()) == ["puppet2"]


def test_between_rounds_a_choice_that_moves_nobody_is_not_told() -> None:
    chronicled = Chronicled(have=FULL)
    stage = chronicled.stage
    stage.puppet(1, interested=True)
    stage.puppet(2)
    chronicled.events()
    stage.leaves(2)
    assert chronicled.events(kinds.Chosen) == []
    stage.wait(10.0)
    assert [choice.round_due for choice in chronicled.events(kinds.Chosen)] == [True]


def test_a_sample_says_who_owes_what_and_who_chokes_us() -> None:
    chronicled = Chronicled(have=FULL ^ 0b111)
    stage = chronicled.stage
    stage.puppet(1, minibit=True, have=0b1, unchokes=True)
    stage.puppet(2, minibit=True, have=0b10)
    stage.connect(3)
    chronicled.events()
    chronicled.chronicle.sample(stage.now)
    (sample,) = chronicled.events()
    assert sample.owed == (("puppet1", 2),)
    assert sample.choked_by == ("puppet2",)
    assert sample.unavailable == 1
    assert sample.in_flight == 1


def test_why_nothing_comes_is_told_once() -> None:
    chronicled = Chronicled(have=FULL ^ 0b1)
    stage = chronicled.stage
    stage.puppet(2, minibit=True, have=0b1)
    for _ in range(60):
        stage.wait(1.0)
        chronicled.chronicle.sample(stage.now)
    (stalled,) = chronicled.events(kinds.Stalled)
    assert stalled.lacking == 1
    assert stalled.reason.startswith(
        "nothing has come for 40 s: 1 of 8 blocks is missing; held but not served"
    )
    assert "puppet2" in stalled.reason


def test_what_is_not_known_any_more_is_no_reason_to_raise() -> None:
    chronicled = Chronicled()
    chronicled.chronicle(PickedEntry(1000.0, 99, Pick(0, 1, 1, "first")))
    (event,) = chronicled.events(kinds.Picked)
    assert event.who == "?"


def test_flooding_with_identities_is_remembered_to_a_bound() -> None:
    chronicled = Chronicled()
    stage = chronicled.stage
    for number in range(1100):
        stage.connect(1)
        stage.greet(1, peer_id=number.to_bytes(20), fast=False)
        stage.leaves(1)
    assert len(chronicled.chronicle._sources) == 1000
    assert len(chronicled.chronicle._names) <= 1


def test_who_was_met_before_the_share_was_known_is_told_of_when_it_is() -> None:
    heard: list[Entry] = []
    chronicle = Chronicle("me", heard.append, start=1000.0)
    stage = Stage(layout=None, journal=chronicle)
    stage.puppet(1, minibit=True, outgoing=True)
    stage.connect(2)
    assert heard == []
    chronicle.joined(stage.engine, "10.0.0.9:5000", 0, stage.now, have=0b1)
    assert [entry.event for entry in heard] == [
        kinds.Joined("10.0.0.9:5000", False, 0.0, 0, 0b1),
        kinds.Connected("puppet1", "10.0.0.1:6881", True, ""),
    ]
