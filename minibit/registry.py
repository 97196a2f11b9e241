"""Strategies by name: one explicit table each, and `module:Class` or `path/to/file.py:Class` for your own."""

import importlib
import importlib.util
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from minibit.errors import StrategyError, UsageError
from minibit.strategies.alternatives import RandomPicking, Reciprocity, Sequential, UnchokeAll, UnchokeNone
from minibit.strategies.rarest_first import RarestFirst
from minibit.strategies.tit_for_tat import TitForTat
from minibit.strategies.view import ChokingStrategy, PickingStrategy

PICKING: Final[dict[str, type[PickingStrategy]]] = {
    "rarest-first": RarestFirst,
    "random": RandomPicking,
    "sequential": Sequential,
}
CHOKING: Final[dict[str, type[ChokingStrategy]]] = {
    "tit-for-tat": TitForTat,
    "reciprocity": Reciprocity,
    "unchoke-all": UnchokeAll,
    "unchoke-none": UnchokeNone,
}


OWN_HOUSE: Final = str(Path(__file__).parent)
IMPORTING: Final = "<frozen importlib"


def picking(name: str) -> PickingStrategy:
    """The picking strategy called `name`, or the class that `module:Class` or `file.py:Class` names.

    Raises:
        UsageError: no such strategy; the message lists those there are.
        StrategyError: the user's own module or class raised.
    """
    strategy: PickingStrategy = _load(name, PICKING, "pick", "picking")
    return strategy


def choking(name: str) -> ChokingStrategy:
    """The choking strategy called `name`, or the class that `module:Class` or `file.py:Class` names.

    Raises:
        UsageError: no such strategy; the message lists those there are.
        StrategyError: the user's own module or class raised.
    """
    strategy: ChokingStrategy = _load(name, CHOKING, "choke", "choking")
    return strategy


def named(name: str) -> list[tuple[str, Any]]:
    """The strategy of that name as each kind that it is, "picking", "choking" or both.

    Raises:
        UsageError: no such strategy, or it is of no kind.
        StrategyError: the user's own module or class raised.
    """
    if name in PICKING or name in CHOKING:
        return [("picking", picking(name))] if name in PICKING else [("choking", choking(name))]
    if ":" not in name:
        known = ", ".join((*PICKING, *CHOKING))
        raise UsageError(f"unknown strategy {name!r}: choose file.py:Class, module:Class or one of {known}")
    found: list[tuple[str, Any]] = []
    refusal: UsageError | None = None
    for kind, load in (("picking", picking), ("choking", choking)):
        try:
            found.append((kind, load(name)))
        except StrategyError:
            raise
        except UsageError as error:
            refusal = error
    if refusal is not None and not found:
        raise UsageError(f"{name!r} has neither pick(view, now, rng) nor choke(view, now, rng)") from refusal
    return found


def trace_of(error: StrategyError) -> str:
    """What the user's own code was doing when it raised, without our part; empty if it did not raise."""
    cause = error.__cause__
    if cause is None:
        return error.trace
    frames = traceback.extract_tb(cause.__traceback__)
    ours = 0
    while ours < len(frames) and frames[ours].filename.startswith((OWN_HOUSE, IMPORTING, importlib.__file__)):
        ours += 1
    told = traceback.TracebackException.from_exception(cause)
    told.stack = traceback.StackSummary.from_list(frames[ours:])
    return "".join(told.format()).rstrip() if told.stack or isinstance(cause, SyntaxError) else ""


def _load(name: str, table: dict[str, Any], method: str, kind: str) -> Any:
    if name in table:
        return table[name]()
    place, colon, class_name = name.rpartition(":")
    if not colon:
        known = ", ".join(table)
        raise UsageError(
            f"unknown {kind} strategy {name!r}: choose {known}, or your own as module:Class or file.py:Class"
        )
    try:
        # What a module prints while it is loaded would spoil the document of --json.
        with redirect_stdout(sys.stderr):
            module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
            if shadowed := _shadowed(place, module):
                raise UsageError(f"cannot load {kind} strategy {name!r}: {shadowed}")
            strategy = getattr(module, class_name)()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        # The module is the user's own code: whatever it raises is the user's to see, on one line.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        where = _where(error)
        raise StrategyError(f"cannot load {kind} strategy {name!r}: {reason}{where}") from error
    if not callable(getattr(strategy, method, None)):
        raise UsageError(f"{name!r} is not a {kind} strategy: it has no method {method}(view, now, rng)")
    return strategy


def _from_file(path: Path) -> ModuleType:
    """The module in a file, which may import what lies beside it, as if it were run from there."""
    whole = path.absolute()
    # Not under a name that is taken: it would be mistaken for that module, or that one for it.
    name = path.stem if path.stem not in {*sys.modules, *sys.stdlib_module_names} else f"own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, whole)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(whole.parent) not in sys.path:
        sys.path.append(str(whole.parent))  # last, so that it shadows nothing
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _shadowed(place: str, module: ModuleType) -> str | None:
    """Why `module` is not the one that was meant, if it is not."""
    own, found = Path(*place.split(".")).with_suffix(".py"), getattr(module, "__file__", None)
    if place.endswith(".py") or (found and own.is_file() and own.samefile(found)):
        return None
    if place.partition(".")[0] in sys.stdlib_module_names:
        what = "a module of Python's own"
    elif own.is_file():
        what = f"the module in {found}"
    else:
        return None
    return f"{place!r} is {what}; to name your file, write {own}:Class"


def _where(error: BaseException) -> str:
    """The last line of the user's that an error passed through, if it reached any."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith((OWN_HOUSE, IMPORTING, importlib.__file__))]
    if isinstance(error, SyntaxError):
        return ""  # which says its file and line itself
    return f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
