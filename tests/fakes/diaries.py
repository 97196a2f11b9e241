"""Who watches a simulation and writes everything down."""

import hashlib
from typing import Any

from minibit.address import Address
from minibit.engine.effects import Effect, HangUp
from minibit.engine.engine import Engine
from minibit.engine.journal import Entry, Journal


class Diary:
    """An `Observer`: each peer's picks, choices and effects, and who came and went, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, str, Any]] = []

    def journal(self, name: str) -> Journal | None:
        def note(entry: Entry) -> None:
            self.entries.append((entry.at, name, entry))

        return note

    def joined(self, name: str, address: Address, engine: Engine, granted: int, now: float) -> None:  # noqa: ARG002
        self.entries.append((now, name, ("joined", engine.identity, granted)))

    def performs(self, name: str, effect: Effect, now: float) -> None:
        self.entries.append((now, name, effect))

    def left(self, name: str, how: str, now: float) -> None:
        self.entries.append((now, name, ("left", how)))

    @property
    def digest(self) -> str:
        """All of it in a word: two runs that differ in anything differ in this."""
        return hashlib.sha256("\n".join(map(repr, self.entries)).encode()).hexdigest()

    def of(self, name: str, kind: type) -> list[Any]:
        """What `name` did of one kind."""
        return [entry for _, who, entry in self.entries if who == name and isinstance(entry, kind)]

    def hang_ups(self, name: str) -> list[str]:
        """Why `name` hung up."""
        return [effect.reason for effect in self.of(name, HangUp)]
