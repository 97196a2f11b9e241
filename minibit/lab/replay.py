"""A swarm as it stood at any time of its event log: the snapshot that live tables show, built from events.

Going on reads on; going back starts from the nearest of a few checkpoints. Nothing in a log is trusted.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from minibit import bitfield
from minibit.copies import Copies
from minibit.eventlog.reading import Reader
from minibit.events import kinds
from minibit.events.entries import MICROSECONDS, Entry, Header
from minibit.snapshot import Figures, State, SwarmRow, SwarmStatus, served
from minibit.text import ORIGIN

MAX_PEERS: Final = 20_000
CURTAIN_SECONDS: Final = 10.0
CHECKPOINT_BYTES: Final = 1 << 20  # of the log between two checkpoints, while there are few
MAX_CHECKPOINTS: Final = 64
EVENTS_AT_ONCE: Final = 5_000


class Past(Struct):
    """One peer as its log has told of it so far."""

    row: SwarmRow
    since: float  # when it joined
    granted: int  # the blocks that were dealt to it
    stall: str = ""  # why nothing comes, if its log has said so since its last block


class Picture:
    """The swarm after so many events. Rows are replaced, never changed, so that copies share them."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._count = header.layout.block_count
        self._full = bitfield.full(self._count)
        self.t = 0.0
        self._present: dict[str, Past] = {}
        self._gone: dict[str, tuple[float, Past]] = {}  # who left in the last `CURTAIN_SECONDS`
        self._copies = Copies(self._count)  # among those present, the origin left out

    def copy(self) -> "Picture":
        """The same picture, which goes its own way from here."""
        other = Picture(self._header)
        other.t = self.t
        other._present = {name: replace(past) for name, past in self._present.items()}
        other._gone = dict(self._gone)
        for past in self._present.values():
            other._count_copies(past.row)
        return other

    def apply(self, entry: Entry) -> None:
        """This happened next. What is no news of a peer that has joined is passed over."""
        self.t = max(self.t, entry.t)
        if isinstance(entry.event, kinds.Joined):
            self._join(entry.peer, entry.event)
            return
        past = self._present.get(entry.peer)
        if past is None:
            return
        row, old = past.row, past.row.figures
        match entry.event:
            case kinds.Left():
                self._leave(entry.peer, past)
            case kinds.Verified(block, senders) if block < self._count and not row.blocks >> block & 1:
                figures = replace(old, verified=old.verified + 1)
                if past.granted >> block & 1:
                    figures = _dealt(figures, senders)
                past.row, past.stall = replace(row, blocks=row.blocks | 1 << block, figures=figures), ""
                if not row.origin:
                    self._copies.add(1 << block)
            case kinds.Completed():
                after = round(self.t - past.since, MICROSECONDS)
                past.row = replace(row, figures=replace(old, state=State.COMPLETE, completed_after=after))
            case kinds.Stalled(reason):
                past.stall = reason
            case kinds.Corrupt():
                past.row = replace(row, figures=replace(old, corrupt=old.corrupt + 1))
            case kinds.Banned():
                past.row = replace(row, figures=replace(old, banned=old.banned + 1))
            case kinds.Chosen(fixed=fixed, optimistic=optimistic, extra=extra):
                figures = replace(old, fixed=served(fixed, extra), optimistic=optimistic)
                past.row = replace(row, figures=figures)
            case kinds.Sampled() as sample:
                figures = replace(
                    old,
                    down_rate=sample.down_rate,
                    up_rate=sample.up_rate,
                    downloaded=sample.downloaded,
                    uploaded=sample.uploaded,
                    from_origin=sample.from_origin,
                )
                past.row = replace(row, figures=figures)

    @property
    def stalls(self) -> dict[str, str]:
        """Who of those present has come to a halt, and why."""
        return {name: past.stall for name, past in self._present.items() if past.stall}

    def status(self, *, curtain: bool) -> SwarmStatus:
        """The swarm as it stands. At the end of a log, when everybody has left, `curtain` shows it as it was
        before they did: the last act of every swarm would else be an empty stage."""
        header, now = self._header, self.t
        present = list(self._present.values())
        copies = self._copies
        if curtain and not any(not past.row.origin for past in present) and self._gone:
            left = [past for _, past in self._gone.values()]
            present = [*left, *present]
            copies = Copies(self._count)
            for past in left:
                if not past.row.origin:
                    copies.add(past.row.blocks)
        present.sort(key=lambda past: (not past.row.origin, past.row.name))  # as a tracker tells them
        return SwarmStatus(
            share=header.share,
            total_size=header.total_size,
            block_size=header.block_size,
            block_count=self._count,
            info_hash=header.info_hash,
            uptime=now,
            rarest_copies=copies.rarest(self._full)[0],
            rows=tuple(replace(past.row, timestamp=header.start + now) for past in present),
        )

    def _join(self, name: str, event: kinds.Joined) -> None:
        before = self._present.pop(name, None)
        if before is not None:
            self._forget_copies(before.row)
        if len(self._present) >= MAX_PEERS:
            return
        self._gone.pop(name, None)
        ip, _, port = event.address.rpartition(":")
        blocks, granted = event.resumed & self._full, event.granted & self._full
        complete = blocks == self._full
        row = SwarmRow(
            name=name,
            ip=ip.strip("[]"),
            port=int(port) if port.isdecimal() and len(port) <= 5 else 0,
            timestamp=0.0,
            blocks=blocks,
            given=granted.bit_count(),
            origin=event.origin,
            figures=Figures(
                state=State.COMPLETE if complete else State.DOWNLOADING,
                resumed=blocks.bit_count(),
                completed_after=0.0 if complete else None,
            ),
        )
        self._present[name] = Past(row, self.t, granted)
        self._count_copies(row)

    def _leave(self, name: str, past: Past) -> None:
        del self._present[name]
        self._forget_copies(past.row)
        self._gone = {each: left for each, left in self._gone.items() if self.t - left[0] <= CURTAIN_SECONDS}
        self._gone[name] = (self.t, past)

    def _count_copies(self, row: SwarmRow) -> None:
        if not row.origin:
            self._copies.add(row.blocks)

    def _forget_copies(self, row: SwarmRow) -> None:
        if not row.origin:
            self._copies.remove(row.blocks)


