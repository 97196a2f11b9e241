"""Whether a strategy keeps the contract of `strategies.view`, found out by trying it and by reading it.

It is asked about views at the edges of what it will meet; the answers must be of the right form, the same for
the same view and seed, and quick. It must change nothing, remember nothing, and touch nothing of the world.
"""

import ast
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from random import Random
from statistics import median
from typing import Any, Final

from msgspec import Struct

from minibit.errors import StrategyError
from minibit.lab.stand_ins import MANY_BLOCKS, MANY_NEIGHBOURS, crowd, edges
from minibit.strategies import asking
from minibit.strategies.view import Choice, ChokingStrategy, Pick, PickingStrategy, SwarmView

NOW: Final = 100.0
SEEDS: Final = 5  # per view
CALLS: Final = 60  # that are timed
PICK_SECONDS: Final = 0.001  # a peer picks a block per request that it can make, tens of thousands of times
CHOKE_SECONDS: Final = 0.01
MAX_FAULTS: Final = 5  # that one finding names

# What knows the time, chance, the disk or the network; of `random`, only the type `Random`.
WORLDLY: Final = {
    **dict.fromkeys(("time", "datetime", "calendar"), "the time is the argument now"),
    **dict.fromkeys(("secrets", "uuid"), "chance is the argument rng"),
    **dict.fromkeys(("os", "io", "pathlib", "shutil", "tempfile", "sqlite3"), "a strategy has no disk"),
    **dict.fromkeys(
        ("socket", "urllib", "http", "requests", "asyncio", "subprocess"), "a strategy calls nobody"
    ),
    **dict.fromkeys(("threading", "multiprocessing", "concurrent"), "a strategy is a function"),
}
CALLS_OUT: Final = ("open", "input", "exec", "eval", "breakpoint", "__import__")

Answer = Pick | Choice | None
_Answering = Callable[[SwarmView, Random], Answer]


class Finding(Struct, frozen=True):
    """One thing that was tried: what, whether it is as it should be, and what was seen."""

    tried: str
    good: bool
    seen: str


def trial(strategy: PickingStrategy | ChokingStrategy, kind: str) -> list[Finding]:
    """All that was found out about it; `kind` is "picking" or "choking"."""
    answer: _Answering = partial(_asked_to_pick if kind == "picking" else _asked_to_choke, strategy)
    limit = PICK_SECONDS if kind == "picking" else CHOKE_SECONDS
    before = _memory(strategy)
    findings = [_tried("answers as it should", partial(_answers, answer))]
    if findings[0].good:
        findings += [
            _tried("same view, same seed: same answer", partial(_sameness, answer)),
            _tried("leaves the view as it is", partial(_restraint, answer)),
            _tried("is quick", partial(_speed, answer, limit)),
        ]
    return [
        *findings,
        _tried("remembers nothing", partial(_forgetfulness, before, strategy)),
        _tried("touches nothing of the world", partial(_worldliness, type(strategy))),
    ]


