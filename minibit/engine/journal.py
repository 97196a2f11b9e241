"""What an engine decided and why, for whoever wants to know: a log, a display, a test.

An engine without a journal builds no entry. A journal is called in the middle of an input: it must not
call the engine, take long, or raise.
"""

from collections.abc import Callable
from dataclasses import dataclass

from minibit.strategies.view import Choice, Pick


@dataclass(frozen=True, slots=True)
class Picked:
    """A block was picked, to be asked of this neighbour; `pick.explain()` says why it."""

    at: float
    neighbour: int
    pick: Pick


@dataclass(frozen=True, slots=True)
class Chosen:
    """The upload slots were dealt anew, in a round or between two; `choice.explain()` says who moved."""

    at: float
    round_due: bool
    choice: Choice


Journal = Callable[[Picked | Chosen], None]