def _dealt(figures: Figures, senders: Sequence[tuple[str, int]]) -> Figures:
    """One more of the blocks that were dealt to it is here; it came from whoever sent at least half of it."""
    by_origin = sum(chunks for who, chunks in senders if who == ORIGIN)
    if senders and 2 * by_origin >= sum(chunks for _, chunks in senders):
        return replace(figures, dealt_by_origin=figures.dealt_by_origin + 1)
    return replace(figures, dealt_by_peers=figures.dealt_by_peers + 1)


class Replay:
    """The swarm of one log at any time."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.header = reader.header
        self._picture = Picture(reader.header)
        self._offset = reader.start
        self._ahead: tuple[Entry, int] | None = None  # read, and not yet due
        self._entries: Iterator[tuple[Entry, int]] = reader.entries()
        self._now = 0.0
        self._ended = False
        self._checkpoints = [(0.0, reader.start, self._picture.copy())]
        self._interval = CHECKPOINT_BYTES

    @property
    def ended(self) -> bool:
        """Whether there is nothing more in the log than what was shown last."""
        return self._ended

    def end(self) -> float:
        """When the last event happened; a log that grows ends later each time."""
        return self._reader.last()

    def at(self, t: float) -> SwarmStatus:
        """The swarm after all that happened up to `t`, in seconds since the log's start."""
        while not self.go_to(t):
            pass
        return self.status()

    def go_to(self, t: float) -> bool:
        """A bounded part of the way to `t`; returns whether that was the last one."""
        if t < self._now:
            self._go_back(t)
        if self._ended:  # perhaps it has grown
            self._entries, self._ended = self._reader.entries(self._offset), False
        for _ in range(EVENTS_AT_ONCE):
            if self._ahead is None:
                self._ahead = next(self._entries, None)
            if self._ahead is None:
                self._ended = True
                self._now = min(t, self._picture.t)
                return True
            entry, offset = self._ahead
            if entry.t > t:
                self._now = t
                return True
            self._picture.apply(entry)
            self._now = self._picture.t
            self._offset, self._ahead = offset, None
            self._keep()
        return False

    def status(self) -> SwarmStatus:
        """The swarm as far as we have gone."""
        return replace(self._picture.status(curtain=self._ended), uptime=self._now)

    @property
    def stalls(self) -> dict[str, str]:
        """Who stands still as far as we have gone, and why."""
        return self._picture.stalls

    def _go_back(self, t: float) -> None:
        first, *later = self._checkpoints
        _, self._offset, picture = next((each for each in reversed(later) if each[0] <= t), first)
        self._picture, self._now = picture.copy(), picture.t
        self._entries, self._ahead, self._ended = self._reader.entries(self._offset), None, False

    def _keep(self) -> None:
        if self._offset < self._checkpoints[-1][1] + self._interval:
            return
        self._checkpoints.append((self._picture.t, self._offset, self._picture.copy()))
        if len(self._checkpoints) > MAX_CHECKPOINTS:
            del self._checkpoints[1::2]
            self._interval *= 2
