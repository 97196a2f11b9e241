"""The downloading half of a peer: interest, windows of requests, arriving chunks, trust.

A window adapts to its link by the delay it sees: an answer within half a second widens it by one
chunk, so it doubles each round trip until the link is full; an answer after two seconds narrows it.
"""

from collections.abc import Callable, Mapping
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Final

from minibit import bitfield
from minibit.copies import Copies
from minibit.engine.blocks import Blocks
from minibit.engine.effects import Discard, Effect, Finished, Send, Store, Verify
from minibit.engine.neighbour import MAX_WINDOW, MIN_WINDOW, Neighbour
from minibit.errors import UsageError
from minibit.strategies.view import Pick, PickingStrategy, SwarmView
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m

QUICK: Final = 0.5  # s; answers sooner than this widen the window
SLOW: Final = 2.0  # s; answers later than this narrow it
SNUB_SECONDS: Final = 60.0  # BEP 3: no data for a minute
MAX_STRIKES: Final = 2  # corrupt blocks that one sender alone supplied before it is banned
REFUSAL_SECONDS: Final = 10.0  # how long a block that a neighbour refused is not asked of it again
NEWS_SECONDS: Final = 0.05
EXCLUSIVE_SECONDS: Final = 30.0  # how long the one supplier of a block may take between requests
MAX_SUSPECTS: Final = 1000
MAX_UNASKED: Final = 1024  # chunks we never asked for, or no longer want, before that is abuse


