"""The downloading half of a peer: interest, windows of requests, arriving chunks, news of new blocks.

A window adapts to its link by the delay it sees: a `QUICK` answer widens it by one chunk, so it doubles each
round trip until the link is full; a `SLOW` one narrows it, but hardly below a block: a crowd that asked for
blocks in parts ended 1 % later.

It writes a neighbour's `supply` and `blocks`, and reads everything.
"""

from collections.abc import Iterable, Set
from functools import reduce
from itertools import groupby
from operator import attrgetter, or_
from typing import Final

from msgspec import Struct

from minibit.engine import laggards, spans
from minibit.engine.allowance import Allowance
from minibit.engine.effects import Discard, PeerId, Store, Verify
from minibit.engine.flight import Chunks
from minibit.engine.journal import Picked, Spoilt, Verified
from minibit.engine.neighbour import FIRST_WINDOW, MAX_WINDOW, MIN_WINDOW, Neighbour
from minibit.engine.news import News
from minibit.engine.standing import Standing
from minibit.engine.trust import Trust
from minibit.errors import RemoteProtocolError
from minibit.strategies import asking
from minibit.strategies.view import Pick, PickingStrategy
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m

QUICK: Final = 0.75  # s; answers sooner than this widen the window; Transmission sends every half second
SLOW: Final = 2.0  # s; answers later than this narrow it
REFUSAL_SECONDS: Final = 10.0  # how long a block that a neighbour refused is not asked of it again
STARVING_SECONDS: Final = 60.0  # without anything that we miss: then others are looked for
MAX_UNASKED: Final = 1024  # chunks we never asked for, or no longer want, before that is abuse…
FORGIVEN: Final = 1  # …of which a sweep forgives so many: a slow neighbour sends what we cancelled long after


class Verdict(Struct, frozen=True):
    """What a block's hash meant: whether the download is complete, and whom to ban for it and why."""

    complete: bool = False
    guilty: tuple[PeerId, str] | None = None