def _tried(what: str, look: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(what, *look())
    except StrategyError as error:  # one that remembers may break its word later only
        return Finding(what, False, str(error))


def _asked_to_pick(strategy: Any, view: SwarmView, rng: Random) -> Answer:
    picked = asking.pick(strategy, view, NOW, rng)
    if picked is None and view.candidates:
        raise StrategyError("names no block though there are candidates: the download would stand still")
    return picked


def _asked_to_choke(strategy: Any, view: SwarmView, rng: Random) -> Answer:
    return asking.choke(strategy, view, NOW, rng)


def _answers(answer: _Answering) -> tuple[bool, str]:
    faults: list[str] = []
    views = list(edges())
    for name, view in views:
        try:
            for seed in range(SEEDS):
                answer(view, Random(seed))
        except StrategyError as error:
            faults.append(f"{name}: {error}")
    return not faults, _few(faults) or f"{len(views)} views at the edges, {SEEDS} seeds each"


def _sameness(answer: _Answering) -> tuple[bool, str]:
    told: dict[tuple[str, int], Answer] = {}
    different: dict[str, None] = {}
    for _ in range(3):  # other views in between would show what it remembers
        for name, view in edges():
            for seed in range(SEEDS):
                said = answer(view, Random(seed))
                if told.setdefault((name, seed), said) != said:
                    different[name] = None
    return not different, f"another one for: {_few(list(different))}" if different else "three times each"


def _restraint(answer: _Answering) -> tuple[bool, str]:
    changed: list[str] = []
    for name, view in edges():
        before = _copied(view)
        answer(view, Random(1))
        if _copied(view) != before:
            changed.append(name)
    return not changed, f"changed: {_few(changed)}" if changed else "nothing changed"


def _speed(answer: _Answering, limit: float) -> tuple[bool, str]:
    view, rng = crowd(), Random(1)
    spent = []
    for _ in range(CALLS):
        began = time.process_time()
        answer(view, rng)
        spent.append(time.process_time() - began)
    typical = median(spent)
    return typical <= limit, (
        f"{1e6 * typical:.0f} µs a call at {MANY_BLOCKS:,} blocks and {MANY_NEIGHBOURS} neighbours; "
        f"up to {1e6 * limit:,.0f} µs is good"
    )


def _forgetfulness(before: Mapping[str, str], strategy: object) -> tuple[bool, str]:
    after = _memory(strategy)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        return False, f"changes {', '.join(changed)}: what happened before stands on the view"
    return True, "it is the same after as before"


def _worldliness(kind: type) -> tuple[bool, str]:
    """What its source reaches for that is the world's; only what is written in its own file is read."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(kind) or kind))
    except (OSError, TypeError, SyntaxError):
        return True, "its source is not there to be read"
    faults = [f"line {line}: {what}" for line, what in sorted(set(_reached(tree)))]
    return not faults, _few(faults) or "no clock, no chance of its own, no files, no network"


def _reached(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    if top in WORLDLY:
                        yield node.lineno, f"imports {alias.name}: {WORLDLY[top]}"
            case ast.ImportFrom(str(module), names):
                top = module.partition(".")[0]
                if top in WORLDLY:
                    yield node.lineno, f"imports from {module}: {WORLDLY[top]}"
                if top == "random" and any(alias.name != "Random" for alias in names):
                    yield node.lineno, "imports from random: chance is the argument rng"
            case ast.Attribute(ast.Name("random"), name) if name != "Random":
                yield node.lineno, f"uses random.{name}: chance is the argument rng"
            case ast.Call(ast.Name("Random") | ast.Attribute(_, "Random")):
                yield node.lineno, "makes a Random of its own: chance is the argument rng"
            case ast.Call(ast.Name(name)) if name in CALLS_OUT:
                yield node.lineno, f"calls {name}"
            case ast.Global(names):
                yield node.lineno, f"writes the module's {', '.join(names)}: a strategy remembers nothing"


def _memory(strategy: object) -> dict[str, str]:
    """What it and its class hold, as it looks."""
    kind = type(strategy)
    held = {
        f"{kind.__name__}.{name}": value
        for name, value in vars(kind).items()
        if not name.startswith("__") and not callable(value)
    }
    held |= {f"self.{name}": value for name, value in getattr(strategy, "__dict__", {}).items()}
    return {name: _looks(value) for name, value in held.items()}


def _looks(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # the user's own code says how it looks
        return type(value).__name__


def _copied(view: SwarmView) -> tuple[object, ...]:
    counted = tuple(view.copies.of(block) for block in range(view.block_count))
    return counted, deepcopy(dict(view.neighbours)), view.slots


def _few(faults: list[str]) -> str:
    more = len(faults) - MAX_FAULTS
    return "; ".join(faults[:MAX_FAULTS]) + (f"; and {more} more" if more > 0 else "")
