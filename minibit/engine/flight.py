"""A block in flight: which of its chunks are to be asked for, were asked of whom, and are here."""

from dataclasses import dataclass, field

from minibit.engine.effects import PeerId


@dataclass(slots=True)
class OpenBlock:
    """A block in flight; `todo`, `here` and the values of the mappings are sets of chunks."""

    todo: int
    here: int = 0
    asked: dict[int, int] = field(default_factory=dict)  # neighbour -> the chunks it owes us
    welcome: dict[int, int] = field(default_factory=dict)  # chunks it owes no more and may still send
    since: float = 0.0  # when anybody was last asked for a chunk of it
    owner: int | None = None
    moves: int = 0  # how often it was taken from one neighbour and asked of another
    exclusive: bool = False  # only its owner may supply it
    senders: dict[PeerId, int] = field(default_factory=dict)  # who supplied what is here

    @property
    def missing(self) -> int:
        """How many chunks are not here."""
        missing = self.todo
        for theirs in self.asked.values():
            missing |= theirs
        return missing.bit_count()
