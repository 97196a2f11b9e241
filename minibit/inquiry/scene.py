"""A swarm as its events have told of it so far: what every answer is drawn from.

One pass over a log, in bounded memory per peer; nothing in it is trusted. A log may hold the views of a whole
swarm or of one peer, which then says of its neighbours only what it saw of them.
"""

from typing import Final

from msgspec import Struct, field

from minibit import bitfield
from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.torrent.layout import Layout

MAX_PEERS: Final = 20_000
MAX_NAMES: Final = 1000  # of others, in each thing that is remembered of one peer


class Ended(Struct):
    """How and when a peer left."""

    at: float
    how: str
    why: str


class Actor(Struct):
    """One peer, from its own events. Blocks are bitfields, times seconds since the log's start."""

    name: str
    joined_at: float
    origin: bool
    limit: float  # bytes per second that it may upload; 0 is none
    blocks: int
    granted: int
    resumed: int
    download_limit: float  # bytes per second that it allows itself; 0 is none
    ended: Ended | None = None
    completed_at: float | None = None
    moved_at: float = 0.0  # when a block last came
    sample: kinds.Sampled | None = None
    choice: kinds.Chosen | None = None  # the last one
    rounds: int = 0
    round_at: float = 0.0  # when the last one was
    pick: kinds.Picked | None = None
    picked_at: float = 0.0
    stall: kinds.Stalled | None = None
    neighbours: dict[str, None] = field(default_factory=dict)
    senders: dict[str, int] = field(default_factory=dict)  # chunks of right blocks
    spoilt: dict[str, int] = field(default_factory=dict)  # wrong blocks that each had a part in
    corrupt: int = 0
    banned: dict[str, float] = field(default_factory=dict)
    unanswered: dict[str, float] = field(default_factory=dict)  # who did not answer, since it last did


class Scene:
    """Everybody of whom the log has told up to `t`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.full = bitfield.full(layout.block_count)
        self.t = 0.0
        self.actors: dict[str, Actor] = {}
        self.loser: tuple[str, str, float] | None = None  # who choked whom in a round, the last time

    def apply(self, entry: Entry) -> None:
        """This happened next."""
        self.t = max(self.t, entry.t)
        if isinstance(entry.event, kinds.Joined):
            self._join(entry.peer, entry.event)
            return
        actor = self.actors.get(entry.peer)
        if actor is not None:
            self._happened(actor, entry.event)

    def _join(self, name: str, event: kinds.Joined) -> None:
        if name not in self.actors and len(self.actors) >= MAX_PEERS:
            return
        have = event.resumed & self.full
        self.actors[name] = Actor(
            name=name,
            joined_at=self.t,
            origin=event.origin,
            limit=event.upload_limit,
            blocks=have,
            granted=event.granted & self.full,
            resumed=have.bit_count(),
            download_limit=event.download_limit,
            completed_at=self.t if have == self.full else None,
            moved_at=self.t,
        )

    def _happened(self, actor: Actor, event: kinds.Event) -> None:
        match event:
            case kinds.Left(how, why):
                actor.ended = Ended(self.t, how, why)
            case kinds.Completed():
                actor.completed_at = self.t
            case kinds.Verified(block, senders) if block < self.layout.block_count:
                actor.blocks |= 1 << block
                actor.moved_at, actor.stall = self.t, None
                _add(actor.senders, senders)
            case kinds.Recalled(blocks, senders):
                actor.blocks |= blocks & self.full
                _add(actor.senders, senders)
            case kinds.Corrupt(_, senders):
                actor.corrupt += 1
                _add(actor.spoilt, tuple((name, 1) for name, _ in senders))
            case kinds.Sampled():
                actor.sample = event
            case kinds.Stalled():
                actor.stall = event
            case kinds.Picked():
                actor.pick, actor.picked_at = event, self.t
            case kinds.Chosen():
                actor.choice = event
                if event.round_due:
                    actor.round_at, actor.rounds = self.t, actor.rounds + 1
                    places = (*event.fixed, event.optimistic, *event.extra)
                    lost = next((name for name, _ in event.scores if name not in places), None)
                    if lost is not None:
                        self.loser = actor.name, lost, self.t
            case kinds.Connected(who):
                actor.unanswered.pop(who, None)
                if len(actor.neighbours) < MAX_NAMES:
                    actor.neighbours[who] = None
            case kinds.Disconnected(who):
                actor.neighbours.pop(who, None)
            case kinds.DialFailed(who) if len(actor.unanswered) < MAX_NAMES:
                actor.unanswered[who] = self.t
            case kinds.Banned(who) if len(actor.banned) < MAX_NAMES:
                actor.banned[who] = self.t
            case _:
                pass  # nothing that an answer needs

    # --- what follows from it

    @property
    def whole(self) -> bool:
        """Whether the log has told of more than one peer's view, so that what nobody holds can be known."""
        return len(self.actors) > 1

    @property
    def present(self) -> list[Actor]:
        return [actor for actor in self.actors.values() if actor.ended is None]

    def held(self) -> int:
        """The blocks that somebody present holds."""
        held = 0
        for actor in self.present:
            held |= actor.blocks
        return held


def _add(totals: dict[str, int], more: tuple[tuple[str, int], ...]) -> None:
    for name, number in more:
        if name in totals or len(totals) < MAX_NAMES:
            totals[name] = totals.get(name, 0) + number
