"""Who watches a simulation: told of everything, deciding nothing."""

from typing import Protocol

from minibit.address import Address
from minibit.engine.effects import Effect
from minibit.engine.engine import Engine
from minibit.engine.journal import Journal


class Observer(Protocol):
    """`now` is virtual seconds since the start. The origin is a peer like any other."""

    def journal(self, name: str) -> Journal | None:
        """Asked before a peer's engine exists: what that tells all it decides and all that befalls it."""

    def joined(self, name: str, address: Address, engine: Engine, granted: int, now: float) -> None:
        """A peer is there, for the first time or again: its engine, and the blocks that it was granted."""

    def performs(self, name: str, effect: Effect, now: float) -> None:
        """A peer's engine wants this done, and it is about to be: dials, hang-ups with reasons, bans…"""

    def left(self, name: str, how: str, now: float) -> None:
        """A peer is gone: "goodbye", "killed", or "silent", which nobody else is told."""
