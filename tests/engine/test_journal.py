"""What a journal hears, through the engine: every pick and every choice, each with its reasons."""

from fakes.puppets import FULL, Stage, told

from minibit.engine.journal import Chosen, DialFailed, Dialled, Entry, Met, Parted, Picked
from minibit.strategies.view import Slots
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake


def test_every_pick_is_told_with_whom_it_is_asked_of_and_why() -> None:
    heard: list[Entry] = []
    stage = Stage(have=FULL ^ 0b101, journal=heard.append)
    stage.puppet(7, have=FULL, unchokes=True)
    picks = [entry for entry in heard if isinstance(entry, Picked)]
    assert [(entry.at, entry.neighbour, entry.pick.block) for entry in picks] == [
        (stage.now, 7, 0),
        (stage.now, 7, 2),
    ]
    assert picks[0].pick.explain() == "block 0: first of 2 candidates"


def test_every_choice_is_told_in_a_round_and_between_two() -> None:
    heard: list[Entry] = []
    stage = Stage(have=FULL, journal=heard.append)
    stage.puppet(1, interested=True)
    choices = [entry for entry in heard if isinstance(entry, Chosen)]
    assert [(entry.round_due, entry.choice.slots) for entry in choices] == [(False, Slots((), 1))]
    assert choices[0].choice.explain() == "1 drawn with score 0"
    heard.clear()
    stage.wait(10.0)
    assert [entry.round_due for entry in heard if isinstance(entry, Chosen)] == [True]
    assert heard[-1].at == 1010.0


def test_a_journal_changes_nothing() -> None:
    noted: list[Entry] = []
    effects = []
    for journal in (None, noted.append):
        stage = Stage(have=0b1, journal=journal)
        for key in (1, 2, 3):
            stage.puppet(key, have=FULL, interested=True, unchokes=True)
        stage.wait(30.0)
        effects.append(stage.effects)
    assert effects[0] == effects[1]
    assert noted


def test_meetings_and_partings_are_told_once_each_with_the_reason() -> None:
    heard: list[Entry] = []
    stage = Stage(journal=heard.append)
    stage.puppet(1, minibit=True)
    stage.says(1, m.Extended(0, ExtendedHandshake(name="again").encode()))
    stage.connect(2)
    stage.greet(2, info_hash=b"?" * 20)
    stage.leaves(1)
    told = [entry for entry in heard if isinstance(entry, Met | Parted)]
    assert told == [
        Met(1000.0, 1),
        Parted(1000.0, 2, "asks for another share"),
        Parted(1000.0, 1, "the connection is over"),
    ]
    assert stage.hung_up == {2: "asks for another share"}


def test_a_dial_that_fails_is_told_twice() -> None:
    heard: list[Entry] = []
    stage = Stage(journal=heard.append)
    stage.note(stage.engine.peers_found(told(("10.0.0.7", 7, None)), stage.now))
    stage.note(stage.engine.dial_failed(("10.0.0.7", 7), stage.now))
    assert heard == [Dialled(1000.0, ("10.0.0.7", 7)), DialFailed(1000.0, ("10.0.0.7", 7))]