class Downloads:
    """What we fetch and from whom.

    Args:
        blocks: the bookkeeping of blocks and chunks.
        view: the swarm as strategies see it, given the candidates.
        emit: takes each effect, in order.
        hang_up: ends the connection to a neighbour that abuses us.
        ban: called with a neighbour's peer id when it is proven to send corrupt blocks.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        blocks: Blocks,
        neighbours: Mapping[int, Neighbour],
        copies: Copies,
        picking: PickingStrategy,
        view: Callable[[int], SwarmView],
        emit: Callable[[Effect], None],
        hang_up: Callable[[Neighbour, str], None],
        ban: Callable[[bytes, str], None],
        rng: Random,
    ) -> None:
        self._layout = layout
        self.blocks = blocks
        self._neighbours = neighbours
        self._copies = copies
        self._picking = picking
        self._view = view
        self._emit = emit
        self._hang_up = hang_up
        self._ban = ban
        self._rng = rng
        self._news = 0  # blocks that neighbours have not been told of
        self._told = float("-inf")
        self._strikes: dict[bytes, int] = {}  # corrupt blocks that a peer alone supplied
        self.suspects: dict[bytes, None] = {}  # peers that had a part in a corrupt block
        self._loose = False  # whether there may be chunks to ask for that nobody is asked for
        self.total = 0
        self.from_origin = 0
        self.corrupt = 0
        self.verified = 0

    # --- what neighbours tell

    def holds(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        """A neighbour turns out to hold these blocks too."""
        new = blocks & ~neighbour.blocks
        neighbour.blocks |= new
        self._copies.add(new)
        if new & ~self.blocks.have and not neighbour.am_interested:
            neighbour.am_interested = True
            self._emit(Send(neighbour.key, (m.Interested(),)))
        self.fill(neighbour, now)

    def unchoked(self, neighbour: Neighbour, now: float) -> None:
        """A neighbour will serve us."""
        neighbour.choking = False
        neighbour.refused = 0
        self.fill(neighbour, now)

    def choked(self, neighbour: Neighbour) -> None:
        """A neighbour will not serve us; with the Fast Extension it rejects each request by itself."""
        neighbour.choking = True
        if neighbour.fast:
            self._disown(neighbour, ~neighbour.allowed)
        else:
            self.release(neighbour)

    def rejected(self, neighbour: Neighbour, rejection: m.RejectRequest, now: float) -> None:
        """A neighbour will not serve one request: do not ask it for that block again for now."""
        request = m.Request(rejection.index, rejection.begin, rejection.length)
        if self.blocks.rejected(neighbour.key, request):
            if not neighbour.choking:
                neighbour.refused |= 1 << rejection.index
                neighbour.refused_at = now
            neighbour.allowed &= ~(1 << rejection.index)
            self._disown(neighbour, 1 << rejection.index)

    def _disown(self, neighbour: Neighbour, blocks: int) -> None:
        for block in self.blocks.disown(neighbour.key, blocks):
            self._emit(Discard(block))
        self._loose = True

    def allowed(self, neighbour: Neighbour, block: int, now: float) -> None:
        """A neighbour serves this block even while it chokes us."""
        neighbour.allowed |= 1 << block
        self.fill(neighbour, now)

    # --- chunks

    def pieces(self, neighbour: Neighbour, pieces: list[m.Piece], now: float) -> None:
        """A run of chunks came."""
        assert neighbour.peer_id is not None
        count = sum(len(piece.data) for piece in pieces)
        self.total += count
        if neighbour.origin:
            self.from_origin += count
        neighbour.count_received(count, now)
        for block, run in groupby(pieces, attrgetter("index")):
            self._run(neighbour, block, list(run), now)
        if neighbour.unasked > MAX_UNASKED:
            self._hang_up(neighbour, "sends what nobody asked for")
        else:
            self.fill(neighbour, now)

    def _run(self, neighbour: Neighbour, block: int, run: list[m.Piece], now: float) -> None:
        """A run of chunks of one block."""
        assert neighbour.peer_id is not None
        chunks = 0
        whole: list[m.Piece] = []
        for piece in run:
            chunk, odd = divmod(piece.begin, CHUNK_SIZE)
            if odd or len(piece.data) != self._layout.chunk_length(block, chunk):
                neighbour.unasked += 1  # stored, it would spoil what others supplied
            else:
                chunks |= 1 << chunk
                whole.append(piece)
        arrival = self.blocks.arrived(
            neighbour.key, neighbour.peer_id, block, chunks, now, alone=neighbour.peer_id in self.suspects
        )
        owed, accepted = arrival.owed, arrival.accepted
        if owed or accepted:
            neighbour.asked_at = now
            neighbour.snubbed = False
        if owed and arrival.waited < QUICK:
            neighbour.window = min(neighbour.window + owed, MAX_WINDOW, neighbour.queue_limit)
        elif owed and arrival.waited > SLOW:
            neighbour.window = max(neighbour.window - owed, MIN_WINDOW)
        if accepted.bit_count() != len(whole):
            neighbour.unasked += len(whole) - accepted.bit_count() if not owed else 0
            whole = [piece for piece in whole if accepted >> (piece.begin // CHUNK_SIZE) & 1]
        if whole:
            self._emit(Store(block, whole))
        for other, needless in arrival.cancel:
            requests = self.blocks.requests_for(block, needless)
            self._emit(Send(other, tuple(m.Cancel(r.index, r.begin, r.length) for r in requests)))
        if arrival.complete:
            self._emit(Verify(block))

    def block_verified(self, block: int, ok: bool) -> None:
        """A block's hash was right or wrong: tell those who need it, or find out who was guilty."""
        senders = self.blocks.verified(block, ok)
        self._loose = True  # the block is to be fetched again, or there is room to open another
        if not ok:
            self.corrupt += 1
            self._accuse(senders, block)
            return
        self.verified += 1
        if len(senders) == 1:
            (sender,) = senders
            self.suspects.pop(sender, None)
        self._news |= 1 << block
        if self.blocks.complete:
            self._told = float("-inf")
            self._emit(Finished())

    def tell(self, now: float) -> None:
        """Tell neighbours which blocks are new since they were last told: HAVE to those who need it.

        A HAVE alone costs either end a turn of Python, more than a small block does, so on a fast link
        those of `NEWS_SECONDS` go together; a slow one never waits.
        """
        if now < self.next_deadline():
            return
        news, self._news, self._told = self._news, 0, now
        have = self.blocks.have
        for neighbour in self._neighbours.values():
            if not neighbour.greeted:
                continue
            # A MiniBit neighbour ranks us by what we hold; to others a block they hold is no news.
            needed = news if neighbour.minibit else news & ~neighbour.blocks
            told: list[m.Message] = [m.Have(block) for block in bitfield.indices(needed)]
            if neighbour.am_interested and not neighbour.blocks & ~have:
                neighbour.am_interested = False
                told.append(m.NotInterested())
            if told:
                self._emit(Send(neighbour.key, tuple(told)))

    def next_deadline(self) -> float:
        """When neighbours are to be told next; infinity if there is no news."""
        return self._told + NEWS_SECONDS if self._news else float("inf")

    def _accuse(self, senders: set[bytes], block: int) -> None:
        if len(senders) > 1:
            # Nobody knows which of them lied. Until each has supplied a good block by itself, it
            # shares no block with others; and this block is fetched from one neighbour alone.
            for sender in senders:
                self.suspects[sender] = None
            while len(self.suspects) > MAX_SUSPECTS:
                del self.suspects[next(iter(self.suspects))]
            return
        (sender,) = senders
        strikes = self._strikes[sender] = self._strikes.pop(sender, 0) + 1
        if len(self._strikes) > MAX_SUSPECTS:
            del self._strikes[next(iter(self._strikes))]
        if strikes >= MAX_STRIKES:
            self._ban(sender, f"sent {strikes} corrupt blocks, the last one block {block}")

    # --- windows

    def fill(self, neighbour: Neighbour, now: float) -> None:
        """Ask this neighbour for as much as its window has room for; small gaps wait for more."""
        if not neighbour.am_interested:
            return
        blocks = neighbour.blocks & ~neighbour.refused & ~self.blocks.have
        if neighbour.choking:
            blocks &= neighbour.allowed
        if not blocks:
            return
        outstanding = self.blocks.outstanding(neighbour.key)
        window = 1 if neighbour.snubbed else min(neighbour.window, neighbour.queue_limit)
        room = window - outstanding
        if room <= 0 or (outstanding and room < window // 8):
            return
        idle = self.blocks.make_room(blocks)
        if idle is not None:
            self._emit(Discard(idle))
        alone = neighbour.peer_id in self.suspects
        requests = self.blocks.ask(
            neighbour.key, blocks, room, lambda c: self._pick(c, now), now, alone=alone
        )
        if requests:
            if not outstanding or neighbour.asked_at is None:
                neighbour.asked_at = now
            self._emit(Send(neighbour.key, tuple(requests)))

    def fill_all(self, now: float) -> None:
        """Ask everyone who has room: some chunks can be asked for again."""
        for neighbour in self._neighbours.values():
            self.fill(neighbour, now)

    def settle(self, now: float) -> None:
        """At the end of whatever happened: ask for what came loose, once however often it did."""
        if self._loose:
            self._loose = False
            self.fill_all(now)

    def release(self, neighbour: Neighbour) -> None:
        """Expect nothing more of this neighbour; others are asked instead."""
        self._let_go(neighbour)
        self._loose = True

    def _let_go(self, neighbour: Neighbour) -> list[m.Request]:
        requests, abandoned = self.blocks.release(neighbour.key)
        neighbour.asked_at = None
        for block in abandoned:
            self._emit(Discard(block))
        return requests

    def sweep(self, now: float) -> None:
        """Notice who has kept us waiting too long, and ask everyone else who has room."""
        for neighbour in self._neighbours.values():
            if now - neighbour.refused_at >= REFUSAL_SECONDS:
                neighbour.refused = 0
        self._reclaim(now)
        late: set[int] = set()
        for neighbour in self._neighbours.values():
            if (
                neighbour.asked_at is not None
                and now - neighbour.asked_at >= SNUB_SECONDS
                and self.blocks.outstanding(neighbour.key)
            ):
                late.add(neighbour.key)
                neighbour.snubbed = True
                neighbour.window = MIN_WINDOW
                owed = self._let_go(neighbour)
                self._emit(Send(neighbour.key, tuple(m.Cancel(r.index, r.begin, r.length) for r in owed)))
        # Not those who are snubbed just now: what was cancelled would be asked for again, and the rejection
        # that answers the cancel would count against the new request. The next sweep asks them.
        self._loose = False
        for neighbour in self._neighbours.values():
            if neighbour.key not in late:
                self.fill(neighbour, now)

    def _reclaim(self, now: float) -> None:
        """Take blocks that only one neighbour may supply from who supplies them too slowly."""
        for block, key, owed in self.blocks.exclusive(now - EXCLUSIVE_SECONDS):
            owner = self._neighbours[key]
            if any(self._could_give(n, block) for n in self._neighbours.values() if n is not owner):
                owner.refused |= 1 << block  # in effect: somebody else gets the next turn
                owner.refused_at = now
                self._disown(owner, 1 << block)
                self._emit(Send(key, tuple(m.Cancel(r.index, r.begin, r.length) for r in owed)))

    @staticmethod
    def _could_give(neighbour: Neighbour, block: int) -> bool:
        ready = neighbour.blocks if not neighbour.choking else neighbour.blocks & neighbour.allowed
        return bool((ready & ~neighbour.refused) >> block & 1) and not neighbour.snubbed

    def _pick(self, candidates: int, now: float) -> Pick | None:
        pick = self._picking.pick(self._view(candidates), now, self._rng)
        if pick is not None and (pick.block < 0 or not candidates >> pick.block & 1):
            name = type(self._picking).__name__
            raise UsageError(
                f"the picking strategy {name} chose block {pick.block}, not one of view.candidates"
            )
        return pick
