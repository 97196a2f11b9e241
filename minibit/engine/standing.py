"""How a peer stands: the share, its blocks, its neighbours, its slots, and what it is about to say.

Downloading and uploading both work on this one record; it decides nothing.
"""

from collections.abc import Callable
from random import Random

from minibit.copies import Copies
from minibit.engine.blocks import Blocks
from minibit.engine.journal import Entry, Journal
from minibit.engine.lateness import Lateness
from minibit.engine.neighbour import Neighbour
from minibit.engine.outbox import Outbox
from minibit.strategies.view import Slots, SwarmView
from minibit.torrent.layout import Layout


class Standing:
    """What the halves of an engine share.

    Args:
        layout: how the share is cut; `UNKNOWN` until its metainfo is.
        have: the blocks that are verified already, as a bitfield.
        journal: who is told of every decision, if anybody.
    """

    def __init__(self, layout: Layout, have: int, rng: Random, journal: Journal | None) -> None:
        self.neighbours: dict[int, Neighbour] = {}
        self.slots = Slots()
        self.grants: dict[bytes, int] = {}  # by wire id: a grant may come before the peer does
        self.outbox = Outbox()
        self.lateness = Lateness()
        self.rng = rng
        self.journal = journal
        self.learn(layout, have)

    def note(self, kind: Callable[..., Entry], *fields: object) -> None:
        """Tell the journal of this, if there is one: without one, no entry is built."""
        if self.journal is not None:
            self.journal(kind(*fields))

    def learn(self, layout: Layout, have: int) -> None:
        """The share is cut like this, and `have` is here already; nothing is known of any other block."""
        self.layout = layout
        self.blocks = Blocks(layout, have)
        self.copies = Copies(layout.block_count)  # among neighbours

    def view(self, *, candidates: int = 0, round_due: bool = False, spare: int = 0) -> SwarmView:
        """The swarm as strategies see it."""
        return SwarmView(
            block_count=self.layout.block_count,
            have=self.blocks.have,
            wanted=self.blocks.wanted,
            copies=self.copies,
            neighbours=self.neighbours,
            slots=self.slots,
            candidates=candidates,
            round_due=round_due,
            spare=spare,
        )
