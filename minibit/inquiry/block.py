"""Why was this block asked of that neighbour, and what became of it."""

from collections import deque
from typing import Final

from msgspec import Struct

from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.inquiry.scene import MAX_NAMES, Scene

MAX_STEPS: Final = 20  # of one block at one peer; a liar may spoil a block many times
MAX_HOLDERS: Final = 6


class Asked(Struct, frozen=True):
    """It was picked, and asked of `who`: one of `tied` equals among `candidates` that `who` could give.

    `holders` are others present that held it then, of `held_by` in all; nobody if the log tells of one peer.
    """

    at: float
    who: str
    rule: str
    candidates: int
    tied: int
    copies: int | None
    holders: tuple[str, ...]
    held_by: int


class Came(Struct, frozen=True):
    """It was here whole; `right` says what its hash said, `senders` the chunks of each."""

    at: float
    right: bool
    senders: tuple[tuple[str, int], ...]


class BlockStory(Struct, frozen=True):
    """One block at one peer: `here` or not by now, whether it was `resumed`, and what happened in between."""

    peer: str
    block: int
    here: bool
    resumed: bool
    granted: bool
    steps: tuple[Asked | Came, ...]


class BlockQuestion:
    """Hears what happens to `block`, at `peer` or, if that is None, at everybody."""

    def __init__(self, scene: Scene, block: int, peer: str | None) -> None:
        self._scene = scene
        self._block = block
        self._peer = peer
        self._steps: dict[str, deque[Asked | Came]] = {}
        self._resumed: set[str] = set()

    def hear(self, entry: Entry) -> None:
        """This happens next; the scene is as it was before."""
        if self._peer not in (None, entry.peer):
            return
        match entry.event:
            case kinds.Joined(resumed=resumed):
                self._steps.pop(entry.peer, None)
                self._resumed.discard(entry.peer)
                if resumed >> self._block & 1 and len(self._resumed) < MAX_NAMES:
                    self._resumed.add(entry.peer)
            case kinds.Picked(block, who, rule, candidates, tied, copies) if block == self._block:
                others = [
                    actor.name
                    for actor in self._scene.present
                    if actor.blocks >> block & 1 and actor.name not in (who, entry.peer)
                ]
                asked = Asked(
                    entry.t, who, rule, candidates, tied, copies, tuple(others[:MAX_HOLDERS]), len(others)
                )
                self._note(entry.peer, asked)
            case kinds.Verified(block, senders) | kinds.Corrupt(block, senders) if block == self._block:
                right = isinstance(entry.event, kinds.Verified)
                self._note(entry.peer, Came(entry.t, right, senders))
            case _:
                pass  # nothing to do with it

    def answer(self) -> tuple[BlockStory, ...]:
        """A story for each peer that something is known of, or for the one that was asked about."""
        wanted = [
            actor
            for actor in self._scene.actors.values()
            if actor.name == self._peer or (self._peer is None and actor.name in self._steps)
        ]
        return tuple(
            BlockStory(
                actor.name,
                self._block,
                here=bool(actor.blocks >> self._block & 1),
                resumed=actor.name in self._resumed,
                granted=bool(actor.granted >> self._block & 1),
                steps=tuple(self._steps.get(actor.name, ())),
            )
            for actor in wanted
        )

    def _note(self, peer: str, step: Asked | Came) -> None:
        if peer in self._steps or len(self._steps) < MAX_NAMES:
            self._steps.setdefault(peer, deque(maxlen=MAX_STEPS)).append(step)
