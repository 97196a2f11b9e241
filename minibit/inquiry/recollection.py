"""What a running peer remembers of what it did, so that it can be asked: the events of a log, but not all.

Bounded whatever happens: the last picks, choices and troubles, who is there, how it stands; of what is
forgotten, the blocks that came and who sent them are summed up (`Recalled`).
"""

from collections import deque
from typing import Final

from msgspec import Struct

from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.strategies.choking_manager import ROUND_SECONDS

BLOCKS_REMEMBERED: Final = 4000  # picks and blocks
CHOICES_REMEMBERED: Final = 100  # between rounds
ROUNDS_REMEMBERED: Final = 30
TROUBLES_REMEMBERED: Final = 200
MAX_NEIGHBOURS: Final = 1000
MAX_SENDERS: Final = 1000


class Recent(Struct, frozen=True):
    """The last decisions of a peer: when it picked what, who moved when in which choice, and the next round.

    Times are seconds since it began; None before the first of each.
    """

    picked_at: float | None
    picked: kinds.Picked | None
    chosen_at: float | None
    chosen: kinds.Chosen | None
    next_round: float


class Recollection:
    """Told each event of one peer, in order."""

    def __init__(self) -> None:
        self._first: list[Entry] = []  # that it joined, that it is complete
        self._neighbours: dict[str, Entry] = {}
        self._blocks: deque[Entry] = deque()
        self._choices: deque[Entry] = deque(maxlen=CHOICES_REMEMBERED)
        self._rounds: deque[Entry] = deque(maxlen=ROUNDS_REMEMBERED)
        self._troubles: deque[Entry] = deque(maxlen=TROUBLES_REMEMBERED)
        self._sample: Entry | None = None
        self._picked: tuple[float, kinds.Picked] | None = None
        self._moved: tuple[float, kinds.Chosen] | None = None
        self._round_at = 0.0  # when it last dealt its slots in a round, or joined
        self._forgotten = 0
        self._senders: dict[str, int] = {}

    def hear(self, entry: Entry) -> None:
        """This happened."""
        match entry.event:  # what happens most often first: every live peer remembers
            case kinds.Picked() | kinds.Verified() | kinds.Corrupt():
                if isinstance(entry.event, kinds.Picked):
                    self._picked = entry.t, entry.event
                self._blocks.append(entry)
                if len(self._blocks) > BLOCKS_REMEMBERED:
                    self._forget(self._blocks.popleft())
            case kinds.Chosen():
                self._choose(entry, entry.event)
            case kinds.Sampled():
                self._sample = entry
            case kinds.Joined():
                self._first, self._round_at = [entry], entry.t
            case kinds.Completed():
                self._first = [*self._first[:1], entry]
            case kinds.Connected(who):
                if len(self._neighbours) < MAX_NEIGHBOURS:
                    self._neighbours[who] = entry
            case kinds.Disconnected(who):
                self._neighbours.pop(who, None)
                self._troubles.append(entry)
            case _:
                self._troubles.append(entry)

    def entries(self) -> list[Entry]:
        """What it remembers, in the order in which it happened."""
        if not self._first:
            return []
        first, *later = self._first
        decided = [*self._blocks, *self._choices, *self._rounds]
        sample = [] if self._sample is None else [self._sample]
        rest = [*later, *self._neighbours.values(), *decided, *self._troubles, *sample]
        rest.sort(key=lambda entry: entry.t)
        if self._forgotten:
            summed = kinds.Recalled(self._forgotten, tuple(self._senders.items()))
            rest.insert(0, Entry(first.t, first.peer, summed))
        return [first, *rest]

    def recent(self) -> Recent:
        """Its last decisions."""
        picked_at, picked = self._picked or (None, None)
        chosen_at, chosen = self._moved or (None, None)
        return Recent(picked_at, picked, chosen_at, chosen, self._round_at + ROUND_SECONDS)

    def _choose(self, entry: Entry, chosen: kinds.Chosen) -> None:
        if chosen.round_due:
            self._rounds.append(entry)
            self._round_at = entry.t
        else:
            self._choices.append(entry)
        if chosen.moves:
            self._moved = entry.t, chosen

    def _forget(self, entry: Entry) -> None:
        if isinstance(entry.event, kinds.Verified):
            self._forgotten |= 1 << entry.event.block
            for name, chunks in entry.event.senders:
                if name in self._senders or len(self._senders) < MAX_SENDERS:
                    self._senders[name] = self._senders.get(name, 0) + chunks
