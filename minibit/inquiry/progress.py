"""Why is this peer slow, or stuck, and where did its blocks come from."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from minibit import bitfield
from minibit.inquiry.choking import next_round
from minibit.inquiry.scene import Actor, Ended, Scene
from minibit.torrent.layout import CHUNK_SIZE

BUSY: Final = 0.85  # of what a line may carry: then it is full…
GRAIN: Final = (
    CHUNK_SIZE / 5
)  # …give or take a chunk in the 5 s of which rates are averages; bytes per second
MAX_LISTED: Final = 1000  # blocks that an answer names


class Verdict(StrEnum):
    """What keeps a peer from being complete, the gravest first."""

    LEFT = "left"
    COMPLETE = "complete"
    GONE = "gone"  # nobody holds what it lacks
    ALONE = "alone"  # no neighbour
    STALLED = "stalled"  # nothing has come for long: its own log says why
    LIMITED = "limited"  # as much comes as it allows itself
    UNSEEN = "unseen"  # no neighbour shows what it lacks
    CHOKED = "choked"  # who could give chokes it
    IDLE = "idle"  # nothing is asked, and none of these is why
    UPLINKS = "uplinks"  # those it waits for send all that they may
    WAITING = "waiting"  # it waits for what it has asked


class Debtor(Struct, frozen=True):
    """Who owes it `chunks`. Of a peer that the log tells of: its rate, its limit (0 is none), to how many it
    owes something itself, and whether it has left; None where nothing is known."""

    who: str
    chunks: int
    up_rate: float | None
    limit: float | None
    serving: int | None
    ended: Ended | None

    @property
    def busy(self) -> bool:
        """Whether its uplink is full."""
        return _full(self.up_rate or 0.0, self.limit or 0.0)


class LastHolder(Struct, frozen=True):
    """Who held blocks that nobody holds now, until it left."""

    who: str
    blocks: int  # how many of them
    ended: Ended


class Progress(Struct, frozen=True):
    """How a peer stands and why; rates are bytes per second, senders are in chunks."""

    peer: str
    at: float
    verdict: Verdict
    origin: bool
    ended: Ended | None
    completed_after: float | None
    have: int
    in_all: int
    resumed: int
    down_rate: float
    up_rate: float
    limit: float
    download_limit: float
    debtors: tuple[Debtor, ...]
    chokers: tuple[str, ...]
    unseen: int  # blocks that no neighbour has shown it
    gone: tuple[int, ...]
    gone_count: int
    holders: tuple[LastHolder, ...]
    stall: str
    unanswered: tuple[str, ...]
    corrupt: int
    spoilers: tuple[tuple[str, int], ...]
    banned: tuple[tuple[str, float], ...]
    senders: tuple[tuple[str, int], ...]
    fixed: tuple[str, ...]
    optimistic: str | None
    next_round: float | None


def progress(scene: Scene, actor: Actor) -> Progress:
    """How this peer stands at the scene's moment."""
    missing = scene.full & ~actor.blocks
    gone = missing & ~scene.held() if scene.whole else 0
    sample = actor.sample
    debtors = () if sample is None else tuple(_debtor(scene, *owed) for owed in sample.owed)
    debtors = tuple(sorted(debtors, key=lambda debtor: -debtor.chunks))
    after = None if actor.completed_at is None else actor.completed_at - actor.joined_at
    choice = actor.choice
    return Progress(
        peer=actor.name,
        at=scene.t,
        verdict=_verdict(actor, missing, gone, debtors),
        origin=actor.origin,
        ended=actor.ended,
        completed_after=after,
        have=actor.blocks.bit_count(),
        in_all=scene.layout.block_count,
        resumed=actor.resumed,
        down_rate=0.0 if sample is None else sample.down_rate,
        up_rate=0.0 if sample is None else sample.up_rate,
        limit=actor.limit,
        download_limit=actor.download_limit,
        debtors=debtors,
        chokers=() if sample is None else sample.choked_by,
        unseen=0 if sample is None else sample.unavailable,
        gone=tuple(bitfield.indices(bitfield.lowest(gone, MAX_LISTED))),
        gone_count=gone.bit_count(),
        holders=_last_holders(scene, gone),
        stall="" if actor.stall is None else actor.stall.reason,
        unanswered=tuple(actor.unanswered),
        corrupt=actor.corrupt,
        spoilers=_most(actor.spoilt),
        banned=tuple(actor.banned.items()),
        senders=_most(actor.senders),
        fixed=() if choice is None else choice.fixed,
        optimistic=None if choice is None else choice.optimistic,
        next_round=next_round(actor, scene.t),
    )


def _verdict(actor: Actor, missing: int, gone: int, debtors: tuple[Debtor, ...]) -> Verdict:
    sample = actor.sample
    if not missing:
        return Verdict.COMPLETE
    if actor.ended is not None:
        return Verdict.LEFT
    if gone == missing:
        return Verdict.GONE
    if not actor.neighbours:
        return Verdict.ALONE
    if actor.stall is not None:
        return Verdict.STALLED
    if sample is not None and _full(sample.down_rate, actor.download_limit):
        return Verdict.LIMITED
    if debtors:
        full = sum(debtor.chunks for debtor in debtors if debtor.busy)
        return Verdict.UPLINKS if 2 * full > sum(debtor.chunks for debtor in debtors) else Verdict.WAITING
    if sample is not None and sample.unavailable == missing.bit_count():
        return Verdict.UNSEEN
    return Verdict.CHOKED if sample is not None and sample.choked_by else Verdict.IDLE


def _full(rate: float, limit: float) -> bool:
    """Whether so much moves that the limit, if there is one, explains why it is not more."""
    return limit > 0.0 and rate > 0.0 and rate + GRAIN >= BUSY * limit


def _debtor(scene: Scene, who: str, chunks: int) -> Debtor:
    other = scene.actors.get(who)
    if other is None or other.sample is None:
        return Debtor(who, chunks, None, None, None, None)
    return Debtor(who, chunks, other.sample.up_rate, other.limit, len(other.sample.queued), other.ended)


def _last_holders(scene: Scene, gone: int) -> tuple[LastHolder, ...]:
    if not gone:
        return ()
    left = [
        LastHolder(actor.name, (actor.blocks & gone).bit_count(), actor.ended)
        for actor in scene.actors.values()
        if actor.ended is not None and actor.blocks & gone
    ]
    return tuple(sorted(left, key=lambda each: -each.ended.at))


def _most(totals: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(totals.items(), key=lambda pair: -pair[1]))
