"""What a journal hears, through the engine: every pick and every choice, each with its reasons."""

from fakes.puppets import FULL, Stage

from minibit.engine.journal import Chosen, Entry, Picked
from minibit.strategies.view import Slots


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
    told: list[Entry] = []
    effects = []
    for journal in (None, told.append):
        stage = Stage(have=0b1, journal=journal)
        for key in (1, 2, 3):
            stage.puppet(key, have=FULL, interested=True, unchokes=True)
        stage.wait(30.0)
        effects.append(stage.effects)
    assert effects[0] == effects[1]
    assert told
