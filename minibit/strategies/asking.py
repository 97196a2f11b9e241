"""Asking a strategy: what it raises or wrongly answers is told with its name, its file and its line.

A strategy may be the user's own code. This is the only place that calls one, so that whoever debugs a
strategy is shown his own line instead of ours. A built-in one that raises is our bug, and stays one.
"""

from collections.abc import Callable, Mapping
from random import Random
from types import CodeType, TracebackType
from typing import Final

from minibit.errors import StrategyError
from minibit.strategies.view import Choice, ChokingStrategy, Pick, PickingStrategy, Slots, SwarmView

MAX_SHOWN: Final = 100  # characters of a wrong answer, or of what was raised


def pick(strategy: PickingStrategy, view: SwarmView, now: float, rng: Random) -> Pick | None:
    """What the picking strategy answers, one of `view.candidates` or None.

    Raises:
        StrategyError: it raised, or answered something else.
    """
    try:
        answer = strategy.pick(view, now, rng)
    except (Exception, SystemExit) as error:
        if _is_ours(strategy):
            raise
        raise _raised("picking", strategy.pick, strategy, error) from error
    if answer is None:
        return None
    if not isinstance(answer, Pick):
        raise _wrong("picking", strategy, answer, "a Pick or None")
    if not _are_whole(answer.block, answer.candidates, answer.tied) or not isinstance(answer.rule, str):
        raise _wrong("picking", strategy, answer, "a Pick of whole numbers and a rule's name")
    if answer.copies is not None and not _are_whole(answer.copies):
        raise _wrong("picking", strategy, answer, "a Pick whose copies are a whole number or None")
    if answer.block < 0 or not view.candidates >> answer.block & 1:
        raise StrategyError(
            f"the picking strategy {_name(strategy)} chose block {answer.block}, not one of view.candidates"
        )
    return answer


def choke(strategy: ChokingStrategy, view: SwarmView, now: float, rng: Random) -> Choice:
    """What the choking strategy answers: slots for some of `view.neighbours`, each once.

    Raises:
        StrategyError: it raised, or answered something else than such a Choice.
    """
    try:
        answer = strategy.choke(view, now, rng)
    except (Exception, SystemExit) as error:
        if _is_ours(strategy):
            raise
        raise _raised("choking", strategy.choke, strategy, error) from error
    if not isinstance(answer, Choice):
        raise _wrong("choking", strategy, answer, "a Choice")
    slots = answer.slots
    if not (isinstance(slots, Slots) and isinstance(slots.fixed, tuple) and isinstance(slots.extra, tuple)):
        raise _wrong("choking", strategy, answer, "a Choice whose slots are Slots of tuples")
    held = slots.held
    # Those who hold the slots now may keep them, though they have just left.
    if not _are_whole(*held) or not all(key in view.neighbours or key in view.slots for key in held):
        raise _wrong("choking", strategy, answer, "a Choice whose slots are keys of view.neighbours")
    if len(set(held)) < len(held):
        raise _wrong("choking", strategy, answer, "a Choice that gives each neighbour one slot")
    if not isinstance(answer.scores, Mapping) or not isinstance(answer.moves, tuple):
        raise _wrong(
            "choking", strategy, answer, "a Choice whose scores are a mapping and whose moves a tuple"
        )
    if not isinstance(answer.rule, str):
        raise _wrong("choking", strategy, answer, "a Choice whose rule is a text")
    return answer


def _are_whole(*values: object) -> bool:
    """Whether all are ints; True, which is one to `isinstance`, is none."""
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _is_ours(strategy: object) -> bool:
    return type(strategy).__module__.partition(".")[0] == "minibit"


def _raised(kind: str, method: object, strategy: object, error: BaseException) -> StrategyError:
    file, line = _where(error.__traceback__) or _defined(method)
    reason = _shown(error, str)
    return StrategyError(
        f"the {kind} strategy {_name(strategy)} raised {type(error).__name__}: {reason} ({file}, line {line})"
    )


def _wrong(kind: str, strategy: object, answer: object, wanted: str) -> StrategyError:
    said = f"answered {_shown(answer, repr)}, not {wanted}"
    return StrategyError(f"the {kind} strategy {_name(strategy)} {said}")


def _shown(value: object, form: Callable[[object], str]) -> str:
    """A value of the user's on one short line; its own code, which may fail too, says how it looks."""
    try:
        shown = " ".join(form(value).split())
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"
    return shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "…"


def _name(strategy: object) -> str:
    kind = type(strategy)
    return f"{kind.__module__}.{kind.__qualname__}"


def _where(trace: TracebackType | None) -> tuple[str, int] | None:
    """The last line of the strategy's own file that an error passed through; what it calls is not its own.

    None if it was never entered: it does not take our arguments.
    """
    assert trace is not None
    first = trace.tb_next  # the strategy's own frame lies below ours
    if first is None:
        return None
    file, line = first.tb_frame.f_code.co_filename, first.tb_lineno
    below = first.tb_next
    while below is not None:
        if below.tb_frame.f_code.co_filename == file:
            line = below.tb_lineno
        below = below.tb_next
    return file, line


def _defined(method: object) -> tuple[str, int]:
    """Where a method stands; somewhere in no file if it is not written in Python."""
    code = getattr(method, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else ("?", 0)
