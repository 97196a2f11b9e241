"""Why does this peer choke that one: its rank, its score, the cut line, the next round."""

from collections import deque
from typing import Final

from msgspec import Struct

from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.inquiry.scene import MAX_NAMES, Actor, Scene
from minibit.strategies.choking_manager import ROUND_SECONDS

MAX_MOVES: Final = 6
WITHDRAWALS: Final = ("lost interest", "left")  # moves that nobody but the neighbour itself brought about
NOBODY: Final = "nobody"  # the rule of `unchoke-none`


class Contest(Struct, frozen=True):
    """The last time that neighbours were ranked: `rank` from 1, by `score`, among so many.

    `cut` is the score of the last fixed place, held by `last`; `drawn` who was drawn by lot, and was the only
    one who could win a place of those who had none, if anybody was.
    """

    at: float
    rank: int
    score: float
    among: int
    cut: float | None
    last: str | None
    drawn: str | None


class Place(Struct, frozen=True):
    """What `who` is to `peer` at this moment: "fixed", "optimistic", "choked", or "stranger".

    `contest` is the last in which it was ranked, if any was; `since` of a later round in which it was not.
    `wants` is whether the peer has anything that it lacks, as far as the log tells.
    """

    peer: str
    who: str
    at: float
    role: str
    rule: str
    contest: Contest | None
    missed: float | None
    wants: bool | None
    origin: bool
    next_round: float | None
    moves: tuple[tuple[float, str], ...]

    @property
    def withdrawn(self) -> tuple[float, str] | None:
        """When and why it gave its place up, if it has not competed since."""
        last = self.moves[-1] if self.moves else None
        if last is None or last[1] not in WITHDRAWALS or self.role in ("fixed", "optimistic"):
            return None
        return last if self.contest is None or self.contest.at < last[0] else None

    @property
    def free_rider(self) -> bool:
        """Whether the peer uploads to nobody at all."""
        return self.rule == NOBODY


class ChokingQuestion:
    """Hears what `peer`, or everybody if that is None, decides about `who`."""

    def __init__(self, scene: Scene, who: str, peer: str | None) -> None:
        self._scene = scene
        self._who = who
        self._peer = peer
        self._moves: dict[str, deque[tuple[float, str]]] = {}
        self._contests: dict[str, tuple[float, kinds.Chosen]] = {}

    def hear(self, entry: Entry) -> None:
        """This happens next."""
        if not isinstance(entry.event, kinds.Chosen) or self._peer not in (None, entry.peer):
            return
        told = [what for name, what in entry.event.moves if name == self._who]
        if told and (entry.peer in self._moves or len(self._moves) < MAX_NAMES):
            kept = self._moves.setdefault(entry.peer, deque(maxlen=MAX_MOVES))
            kept.extend((entry.t, what) for what in told)
        ranked = any(name == self._who for name, _ in entry.event.scores)
        if ranked and (entry.peer in self._contests or len(self._contests) < MAX_NAMES):
            self._contests[entry.peer] = entry.t, entry.event

    def answer(self) -> tuple[Place, ...]:
        """How it stands with each peer that knows it, or with the one that was asked about."""
        wanted = [
            actor
            for actor in self._scene.actors.values()
            if actor.name == self._peer
            or (self._peer is None and actor.ended is None and self._who in actor.neighbours)
        ]
        return tuple(self._place(actor) for actor in wanted)

    def _place(self, actor: Actor) -> Place:
        who, choice, found = self._who, actor.choice, self._contests.get(actor.name)
        if choice is not None and who in choice.fixed:
            role = "fixed"
        elif choice is not None and choice.optimistic == who:
            role = "optimistic"
        elif choice is not None and who in choice.extra:
            role = "extra"
        else:
            role = "choked" if who in actor.neighbours or found is not None else "stranger"
        missed = None
        if actor.rounds and (found is None or found[0] < actor.round_at):
            missed = actor.round_at
        other = self._scene.actors.get(who)
        return Place(
            peer=actor.name,
            who=who,
            at=self._scene.t,
            role=role,
            rule="" if choice is None else choice.rule,
            contest=None if found is None else _contest(who, *found),
            missed=missed,
            wants=None if other is None else bool(actor.blocks & ~other.blocks),
            origin=actor.origin,
            next_round=next_round(actor, self._scene.t),
            moves=tuple(self._moves.get(actor.name, ())),
        )


def next_round(actor: Actor, t: float) -> float | None:
    """When this peer will deal its slots anew; None if it has left."""
    if actor.ended is not None:
        return None
    last = actor.round_at if actor.rounds else actor.joined_at
    return max(last + ROUND_SECONDS, t)


def _contest(who: str, at: float, chosen: kinds.Chosen) -> Contest:
    scores = dict(chosen.scores)
    score = scores[who]
    fixed = [(scores[name], name) for name in chosen.fixed if name in scores]
    cut, last = min(fixed, key=lambda pair: pair[0], default=(None, None))
    return Contest(
        at=at,
        rank=1 + sum(other > score for other in scores.values()),
        score=score,
        among=len(scores),
        cut=cut,
        last=last,
        drawn=next((name for name, what in chosen.moves if what == "drawn"), None),
    )
