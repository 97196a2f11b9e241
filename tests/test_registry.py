"""Strategies by name, one's own by `module:Class`, and every way to get that wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fakes.onlookers import StandIn, seen

from minibit import registry
from minibit.errors import StrategyError, UsageError
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
    pick = registry.picking(name).pick(seen([StandIn(1, 0b100)], candidates=0b100), 0.0, Random(1))
    assert pick is not None
    assert pick.block == 2


@pytest.mark.parametrize("name", registry.CHOKING)
def test_chokings_by_name(name: str) -> None:
    served = registry.choking(name).choke(seen([StandIn(1)]), 0.0, Random(1)).slots
    assert (1 in served) is (name != "unchoke-none")


def test_the_names_that_design_gives() -> None:
    assert list(registry.PICKING) == ["rarest-first", "random", "sequential"]
    assert list(registry.CHOKING) == ["tit-for-tat", "reciprocity", "unchoke-all", "unchoke-none"]


def test_ones_own(own: str) -> None:
    pick = registry.picking(f"{own}:Last").pick(seen([], candidates=0b101), 0.0, Random(1))
    assert pick is not None
    assert pick.block == 2
    assert registry.choking(f"{own}:Nobody").choke(seen([StandIn(1)]), 0.0, Random(1)) == Choice(Slots())


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


@pytest.mark.parametrize("place", ["my_own_strategies.py", "./my_own_strategies.py"])
@pytest.mark.usefixtures("own")
def test_a_file_of_ones_own(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (place, str(tmp_path / place)):
        pick = registry.picking(f"{path}:Last").pick(seen([], candidates=0b101), 0.0, Random(1))
        assert pick is not None
        assert pick.block == 2


def test_a_file_with_the_name_of_pythons_own_module_is_loaded_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text(OWN)
    choking = registry.choking(f"{tmp_path / 'random.py'}:Nobody")
    assert choking.choke(seen([StandIn(1)]), 0.0, Random(1)) == Choice(Slots())
    assert sys.modules["random"] is sys.modules[Random.__module__]
    sys.modules.pop("own_random")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("random:Last", "'random' is a module of Python's own; to name your file, write random.py:Class"),
        ("json.decoder:JSONDecoder", "'json.decoder' is a module of Python's own; .*json/decoder.py:Class"),
        ("test:Last", r"'test' is the module in .*__init__\.py; to name your file, write test\.py:Class"),
    ],
)
def test_the_standard_librarys_module_in_place_of_the_users_file_is_told(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("random.py", "test.py"):
        (tmp_path / file).write_text(OWN)
    with pytest.raises(UsageError, match=said):
        registry.picking(name)


def test_what_a_module_prints_while_it_is_loaded_spoils_no_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud_strategies.py").write_text(f"print('here I am')\n{OWN}")
    registry.picking(f"{tmp_path / 'loud_strategies.py'}:Last")
    assert capsys.readouterr() == ("", "here I am\n")


@pytest.mark.parametrize(
    ("name", "where", "lines"),
    [
        ("my_own_strategies:Broken", r"my_own_strategies\.py, line 19\)$", 'raise RuntimeError("it is'),
        ("my_broken_module:Thing", r"my_broken_module\.py, line 1\)$", "import nothing_of_that_name"),
    ],
)
@pytest.mark.usefixtures("own")
def test_where_a_module_raised_is_told_with_its_traceback(name: str, where: str, lines: str) -> None:
    with pytest.raises(StrategyError, match=where) as caught:
        registry.picking(name)
    trace = registry.trace_of(caught.value)
    assert lines in trace
    assert "registry.py" not in trace
    assert "importlib" not in trace


@pytest.mark.usefixtures("own")
def test_a_module_that_is_not_there_has_no_traceback() -> None:
    with pytest.raises(StrategyError) as caught:
        registry.picking("no_such_module:Thing")
    assert registry.trace_of(caught.value) == ""


def test_a_trace_from_another_process_is_told_as_it_came() -> None:
    assert registry.trace_of(StrategyError("ana: it raised", "Traceback …")) == "Traceback …"
