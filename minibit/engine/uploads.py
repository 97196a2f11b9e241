"""The uploading half of a peer: who holds a slot, whose request is served next, what an origin offers.

Request queues live here, not in the shell, so that a choke really cancels and rates are honest: the
shell never holds more than `MAX_UNSENT` bytes per neighbour.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Final

from minibit import bitfield
from minibit.copies import Copies
from minibit.engine.effects import Effect, Send, Upload
from minibit.engine.neighbour import Neighbour
from minibit.engine.offers import Offers
from minibit.engine.rates import TokenBucket
from minibit.errors import UsageError
from minibit.strategies.view import Choice, ChokingStrategy, Slots, SwarmView
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m

MAX_QUEUE: Final = 512  # requests a neighbour may have waiting: twice our own largest window
MAX_REFUSALS: Final = 4 * MAX_QUEUE  # in a row: who asks on does not listen, and our answers pile up
MAX_UNSENT: Final = 1024 * 1024  # bytes in the shell's hands per neighbour
BATCH: Final = 512 * 1024  # bytes handed over at a time: one system call amortised over many chunks
BURST_SECONDS: Final = 0.1  # how long an idle limited uplink may save up


class Uploads:
    """Slots, queues and offers.

    Args:
        limit: bytes per second over all neighbours; 0 is no limit.
        offers: None for an ordinary peer.
        view: the swarm as strategies see it, for a round or between rounds.
        emit: takes each effect, in order.
        hang_up: ends the connection to a neighbour that abuses us.
    """

    def __init__(
        self,
        *,
        neighbours: Mapping[int, Neighbour],
        copies: Copies,
        choking: ChokingStrategy,
        limit: float,
        offers: Offers | None,
        view: Callable[[bool], SwarmView],
        emit: Callable[[Effect], None],
        hang_up: Callable[[Neighbour, str], None],
        rng: Random,
        now: float,
    ) -> None:
        self._neighbours = neighbours
        self._copies = copies
        self._choking = choking
        self._bucket = TokenBucket(limit, max(CHUNK_SIZE, limit * BURST_SECONDS), now)
        self._view = view
        self._emit = emit
        self._hang_up = hang_up
        self._rng = rng
        self._moved = False  # whether somebody became interested, lost interest or left
        self._turns: dict[int, None] = {}  # who has something to be sent, and room for it; first is next
        self.offers = offers
        self.slots = Slots()
        self.choice = Choice(Slots())
        self.total = 0

    # --- slots

    def interest(self, neighbour: Neighbour, interested: bool) -> None:
        """A neighbour wants something of us, or nothing more; saying so again changes nothing."""
        if interested is not neighbour.interested:
            neighbour.interested = interested
            self._moved = True

    def settle(self, now: float) -> None:
        """At the end of whatever happened: fill the slots, once however many neighbours came or went."""
        if self._moved:
            self.rechoke(now, round_due=False)

    def rechoke(self, now: float, *, round_due: bool) -> None:
        """Ask the strategy who holds the slots from now on, and tell those for whom that changed."""
        self._moved = False
        self.choice = self._choking.choke(self._view(round_due), now, self._rng)
        if not isinstance(self.choice, Choice):
            name = type(self._choking).__name__
            raise UsageError(f"the choking strategy {name} answered {self.choice!r}, not a Choice")
        self.slots = self.choice.slots
        for neighbour in self._neighbours.values():
            if not neighbour.greeted:
                continue
            if neighbour.unchoked and neighbour.key not in self.slots:
                self._choke(neighbour)
            elif not neighbour.unchoked and neighbour.key in self.slots:
                neighbour.unchoked_since = now
                self._emit(Send(neighbour.key, (m.Unchoke(),)))
        self.offer(now)

    def _choke(self, neighbour: Neighbour) -> None:
        neighbour.unchoked_since = None
        dropped = [r for r in neighbour.queue if not neighbour.granted >> r.index & 1]
        kept = [r for r in neighbour.queue if neighbour.granted >> r.index & 1]
        neighbour.queue.clear()
        neighbour.queue.extend(kept)
        self._emit(Send(neighbour.key, (m.Choke(),)))
        self._reject(neighbour, dropped)
        if self.offers is not None:
            self.offers.withdraw(neighbour.key)

    # --- queues

    def requests(self, neighbour: Neighbour, requests: Iterable[m.Request], have: int) -> None:
        """A neighbour asks for chunks; each is queued if it may be, else rejected (BEP 6)."""
        servable = have if neighbour.unchoked else have & neighbour.granted
        queue = neighbour.queue
        refused = []
        for request in requests:
            if not servable >> request.index & 1:
                refused.append(request)
            elif len(queue) < MAX_QUEUE:
                queue.append(request)
            elif neighbour.fast:
                refused.append(request)
            else:
                self._hang_up(neighbour, f"asks for more than {MAX_QUEUE} chunks at once")
                return
        self._reject(neighbour, refused)
        neighbour.refusals += len(refused)
        self._queue_up(neighbour)
        if neighbour.refusals > MAX_REFUSALS:
            self._hang_up(neighbour, "asks on for what it is refused")

    def cancel(self, neighbour: Neighbour, cancelled: m.Cancel) -> None:
        """A neighbour takes a request back; BEP 6 wants a rejection in answer."""
        request = m.Request(cancelled.index, cancelled.begin, cancelled.length)
        if request in neighbour.queue:
            neighbour.queue.remove(request)
            self._reject(neighbour, [request])

    def serve(self, now: float) -> None:
        """Hand chunks to the shell: by turns, as far as the limit and each neighbour's room allow."""
        batch_bytes = CHUNK_SIZE if self._bucket.rate else BATCH
        while self._turns and self._bucket.ready(now):
            key = next(iter(self._turns))
            del self._turns[key]
            neighbour = self._neighbours[key]
            batch: list[m.Request] = []
            size = 0
            while neighbour.queue and size < batch_bytes:
                request = neighbour.queue.popleft()
                batch.append(request)
                size += request.length
                if self.offers is not None:
                    self.offers.sent(key, request.index, request.length)
            if not batch:
                continue
            neighbour.unsent += size
            neighbour.refusals = 0
            self._bucket.take(size)
            self._emit(Upload(key, tuple(batch)))
            self._queue_up(neighbour)

    def flushed(self, neighbour: Neighbour, count: int, now: float) -> None:
        """`count` payload bytes have left for this neighbour."""
        neighbour.unsent -= count
        neighbour.count_sent(count, now)
        self.total += count
        self._queue_up(neighbour)

    def next_deadline(self, now: float) -> float:
        """When the limit lets something leave; infinity if nothing waits."""
        return self._bucket.ready_at(now) if self._turns else float("inf")

    def forget(self, neighbour: Neighbour) -> None:
        """This neighbour left."""
        self._moved |= neighbour.greeted
        self._turns.pop(neighbour.key, None)
        if self.offers is not None:
            self.offers.forget(neighbour.key)

    def _queue_up(self, neighbour: Neighbour) -> None:
        if neighbour.queue and neighbour.unsent < MAX_UNSENT:
            self._turns[neighbour.key] = None

    def _reject(self, neighbour: Neighbour, requests: list[m.Request]) -> None:
        # Without the Fast Extension a refused request is simply never answered.
        if neighbour.fast and requests:
            rejections = tuple(m.RejectRequest(r.index, r.begin, r.length) for r in requests)
            self._emit(Send(neighbour.key, rejections))

    # --- what an origin shows

    def grant(self, neighbour: Neighbour, blocks: int) -> None:
        """Serve these blocks to this neighbour even while it is choked, and say so."""
        new = blocks & ~neighbour.granted
        neighbour.granted |= blocks
        told: list[m.Message] = []
        if self.offers is not None:
            told += map(m.Have, bitfield.indices(self.offers.grant(neighbour.key, blocks)))
        if neighbour.fast:
            told += map(m.AllowedFast, bitfield.indices(new))
        if told:
            self._emit(Send(neighbour.key, tuple(told)))

    def told(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        """A neighbour tells us that it holds these blocks: to it they need not be offered."""
        if self.offers is not None and blocks:
            self.offers.received(neighbour.key, blocks)
            self.offer(now)

    def offer(self, now: float) -> None:
        """Show unchoked neighbours what the swarm lacks; once it lacks nothing, show all to everyone."""
        offers = self.offers
        if offers is None or not offers.neighbours:
            return
        swarm = self._copies.held
        for key in offers.neighbours:
            neighbour = self._neighbours[key]
            if neighbour.unchoked:
                shown = offers.refill(key, neighbour.blocks, swarm, now, self._rng)
            else:
                block = offers.tempt(key, neighbour.blocks, swarm, self._rng)
                shown = [] if block is None else [block]
            if shown:
                self._emit(Send(key, tuple(map(m.Have, shown))))
        if not offers.lacking(swarm):
            for key in offers.neighbours:
                hidden = offers.reveal(key) & ~self._neighbours[key].blocks
                if hidden:
                    self._emit(Send(key, tuple(map(m.Have, bitfield.indices(hidden)))))
