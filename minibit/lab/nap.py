"""A process that stands still and goes on later, as one of a suspended machine does: for it, time jumps."""

from collections.abc import Callable
from functools import partial
from typing import Any


class Nap:
    """What would have happened meanwhile happens when it wakes, in order and all at once."""

    def __init__(self) -> None:
        self._asleep = False
        self._missed: list[Callable[[], None]] = []

    def begin(self) -> None:
        """From now on nothing happens."""
        self._asleep = True

    def end(self) -> None:
        """What was missed happens now."""
        self._asleep = False
        missed, self._missed = self._missed, []
        for action in missed:
            action()

    def holds(self, action: Callable[..., None], *arguments: Any, **more: Any) -> bool:
        """Whether `action(*arguments)` has to wait; it is then remembered."""
        if self._asleep:
            self._missed.append(partial(action, *arguments, **more))
        return self._asleep
