"""One engine's journal as events: what it tells by keys and sources, told by names.

A neighbour keeps the name under which it was first told of, whatever it calls itself later, so that a log
names it in one way. Its shell tells what no engine knows of itself: joining, leaving, the time to sample.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from minibit.address import Address
from minibit.engine import journal
from minibit.engine.effects import PeerId
from minibit.engine.engine import Engine
from minibit.engine.neighbour import Neighbour
from minibit.engine.portrait import figures
from minibit.engine.stalls import StallWatch
from minibit.events import kinds
from minibit.events.entries import Entry

MAX_REMEMBERED: Final = 1000  # names of neighbours, which may have left and be guilty yet
UNKNOWN: Final = "?"


class Chronicle:
    """Told by an engine as its journal, tells events.

    Args:
        peer: whose engine it is.
        tell: called with each event.
        start: the log's start on the engine's clock.
    """

    def __init__(self, peer: str, tell: Callable[[Entry], None], *, start: float = 0.0) -> None:
        self._peer = peer
        self._write = tell
        self.start = start
        self._engine: Engine | None = None
        self._names: dict[int, str] = {}  # by key
        self._sources: dict[PeerId, str] = {}  # by what stands for them when it comes to guilt
        self._parted = False  # whether somebody has left since the last choice
        self._stalls = StallWatch()

    def __call__(self, entry: journal.Entry) -> None:
        """The journal of an engine; what befalls it before it has `joined` is not told."""
        if self._engine is None:
            return
        match entry:
            case journal.Picked(at, key, pick):
                who, tied = self._name(key, at), pick.tied.bit_count()
                candidates = pick.candidates.bit_count()
                self._tell(at, kinds.Picked(pick.block, who, pick.rule, candidates, tied, pick.copies))
            case journal.Chosen():
                self._choice(entry)
            case journal.Verified(at, block, senders):
                self._tell(at, kinds.Verified(block, self._shares(senders)))
            case journal.Spoilt(at, block, senders):
                self._tell(at, kinds.Corrupt(block, self._shares(senders)))
            case journal.Met(at, key):
                self._name(key, at)
            case journal.Parted(at, key, reason):
                neighbour = self._neighbours[key]
                who = self._names.get(key) or neighbour.label
                self._tell(at, kinds.Disconnected(who, reason))
                if key in self._known_engine.slots:
                    self._parted = True
                else:
                    self._names.pop(key, None)
            case journal.Dialled(at, address):
                self._tell(at, kinds.Dialled(self._named(address)))
            case journal.DialFailed(at, address):
                self._tell(at, kinds.DialFailed(self._named(address)))
            case journal.Banned(at, source, reason):
                self._tell(at, kinds.Banned(self._sources.get(source, UNKNOWN), reason))
            case journal.Completed(at):
                self._tell(at, kinds.Completed())

    # --- what its shell tells

    def joined(
        self,
        engine: Engine,
        address: str,
        granted: int,
        now: float,
        *,
        origin: bool = False,
        have: int | None = None,
    ) -> None:
        """This engine, whose journal we are, begins to trade; `have` is what it holds if it is still to
        learn that. Whom it has met already is told of."""
        self._engine = engine
        held = engine.blocks.have if have is None else have
        up, down = engine.uploads.limit, engine.downloads.allowance.limit
        self._tell(now, kinds.Joined(address, origin, up, granted, held, down))
        for key, neighbour in engine.neighbours.items():
            if neighbour.introduced:
                self._name(key, now)

    def left(self, how: str, why: str, now: float) -> None:
        """It trades no more."""
        self._tell(now, kinds.Left(how, why))

    def sample(self, now: float) -> None:
        """A second has passed: tell how it stands, and why nothing comes if that is news."""
        engine = self._known_engine
        blocks, own = engine.blocks, figures(engine, now)
        missing = blocks.full & ~blocks.have
        owed: list[tuple[int, int]] = []
        queued: list[tuple[int, int]] = []
        chokers: list[int] = []
        for key, neighbour in engine.neighbours.items():
            if not neighbour.introduced:
                continue
            owed.append((key, blocks.debts.outstanding(key)))
            queued.append((key, len(neighbour.demand.queue)))
            if neighbour.supply.choking and neighbour.blocks & missing:
                chokers.append(key)
        self._tell(
            now,
            kinds.Sampled(
                down_rate=own.down_rate,
                up_rate=own.up_rate,
                downloaded=own.downloaded,
                uploaded=own.uploaded,
                from_origin=own.from_origin,
                in_flight=(blocks.in_flight | blocks.verifying).bit_count(),
                unavailable=(missing & ~engine.copies.held).bit_count(),
                owed=self._counts(owed, now),
                queued=self._counts(queued, now),
                choked_by=tuple(self._name(key, now) for key in chokers),
            ),
        )
        stall = self._stalls.look(engine, now)
        if stall is not None:
            self._tell(now, kinds.Stalled(stall.explain(), stall.missing.bit_count()))

    # --- names

    @property
    def _known_engine(self) -> Engine:
        assert self._engine is not None, "an engine is followed before anything happens to it"
        return self._engine

    @property
    def _neighbours(self) -> Mapping[int, Neighbour]:
        return self._known_engine.neighbours

    def _name(self, key: int, at: float) -> str:
        """What this neighbour is called; the first time, it is told that it has connected."""
        name = self._names.get(key)
        if name is not None:
            return name
        neighbour = self._neighbours.get(key)
        if neighbour is None:
            return UNKNOWN
        name = self._names[key] = neighbour.label
        if neighbour.greeted:
            self._sources.pop(neighbour.source, None)
            self._sources[neighbour.source] = name
            if len(self._sources) > MAX_REMEMBERED:
                del self._sources[next(iter(self._sources))]
        where = _written(neighbour.address)
        self._tell(at, kinds.Connected(name, where, neighbour.outgoing, neighbour.client))
        return name

    def _named(self, address: Address) -> str:
        return self._known_engine.addresses.named(address) or _written(address)

    def _counts(self, pairs: Iterable[tuple[int, int]], now: float) -> tuple[tuple[str, int], ...]:
        return tuple((self._name(key, now), count) for key, count in pairs if count)

    def _shares(self, senders: Mapping[PeerId, int]) -> tuple[tuple[str, int], ...]:
        return tuple((self._sources.get(sender, UNKNOWN), chunks) for sender, chunks in senders.items())

    def _choice(self, entry: journal.Chosen) -> None:
        choice = entry.choice
        if entry.round_due or choice.moves or choice.slots != self._known_engine.slots:
            slots, at, name = choice.slots, entry.at, self._name
            chosen = kinds.Chosen(
                round_due=entry.round_due,
                fixed=tuple([name(key, at) for key in slots.fixed]),
                optimistic=None if slots.optimistic is None else name(slots.optimistic, at),
                scores=tuple([(name(key, at), score) for key, score in choice.scores.items()]),
                moves=tuple([(name(key, at), what) for key, what in choice.moves]),
                rule=choice.rule,
                extra=tuple([name(key, at) for key in slots.extra]),
            )
            self._tell(entry.at, chosen)
        if self._parted:  # who has left is named for the last time by the choice that fills its place
            self._parted = False
            for key in [key for key in self._names if key not in self._neighbours]:
                del self._names[key]

    def _tell(self, at: float, event: kinds.Event) -> None:
        self._write(Entry(at - self.start, self._peer, event))


def _written(address: Address) -> str:
    ip, port = address
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
