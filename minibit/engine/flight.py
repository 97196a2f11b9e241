"""A block in flight: which of its chunks are to be asked for, were asked of whom, and are here; and what may
become of some of them."""

from typing import NamedTuple

from msgspec import Struct, field

from minibit.engine.effects import PeerId


class OpenBlock(Struct):
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


class Arrival(NamedTuple):
    """What became of a run of chunks: which are new, how many we had asked for and how long ago, whether
    the block is complete, and whom to tell that we need which of them no more."""

    accepted: int = 0
    owed: int = 0
    waited: float = 0.0
    complete: bool = False
    cancel: tuple[tuple[int, int], ...] = ()


Chunks = tuple[int, int]
"""A block, and a set of its chunks."""


class Asked(NamedTuple):
    """The chunks to ask a neighbour for, and whom to tell that we need which of what block no more."""

    chunks: list[Chunks]
    cancel: tuple[tuple[int, int, int], ...] = ()  # (neighbour, block, chunks)


class GivenUp(NamedTuple):
    """A block that was forgotten to make room, and whom to tell that we need which of its chunks no more."""

    block: int
    cancel: tuple[tuple[int, int], ...] = ()
