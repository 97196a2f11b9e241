"""A strategy that raises, or answers what is no answer, is told with its name, its file and its line."""

from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from fakes.onlookers import StandIn, seen

from minibit.errors import StrategyError
from minibit.strategies import asking
from minibit.strategies.alternatives import Sequential, UnchokeAll
from minibit.strategies.view import Choice, Pick, Slots, SwarmView

VIEW = seen([StandIn(1, 0b110)], candidates=0b110)

OWN = """\
from minibit.strategies.choking_manager import manage

class Hasty:
    def pick(self, view, now, rng):
        return self.worst(view)

    def worst(self, view):
        return 1 // 0

    def choke(self, view, now, rng):
        return manage(view, rng, self.score)

    def score(self, neighbour):
        return neighbour.charm
"""


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A strategy of the user's own, in a file of its own."""
    path = tmp_path / "hasty.py"
    path.write_text(OWN)
    module = ModuleType("hasty")
    exec(compile(OWN, str(path), "exec"), module.__dict__)
    return module.Hasty()


class Stubborn:
    """Gives one answer to every question."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def pick(self, view: SwarmView, now: float, rng: Random) -> Any:  # noqa: ARG002
        return self.answer

    choke = pick


def test_what_is_right_passes() -> None:
    rng = Random(1)
    assert asking.pick(Sequential(), VIEW, 0.0, rng) == Pick(1, 0b110, 0b10, "first")
    assert asking.pick(Stubborn(None), VIEW, 0.0, rng) is None
    assert asking.choke(UnchokeAll(), VIEW, 0.0, rng).slots == Slots((1,))


def test_where_it_raised_is_told(own: Any) -> None:
    with pytest.raises(StrategyError) as caught:
        asking.pick(own, VIEW, 0.0, Random(1))
    assert str(caught.value).startswith("the picking strategy hasty.Hasty raised ZeroDivisionError: ")
    assert str(caught.value).endswith("hasty.py, line 8)")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_it_is_the_users_line_that_is_told_though_ours_lies_between(own: Any) -> None:
    with pytest.raises(StrategyError, match=r"hasty\.Hasty raised AttributeError: .*hasty\.py, line 14\)"):
        asking.choke(own, VIEW, 0.0, Random(1))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (1, r"answered 1, not a Pick or None"),
        (Choice(Slots()), r"answered Choice\(.*, not a Pick or None"),
        (Pick("1", 2, 2, "odd"), r"not a Pick of whole numbers"),  # type: ignore[arg-type]
        (Pick(True, 2, 2, "odd"), r"not a Pick of whole numbers"),
        (Pick(1.0, 2, 2, "odd"), r"not a Pick of whole numbers"),  # type: ignore[arg-type]
        (Pick(1, None, 2, "odd"), r"not a Pick of whole numbers"),  # type: ignore[arg-type]
        (Pick(1, 2, "x", "odd"), r"not a Pick of whole numbers"),  # type: ignore[arg-type]
        (Pick(1, 2, 2, 7), r"and a rule's name"),  # type: ignore[arg-type]
        (Pick(1, 2, 2, "odd", "many"), r"copies are a whole number or None"),  # type: ignore[arg-type]
        (Pick(1 << 5000, 2, 2, "odd"), r"a Pick that cannot be shown|not one of view\.candidates"),
        (Pick(0, 1, 1, "mine"), r"Stubborn chose block 0, not one of view\.candidates"),
        (Pick(-1, 1, 1, "mine"), r"Stubborn chose block -1, not one of view\.candidates"),
        ("x" * 5000, r"answered 'x{99}…, not a Pick"),
    ],
)
def test_a_wrong_pick_is_shown(answer: Any, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        asking.pick(Stubborn(answer), VIEW, 0.0, Random(1))


class Unwilling:
    def pick(self, view: SwarmView) -> None: ...


def test_one_that_does_not_take_our_arguments_is_shown_where_it_stands() -> None:
    line = Unwilling.pick.__code__.co_firstlineno
    with pytest.raises(StrategyError, match=rf"Unwilling raised TypeError: .*test_asking\.py, line {line}\)"):
        asking.pick(Unwilling(), VIEW, 0.0, Random(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        *(None, Slots((1,)), (1, 2), Choice(None), Choice([1, 2]), Choice(Slots(None))),  # type: ignore[arg-type]
        *(Choice(Slots([1])), Choice(Slots({1})), Choice(Slots("1"))),  # type: ignore[arg-type]
        *(Choice(Slots((7,))), Choice(Slots((-1,))), Choice(Slots((), 7))),  # nobody's keys
        *(Choice(Slots(("1",))), Choice(Slots((1.0,))), Choice(Slots(([],)))),  # type: ignore[arg-type]
        *(Choice(Slots((True,))), Choice(Slots((), True))),
        *(Choice(Slots((1, 1))), Choice(Slots((1,), 1))),
        *(Choice(Slots(), None), Choice(Slots(), {}, []), Choice(Slots(), {}, (), 1)),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_choice_is_shown(answer: Any) -> None:
    with pytest.raises(StrategyError, match=r"choking strategy .*Stubborn answered .*, not a Choice"):
        asking.choke(Stubborn(answer), VIEW, 0.0, Random(1))


def test_a_built_in_one_that_raises_is_a_bug_of_ours() -> None:
    with pytest.raises(AttributeError):
        asking.pick(Sequential(), None, 0.0, Random(1))  # type: ignore[arg-type]


def test_a_slot_may_stay_with_one_who_has_just_left() -> None:
    view = seen([StandIn(1, 0b110)], fixed=(2,), optimistic=3)
    kept = Choice(Slots((2, 1), 3))
    assert asking.choke(Stubborn(kept), view, 0.0, Random(1)) is kept


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class Leaving:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def pick(self, view: SwarmView, now: float, rng: Random) -> Any:  # noqa: ARG002
        raise self.error

    choke = pick


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(0), r"raised SystemExit: 0 \("),
        (UnspeakableError(), r"raised UnspeakableError: a UnspeakableError that cannot be shown \("),
        (ValueError("x" * 6000), r"raised ValueError: x{100}… \("),
    ],
)
def test_whatever_is_raised_is_told_and_ends_no_process_by_itself(error: BaseException, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        asking.pick(Leaving(error), VIEW, 0.0, Random(1))
    with pytest.raises(StrategyError, match=said):
        asking.choke(Leaving(error), VIEW, 0.0, Random(1))


def test_an_answer_that_cannot_be_shown_is_named_by_its_type() -> None:
    with pytest.raises(StrategyError, match="answered a UnspeakableError that cannot be shown, not a Pick"):
        asking.pick(Stubborn(UnspeakableError()), VIEW, 0.0, Random(1))
