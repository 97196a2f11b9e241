"""What a strategy sees and what it answers: the contract that every strategy, yours too, is written to.

A strategy is a pure function of `(SwarmView, now, rng)`. It keeps no state: what happened before
stands on the records it looks at (since when a neighbour is unchoked, who holds the slots). It never
sees the engine. Its answer carries the reasons as by-products of choosing: ints and tuples that were
computed anyway, so explaining costs nothing until somebody calls `explain()`.

A picking strategy has one method, `pick`; a choking strategy has one, `choke`. Name yours on the
command line as `module:Class`; the class is called without arguments.
"""

from collections.abc import Mapping
from random import Random
from typing import Protocol

from msgspec import Struct, field

from minibit import bitfield
from minibit.copies import Copies


class NeighbourView(Protocol):
    """What a strategy may know of a neighbour."""

    @property
    def key(self) -> int:
        """Its name in decisions."""

    @property
    def blocks(self) -> int:
        """The blocks that it has told us it holds."""

    @property
    def known(self) -> bool:
        """Whether it has told us its blocks at all."""

    @property
    def interested(self) -> bool:
        """Whether it wants something of us, and uses a slot when it has one."""

    @property
    def snubbed(self) -> bool:
        """Whether it has let our requests wait for 60 s."""

    @property
    def unchoked_since(self) -> float | None:
        """Since when it holds a slot of ours, or None."""

    def received_rate(self, now: float) -> float:
        """Bytes per second that it sent us, averaged over 20 s."""

    def sent_rate(self, now: float) -> float:
        """Bytes per second that we sent it, averaged over 20 s."""


class Slots(Struct, frozen=True):
    """Whom we upload to: neighbours' keys. `extra` are those served only because the uplink would be idle."""

    fixed: tuple[int, ...] = ()
    optimistic: int | None = None
    extra: tuple[int, ...] = ()

    def __contains__(self, key: int) -> bool:
        return key in self.fixed or key == self.optimistic or key in self.extra

    @property
    def held(self) -> tuple[int, ...]:
        """All of them."""
        drawn = () if self.optimistic is None else (self.optimistic,)
        return (*self.fixed, *drawn, *self.extra)


class SwarmView(Struct, frozen=True):
    """The swarm as one peer sees it; bitfields are ints (bit *i* is block *i*)."""

    block_count: int
    have: int  # our own blocks
    wanted: int  # blocks that we miss and that are neither in flight nor being verified
    copies: Copies
    neighbours: Mapping[int, NeighbourView]
    slots: Slots
    candidates: int = 0  # when picking: the wanted blocks that the neighbour to be asked can give
    spare: int = 0  # when choking: 1 if the uplink stood idle though somebody waits, -1 if it never rests
    round_due: bool = False  # when choking: whether this is a round, not just a slot to be filled

    @property
    def complete(self) -> bool:
        return self.have == bitfield.full(self.block_count) != 0


class Pick(Struct, frozen=True):
    """A block to fetch next, and why it: `tied` of the `candidates` were equally good."""

    block: int
    candidates: int
    tied: int
    rule: str
    copies: int | None = None

    def explain(self) -> str:
        """The reasons as one sentence."""
        noun = "copy" if self.copies == 1 else "copies"
        copies = "" if self.copies is None else f", {self.copies} {noun} among neighbours"
        lot = f", by lot from {self.tied.bit_count()} equals" if self.tied & (self.tied - 1) else ""
        return f"block {self.block}: {self.rule} of {self.candidates.bit_count()} candidates{copies}{lot}"


class Choice(Struct, frozen=True):
    """Who holds the slots from now on, the score of each neighbour that was ranked, and what moved.

    `rule` says in a few words what a score is, or who gets a slot if nobody is ranked.
    """

    slots: Slots
    scores: Mapping[int, float] = field(default_factory=dict)
    moves: tuple[tuple[int, str], ...] = ()  # (neighbour, what): who got a place, and who lost one and why
    rule: str = ""

    def explain(self) -> str:
        """The moves as one sentence."""
        told = (
            f"{key} {move}" + (f" with score {self.scores[key]:g}" if key in self.scores else "")
            for key, move in self.moves
        )
        return "; ".join(told) or "everyone keeps their place"


class PickingStrategy(Protocol):
    """Chooses the next block to fetch."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:
        """One of `view.candidates`, or None if there is none."""


class ChokingStrategy(Protocol):
    """Chooses whom to upload to."""

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:
        """The slots from now on.

        Called with `view.round_due` every 10 s, and without it whenever a neighbour becomes interested,
        whenever one that holds a slot loses interest or leaves, and for one more while the line is idle.
        """
