"""Strategies by name: one explicit table each, and `module:Class` for your own."""

import importlib
from typing import Any, Final

from minibit.errors import UsageError
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


def picking(name: str) -> PickingStrategy:
    """The picking strategy called `name`, or the class that `module:Class` names.

    Raises:
        UsageError: no such strategy; the message lists those there are.
    """
    strategy: PickingStrategy = _load(name, PICKING, "pick", "picking")
    return strategy


def choking(name: str) -> ChokingStrategy:
    """The choking strategy called `name`, or the class that `module:Class` names.

    Raises:
        UsageError: no such strategy; the message lists those there are.
    """
    strategy: ChokingStrategy = _load(name, CHOKING, "choke", "choking")
    return strategy


def _load(name: str, table: dict[str, Any], method: str, kind: str) -> Any:
    if name in table:
        return table[name]()
    module_name, colon, class_name = name.partition(":")
    if not colon:
        known = ", ".join(table)
        raise UsageError(f"unknown {kind} strategy {name!r}: choose {known}, or your own as module:Class")
    try:
        strategy = getattr(importlib.import_module(module_name), class_name)()
    except Exception as error:
        # The module is the user's own code: whatever it raises is the user's to see, on one line.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"cannot load {kind} strategy {name!r}: {reason}") from error
    if not callable(getattr(strategy, method, None)):
        raise UsageError(f"{name!r} is not a {kind} strategy: it has no method {method}(view, now, rng)")
    return strategy
