"""Why nothing comes any more: who lacks what, who holds it, what was asked of whom.

A stall is a while without a block and without a chunk that was wanted. A transfer that crawls is none: at
1 KiB/s a chunk comes every 16 s.
"""

from typing import Final

from msgspec import Struct

from minibit import bitfield
from minibit.engine.engine import Engine
from minibit.engine.neighbour import Neighbour

STALL_SECONDS: Final = 40.0  # without a chunk, before that is a stall
MAX_NAMED: Final = 4  # neighbours that one reason names


class Cause(Struct, frozen=True):
    """Why the `blocks` that these neighbours hold do not come from them.

    `kind` is "choking", "owing", "refusing", "spare" (others owe us all that it holds), "waiting" (for a
    place: memory for blocks in flight is short) or "unpicked". `since` is when the one that has owed us
    something the longest was asked, or last answered.
    """

    kind: str
    blocks: int
    count: int  # neighbours, of which only some are named
    names: tuple[str, ...]
    since: float | None = None

    def explain(self, now: float) -> str:
        """One clause."""
        more = self.count - len(self.names)
        who = _listing([*self.names, *([f"{more} more"] if more else [])])
        waited = f" for {now - self.since:.0f} s" if self.since is not None else ""
        return {
            "choking": f"held but not served, because they choke us: {who}",
            "owing": f"asked, and nothing sent{waited}: {who}",
            "refusing": f"asked, and refused: {who}",
            "spare": f"ready to serve what is asked of others already: {who}",
            "waiting": f"ready to serve, but memory for blocks in flight is taken by the slow: {who}",
            "unpicked": f"ready to serve, but the picking strategy names no block: {who}",
        }[self.kind]


class Stall(Struct, frozen=True):
    """A download that has come to a halt; blocks are bitfields, times are of the engine's clock."""

    at: float  # when it was looked at
    since: float  # when something last came
    missing: int  # blocks that are not here
    in_all: int  # blocks of the share
    nowhere: int  # of the missing, those that no neighbour holds
    neighbours: int
    addresses: int  # that are known, and dialled again and again
    checking: int  # blocks that the disk has not come back from
    causes: tuple[Cause, ...]

    @property
    def reasons(self) -> tuple[object, ...]:
        """What two stalls have in common that are the same one, whenever they were looked at."""
        causes = [(cause.kind, cause.blocks, cause.count) for cause in self.causes]
        return (self.since, self.missing, self.nowhere, self.neighbours, self.checking, *causes)

    def explain(self) -> str:
        """The reasons as one sentence."""
        missing = self.missing.bit_count()
        told = [f"{missing} of {self.in_all} blocks {'is' if missing == 1 else 'are'} missing"]
        if not self.neighbours:
            known = f"{self.addresses} known {'address' if self.addresses == 1 else 'addresses'}"
            told.append(f"no neighbour, and {known}, dialled again and again")
        elif self.nowhere:
            told.append(f"shown by no neighbour of {self.neighbours}: {bitfield.listed(self.nowhere)}")
        told += [cause.explain(self.at) for cause in self.causes]
        if self.checking:
            told.append(f"still being checked by the disk: {bitfield.listed(self.checking)}")
        return f"nothing has come for {self.at - self.since:.0f} s: {'; '.join(told)}"


def stall(engine: Engine, now: float, patience: float = STALL_SECONDS) -> Stall | None:
    """Why nothing has come for `patience` seconds, besides those that our own limit makes us wait; None if
    something has, if all is here, or if what is shared is not known yet."""
    blocks, since = engine.blocks, engine.downloads.moved_at
    missing = blocks.full & ~blocks.have
    if not missing or now - since < patience + engine.downloads.allowance.pause:
        return None
    present = [n for n in engine.neighbours.values() if n.greeted]
    found: dict[str, list[Neighbour]] = {}
    for neighbour in present:
        if neighbour.blocks & missing & ~blocks.verifying:
            found.setdefault(_why(engine, neighbour, missing), []).append(neighbour)
    return Stall(
        at=now,
        since=since,
        missing=missing,
        in_all=engine.layout.block_count,
        nowhere=missing & ~blocks.verifying & ~engine.copies.held,
        neighbours=len(present),
        addresses=engine.addresses.known,
        checking=blocks.verifying,
        causes=tuple(_cause(kind, missing, neighbours) for kind, neighbours in sorted(found.items())),
    )


class StallWatch:
    """Tells of each stall once, and again when its reasons have changed, but not at every choke.

    Args:
        patience: seconds without a chunk before that is a stall.
    """

    def __init__(self, patience: float = STALL_SECONDS) -> None:
        self._patience = patience
        self._told: Stall | None = None

    def look(self, engine: Engine, now: float) -> Stall | None:
        """The stall that there is now, if it is news."""
        found, told = stall(engine, now, self._patience), self._told
        if found is None:
            return None
        if told is not None:
            again = found.since == told.since and now - told.at < STALL_SECONDS
            if again or found.reasons == told.reasons:
                return None
        self._told = found
        return found


def _why(engine: Engine, neighbour: Neighbour, missing: int) -> str:
    supply, blocks = neighbour.supply, engine.blocks
    ready = neighbour.blocks & missing
    if supply.choking:
        ready &= supply.allowed
    if not ready:
        return "choking"
    if blocks.debts.outstanding(neighbour.key) or supply.snubbed:
        return "owing"
    if not ready & ~supply.refused:
        return "refusing"
    if not blocks.wanted & ready & ~supply.refused:
        return "spare"
    full = (blocks.in_flight | blocks.verifying).bit_count() >= blocks.max_open
    return "waiting" if full else "unpicked"


def _cause(kind: str, missing: int, neighbours: list[Neighbour]) -> Cause:
    held = 0
    for neighbour in neighbours:
        held |= neighbour.blocks & missing
    asked = [n.supply.asked_at for n in neighbours if n.supply.asked_at is not None]
    names = tuple(neighbour.label for neighbour in neighbours[:MAX_NAMED])
    return Cause(kind, held, len(neighbours), names, min(asked, default=None))


def _listing(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
