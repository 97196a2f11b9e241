"""Strategies by name, one's own by `module:Class`, and every way to get that wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fakes.onlookers import Onlooker, seen

from minibit import registry
from minibit.errors import UsageError
from minibit.strategies.view import Choice, Slots

OWN = """
from minibit.strategies.view import Choice, Pick, Slots

class Last:
    def pick(self, view, now, rng):
        return Pick(view.candidates.bit_length() - 1, view.candidates, view.candidates, "last")

class Nobody:
    def choke(self, view, now, rng):
        return Choice(Slots())

class Needy:
    def __init__(self, something): ...

class Useless: ...

class Broken:
    def __init__(self):
        raise RuntimeError("it is\\nMonday")

not_a_class = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the user's own; its name."""
    (tmp_path / "my_own_strategies.py").write_text(OWN)
    (tmp_path / "my_broken_module.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_own_strategies"
    sys.modules.pop("my_own_strategies", None)


@pytest.mark.parametrize("name", registry.PICKING)
def test_pickings_by_name(name: str) -> None:
    pick = registry.picking(name).pick(seen([Onlooker(1, 0b100)], candidates=0b100), 0.0, Random(1))
    assert pick is not None
    assert pick.block == 2


@pytest.mark.parametrize("name", registry.CHOKING)
def test_chokings_by_name(name: str) -> None:
    served = registry.choking(name).choke(seen([Onlooker(1)]), 0.0, Random(1)).slots
    assert (1 in served) is (name != "unchoke-none")


def test_the_names_that_design_gives() -> None:
    assert list(registry.PICKING) == ["rarest-first", "random", "sequential"]
    assert list(registry.CHOKING) == ["tit-for-tat", "reciprocity", "unchoke-all", "unchoke-none"]


def test_ones_own(own: str) -> None:
    pick = registry.picking(f"{own}:Last").pick(seen([], candidates=0b101), 0.0, Random(1))
    assert pick is not None
    assert pick.block == 2
    assert registry.choking(f"{own}:Nobody").choke(seen([Onlooker(1)]), 0.0, Random(1)) == Choice(Slots())


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(
        UsageError, match="unknown picking strategy 'rarest': choose rarest-first, random, seq"
    ):
        registry.picking("rarest")
    with pytest.raises(
        UsageError, match="choose tit-for-tat, reciprocity, unchoke-all, unchoke-none, or your own as module:"
    ):
        registry.choking("rarest-first")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:Thing", "No module named 'no_such_module'"),
        ("my_broken_module:Thing", "nothing_of_that_name"),
        ("my_own_strategies:Missing", "Missing"),
        ("my_own_strategies:", "AttributeError"),
        (":Last", "ValueError"),
        ("my_own_strategies:Needy", "something"),
        ("my_own_strategies:Broken", "RuntimeError"),
        ("my_own_strategies:not_a_class", "TypeError"),
        ("my_own_strategies:Useless", r"no method pick\(view, now, rng\)"),
        ("my_own_strategies:Nobody", r"no method pick\(view, now, rng\)"),
    ],
)
@pytest.mark.usefixtures("own")
def test_what_cannot_be_loaded_is_named_on_one_line(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        registry.picking(name)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)