class Downloads:
    """What we fetch and from whom; totals are in bytes, `corrupt` and `verified` in blocks.

    Args:
        limit: bytes per second over all neighbours; 0 is no limit.
    """

    def __init__(self, standing: Standing, picking: PickingStrategy, now: float, *, limit: float) -> None:
        self.allowance = Allowance(limit, now)
        self._standing = standing
        self._outbox = standing.outbox
        self._picking = picking
        self._news = News()
        self._givers: dict[int, Neighbour] = {}  # who serves us, be it only some blocks
        self._loose = False  # whether there may be chunks to ask for that nobody is asked for
        self._landed = False  # whether a block came: whoever owes us nothing may take over another one
        self.moved_at = now  # when a chunk that we wanted last came, or a block was last verified
        self.trust = Trust()
        self.total = 0
        self.from_origin = 0
        self.by_origin = 0  # the blocks, as a bitfield, of which an origin sent us at least half…
        self.by_peers = 0  # …and all others that came
        self._origins: set[PeerId] = set()
        self.corrupt = 0
        self.verified = 0

    # --- what neighbours tell

    def holds(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        """A neighbour turns out to hold these blocks too."""
        new = blocks & ~neighbour.blocks
        neighbour.blocks |= new
        self._standing.copies.add(new)
        if new & ~self._standing.blocks.have:
            if not neighbour.supply.interesting:
                neighbour.supply.interesting = True
                self._outbox.send(neighbour.key, m.Interested())
            self.fill(neighbour, now)

    def unchoked(self, neighbour: Neighbour, now: float) -> None:
        """A neighbour will serve us."""
        neighbour.supply.choking = False
        neighbour.supply.refused = 0
        self._givers[neighbour.key] = neighbour
        self.fill(neighbour, now)

    def choked(self, neighbour: Neighbour) -> None:
        """A neighbour will not serve us; with the Fast Extension it rejects each request by itself."""
        neighbour.supply.choking = True
        self._gives_less(neighbour)
        if neighbour.fast:
            self._release_blocks(neighbour, ~neighbour.supply.allowed)
        else:
            self.release(neighbour)

    def rejected(self, neighbour: Neighbour, rejections: Iterable[m.RejectRequest], now: float) -> None:
        """A neighbour will not serve these requests: do not ask it for those blocks again for now."""
        supply, refused = neighbour.supply, 0
        for block, begin, length in ((r.index, r.begin, r.length) for r in rejections):
            chunks = self._standing.layout.chunks(block, begin, length)
            if self._standing.blocks.rejected(neighbour.key, block, chunks):
                refused |= 1 << block
        if refused:
            if not supply.choking:
                supply.refused |= refused
                supply.refused_at = now
            supply.allowed &= ~refused
            self._gives_less(neighbour)
            self._release_blocks(neighbour, refused)

    def allowed(self, neighbour: Neighbour, block: int) -> None:
        """A neighbour serves this block even while it chokes us.

        Such blocks come many at a time: which of them to ask for first is chosen when all are known.
        """
        neighbour.supply.allowed |= 1 << block
        self._givers[neighbour.key] = neighbour
        self._loose = True

    def _gives_less(self, neighbour: Neighbour) -> None:
        if neighbour.supply.choking and not neighbour.supply.allowed:
            self._givers.pop(neighbour.key, None)

    # --- chunks

    def pieces(self, neighbour: Neighbour, pieces: list[m.Piece], now: float) -> None:
        """A run of chunks came.

        Raises:
            RemoteProtocolError: too many that nobody asked for.
        """
        count = sum([len(piece.data) for piece in pieces])
        self.total += count
        if neighbour.origin:
            self.from_origin += count
            self._origins.add(neighbour.source)
        neighbour.supply.flow.add(count, now)
        neighbour.patience.regain(-(-count // CHUNK_SIZE))
        for block, run in groupby(pieces, attrgetter("index")):
            self._run(neighbour, block, list(run), now)
        if neighbour.supply.unasked > MAX_UNASKED:
            raise RemoteProtocolError("sends what nobody asked for")
        self.fill(neighbour, now)

    def _run(self, neighbour: Neighbour, block: int, run: list[m.Piece], now: float) -> None:
        """A run of chunks of one block."""
        standing, supply = self._standing, neighbour.supply
        chunks = came = odd = 0
        for piece in run:
            theirs = standing.layout.chunks(block, piece.begin, len(piece.data))
            odd += not theirs  # stored, it would spoil what others supplied
            came += theirs.bit_count()
            chunks |= theirs
        source, suspect = neighbour.source, self.trust.suspects(neighbour.source)
        arrival = standing.blocks.arrived(neighbour.key, source, block, chunks, now, exclusive=suspect)
        owed, accepted = arrival.owed, arrival.accepted
        if self.allowance.limit:
            self.allowance.came(owed, came + odd - owed)
        if owed or accepted:
            supply.asked_at = now
            supply.snubbed = False
        if owed and arrival.waited < QUICK:
            supply.window = min(supply.window + owed, MAX_WINDOW, supply.queue_limit)
        elif owed and arrival.waited > SLOW:
            least = max(MIN_WINDOW, min(standing.layout.chunk_count(0), FIRST_WINDOW))
            supply.window = min(supply.window, max(supply.window - owed, least))
        if odd or accepted.bit_count() != came:
            supply.unasked += odd + (came - accepted.bit_count() if not owed else 0)
            run = spans.within(standing.layout, block, run, accepted)
        if run:
            self.moved_at = now
            self._outbox.put(Store(block, run))
        for other, needless in arrival.cancel:
            self._cancel(other, block, needless)
        if arrival.complete:
            self._outbox.put(Verify(block))

    def block_verified(self, block: int, ok: bool, now: float) -> Verdict:
        """A block's hash was right or wrong: tell those who need it, or find out who was guilty."""
        blocks = self._standing.blocks
        senders = blocks.verified(block, ok)
        self._standing.note(Verified if ok else Spoilt, now, block, senders)
        self.moved_at = now
        self._landed = True
        self._loose |= not ok or blocks.crowded  # it is to be fetched again, or there is room to open another
        if not ok:
            self.corrupt += 1
            guilty = self.trust.corrupt(senders.keys(), block)
            if guilty is None and len(senders) > 1:
                self._quarantine(senders.keys())
            return Verdict(guilty=guilty)
        self.verified += 1
        if 2 * sum(senders.get(origin, 0) for origin in self._origins) >= sum(senders.values()):
            self.by_origin |= 1 << block
        else:
            self.by_peers |= 1 << block
        self.trust.good(senders.keys())
        self.got(1 << block, now)
        if blocks.complete:
            self._news.hurry()
        return Verdict(complete=blocks.complete)

    def lost(self, blocks: int) -> None:
        """Verified blocks are gone from the disk: whoever holds them is asked again."""
        self._standing.blocks.lost(blocks)
        for neighbour in self._standing.neighbours.values():
            neighbour.told &= ~blocks
            if neighbour.blocks & blocks and not neighbour.supply.interesting:
                neighbour.supply.interesting = True
                self._outbox.send(neighbour.key, m.Interested())
        self._loose = True

    def _quarantine(self, suspects: Set[PeerId]) -> None:
        """Take those under suspicion out of the blocks that others supply too."""
        keys = {neighbour.source: key for key, neighbour in self._standing.neighbours.items()}
        for suspect in sorted(suspects):
            key = keys.get(suspect)
            for block, needless in self._standing.blocks.quarantine(key, suspect):
                assert key is not None
                self._cancel(key, block, needless)

    # --- news

    def got(self, blocks: int, now: float) -> None:
        """These blocks are new here: neighbours are to be told."""
        if blocks:
            self._news.add(now)

    def tell(self, now: float) -> None:
        """Tell neighbours which blocks are new since they were last told: HAVE to those who need it."""
        self._news.tell(self._standing, now)

    def starving(self, now: float) -> bool:
        """Whether nothing that we miss has come for long, besides what our own limit makes us wait for."""
        patience = STARVING_SECONDS + self.allowance.pause
        return now - self.moved_at >= patience and not self._standing.blocks.complete

    def next_deadline(self, now: float) -> float:
        """When neighbours are to be told or asked next; infinity if there is no news and nothing to ask."""
        return min(self._news.next_deadline(), self.allowance.next_deadline(now))

    # --- windows

    def fill(self, neighbour: Neighbour, now: float) -> None:
        """Ask this neighbour for as much as its window has room for; with a limit, when its turn comes."""
        if self.allowance.limit:
            self.allowance.line_up(neighbour.key)
        else:
            self._ask(neighbour, MAX_WINDOW, now)

    def _ask(self, neighbour: Neighbour, most: int, now: float) -> int:
        """Ask for at most so many chunks, and return how many; small gaps wait for more."""
        supply = neighbour.supply
        if not supply.serving:
            return 0
        book = self._standing.blocks
        outstanding = book.debts.outstanding(neighbour.key)
        window = 1 if supply.snubbed else min(supply.window, supply.queue_limit)
        room = window - outstanding
        if room <= 0 or (outstanding and room < window // 8):
            return 0
        room = min(room, most)
        blocks = neighbour.blocks & ~supply.refused & book.missing
        if supply.choking:
            blocks &= supply.allowed
        if not blocks:
            return 0
        if (given_up := book.make_room(neighbour.key, blocks, now)) is not None:
            self._outbox.put(Discard(given_up.block))
            for other, needless in given_up.cancel:
                self._cancel(other, given_up.block, needless)
        suspect = self.trust.suspects(neighbour.source)
        asked = book.ask(
            neighbour.key,
            blocks,
            room,
            lambda candidates: self._pick(neighbour, candidates, now),
            now,
            exclusive=suspect,
        )
        if not asked and not suspect:
            asked, relieved = book.ask_again(neighbour.key, blocks, room, now)
            for other, block, needless in relieved:
                self._cancel(other, block, needless)
        if asked:
            if not outstanding or supply.asked_at is None:
                supply.asked_at = now
            layout = self._standing.layout
            self._outbox.send(neighbour.key, *spans.messages(m.Request, layout, asked, neighbour.span))
        return book.debts.outstanding(neighbour.key) - outstanding

    def settle(self, now: float) -> None:
        """At the end of an input: ask for what came loose, once however often it did."""
        if self._loose or self._landed:
            blocks = self._standing.blocks
            neighbours = [n for n in self._givers.values() if n.supply.serving]
            if not self._loose:
                neighbours = [n for n in neighbours if not blocks.debts.outstanding(n.key)]
            elif blocks.crowded:  # the quick first: else the slow would only have to make room for them again
                neighbours.sort(key=lambda neighbour: blocks.debts.promise(neighbour.key, 1, now))
            self._loose = self._landed = False
            for neighbour in neighbours:
                self.fill(neighbour, now)
        if self.allowance.limit:
            self._ask_by_turns(now)

    def _ask_by_turns(self, now: float) -> None:
        """As far as the limit allows, ask everybody who has room for one chunk after another."""
        allowance = self.allowance
        allowance.balance(self._standing.blocks.debts)
        while (key := allowance.next(now)) is not None:
            asked = self._ask(self._standing.neighbours[key], 1, now)
            if asked:
                allowance.asked(asked)
                allowance.line_up(key)

    def release(self, neighbour: Neighbour) -> None:
        """Expect nothing more of this neighbour: others are asked instead."""
        neighbour.supply.asked_at = None
        self._release(neighbour, self._standing.blocks.full)

    def _release(self, neighbour: Neighbour, blocks: int) -> list[Chunks]:
        released, forgotten = self._standing.blocks.release(neighbour.key, blocks)
        self._discard(forgotten)
        self._loose |= bool(released or forgotten)
        return released

    def forget(self, neighbour: Neighbour) -> None:
        """This neighbour left."""
        self.release(neighbour)
        self._givers.pop(neighbour.key, None)
        self.allowance.leave(neighbour.key)
        self._standing.blocks.debts.pop(neighbour.key, None)

    def sweep(self, now: float) -> None:
        """Notice who has kept us waiting too long, and ask everyone else who has room."""
        neighbours, blocks = self._standing.neighbours, self._standing.blocks
        for neighbour in neighbours.values():
            supply = neighbour.supply
            supply.unasked = max(0, supply.unasked - FORGIVEN)
            if now - supply.refused_at >= REFUSAL_SECONDS:
                supply.refused = 0
        self._reclaim(now)
        late = {key: n for key, n in neighbours.items() if laggards.late(n, blocks.debts, now)}
        for neighbour in late.values():
            neighbour.supply.snubbed = True
        for key, neighbour in late.items():
            neighbour.supply.window = MIN_WINDOW
            neighbour.supply.asked_at = now
            blocks.debts[key].despair(now)
            # To take back what nobody else can give would only send its request to the end of a slow queue.
            others = reduce(or_, (laggards.giveable(n) for n in neighbours.values() if n is not neighbour), 0)
            for released in self._release(neighbour, others):
                self._cancel(key, *released)
        # Not those who are snubbed just now: what was cancelled would be asked for again, and the rejection
        # that answers the cancel would count against the new request. The next sweep asks them.
        self._loose = self._landed = False
        for key, neighbour in neighbours.items():
            if key not in late:
                self.fill(neighbour, now)

    def _reclaim(self, now: float) -> None:
        """Take blocks that only one neighbour may supply from who supplies them too slowly."""
        neighbours, blocks = self._standing.neighbours, self._standing.blocks
        size = self._standing.layout.chunk_count
        for block, key, owed, left in blocks.overdue(now - laggards.EXCLUSIVE_SECONDS):
            owner, others = neighbours[key], neighbours.values()
            if laggards.outpaced(owner, others, blocks.debts, block, left=left, size=size(block), now=now):
                owner.supply.refused |= 1 << block  # so that it is not the first to be asked again
                owner.supply.refused_at = now
                self._release_blocks(owner, 1 << block)
                self._cancel(key, block, owed)

    def _release_blocks(self, neighbour: Neighbour, blocks: int) -> None:
        forgotten = self._standing.blocks.release_blocks(neighbour.key, blocks)
        self._discard(forgotten)
        self._loose |= bool(forgotten or self._standing.blocks.spare)

    def _discard(self, forgotten: Iterable[int]) -> None:
        for block in forgotten:
            self._outbox.put(Discard(block))

    def _cancel(self, key: int, block: int, chunks: int) -> None:
        layout, span = self._standing.layout, self._standing.neighbours[key].span
        self._outbox.send(key, *spans.messages(m.Cancel, layout, [(block, chunks)], span))

    def _pick(self, neighbour: Neighbour, candidates: int, now: float) -> Pick | None:
        standing = self._standing
        pick = asking.pick(self._picking, standing.view(candidates=candidates), now, standing.rng)
        if pick is not None:
            standing.note(Picked, now, neighbour.key, pick)
        return pick
