"""The uploading half of a peer: who holds a slot, whose request is served next, what an origin offers.

Request queues live here, not in the shell, so that a choke really cancels and rates are honest: the
shell holds about a second's worth per neighbour: behind more of it, on a slow link, every word of ours
would wait, and no choke takes it back.

It writes a neighbour's `demand`, and reads everything.
"""

from collections.abc import Iterable
from typing import Final

from minibit import bitfield
from minibit.engine.allowance import BURST_SECONDS, overdrawn
from minibit.engine.contenders import Contenders
from minibit.engine.effects import Upload
from minibit.engine.idleness import Idleness
from minibit.engine.journal import Chosen
from minibit.engine.line import Line
from minibit.engine.neighbour import Neighbour
from minibit.engine.offers import Offers
from minibit.engine.rates import TokenBucket
from minibit.engine.request_queue import RequestQueue
from minibit.engine.standing import Standing
from minibit.errors import RemoteProtocolError
from minibit.strategies import asking
from minibit.strategies.view import ChokingStrategy
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m

MAX_QUEUED: Final = 512  # requests a neighbour may have waiting: twice our own largest window, chunk by chunk
MAX_REFUSALS: Final = 4 * MAX_QUEUED  # in a row; a neighbour that goes on would pile up our answers
MAX_UNSENT: Final = 1024 * 1024  # bytes in the shell's hands per neighbour, at most
MIN_UNSENT: Final = 2 * CHUNK_SIZE  # …and at least
UNSENT_SECONDS: Final = 1.0  # …and in between, what leaves for it in this time
ALONE_SECONDS: Final = 3.0  # who has an origin for itself for so long sees everything
BATCH: Final = 512 * 1024  # bytes handed over at a time: one system call amortised over many chunks


class Uploads:
    """Slots, queues and offers.

    Args:
        limit: bytes per second over all neighbours; 0 is no limit.
        offers: None for an ordinary peer.
    """

    def __init__(
        self, standing: Standing, choking: ChokingStrategy, *, limit: float, offers: Offers | None, now: float
    ) -> None:
        self._standing = standing
        self._outbox = standing.outbox
        self._choking = choking
        self._contenders = Contenders(standing)
        self.limit = limit
        self._at_once = overdrawn(limit)
        # A start is no pause: nothing is saved up then.
        self._bucket = TokenBucket(limit, max(1, limit * BURST_SECONDS), now, saved=1)
        self._moved = False  # whether somebody became interested, or with a slot lost interest or left
        self._showing = False  # whether what is to be offered may have changed
        self._turns: dict[int, None] = {}  # who has something to be sent, and room for it; first is next
        self._current = -1  # whose turn it is
        self._line = None if limit else Line(now)  # a limit says how much may wait, and needs no measuring
        self._idleness = Idleness(now, standing.lateness)
        self.offers = offers
        self.total = 0

    @property
    def pace(self) -> float:
        """The limit by which it sends, bytes per second; 0 for an origin too, whose news is waited for."""
        return self.limit if self.offers is None else 0.0

    def spent(self, count: int) -> None:
        """So many bytes of the share left by another way, over the same line."""
        self._bucket.take(count)
        self.total += count

    # --- slots

    def interest(self, neighbour: Neighbour, interested: bool) -> None:
        """A neighbour wants something of us, or nothing more; saying so again changes nothing, and neither
        does it that one without a slot wants none any more."""
        demand = neighbour.demand
        if interested is not demand.interested:
            demand.interested = interested
            self._moved |= interested or demand.unchoked

    def settle(self, now: float) -> None:
        """At the end of an input: fill the slots and offer, once however many neighbours came or went."""
        idle = not self._turns and self._idleness.idle(now)
        if self._moved or idle:
            self.rechoke(now, round_due=False, spare=int(idle))
            if idle:
                self._idleness.admitted(now)
        if self._showing:
            self._showing = False
            self._offer(now)

    def rechoke(self, now: float, *, round_due: bool, spare: int = 0) -> None:
        """Ask the strategy who holds the slots from now on, and tell those for whom that changed."""
        standing = self._standing
        self._moved = False
        self._contenders.review(now)
        choice = asking.choke(
            self._choking, standing.view(round_due=round_due, spare=spare), now, standing.rng
        )
        standing.note(Chosen, now, round_due, choice)
        before, standing.slots = standing.slots, choice.slots
        for key in dict.fromkeys((*before.held, *choice.slots.held)):
            neighbour = standing.neighbours.get(key)
            if neighbour is None or not neighbour.greeted:
                continue
            if key not in choice.slots:
                self._choke(neighbour)
            elif not neighbour.demand.unchoked:
                neighbour.demand.unchoked_since = now
                self._tell(neighbour)
                self._outbox.send(neighbour.key, m.Unchoke())
        self._idleness.awaits(now, somebody=any(n.waits for n in standing.neighbours.values()))
        self._showing = True

    def sweep(self, now: float) -> None:
        """Notice slots that go unused, and who may compete again."""
        self._moved |= self._contenders.review(now)
        if not self._idleness.rested() and self._standing.slots.extra:
            self.rechoke(now, round_due=False, spare=-1)
        self._showing = True

    def _tell(self, neighbour: Neighbour) -> None:
        """Now it can do something with what is new here."""
        have = self._standing.blocks.have
        if news := have & ~neighbour.told:
            neighbour.told = have
            self._outbox.send(neighbour.key, m.Haves(news))

    def _choke(self, neighbour: Neighbour) -> None:
        demand = neighbour.demand
        demand.unchoked_since = None
        self._outbox.send(neighbour.key, m.Choke())
        self._reject(neighbour, demand.queue.drop(~demand.granted))
        if self.offers is not None:
            self.offers.withdraw(neighbour.key, demand.granted)

    # --- queues

    def requests(self, neighbour: Neighbour, requests: Iterable[m.Request], now: float) -> None:
        """A neighbour asks for chunks; each is queued if it may be, else rejected (BEP 6).

        Raises:
            RemoteProtocolError: it asks for more than it may, or goes on asking for what it is refused.
        """
        demand = neighbour.demand
        servable = self._standing.blocks.have
        if not demand.unchoked:
            servable &= demand.granted
        queue = demand.queue
        refused = []
        block, served = -1, 0
        for request in requests:
            if request.index != block:
                block, served = request.index, servable >> request.index & 1
            if not served:
                refused.append(request)
            elif len(queue) < MAX_QUEUED:
                if queue.add(request):
                    demand.used_at = now
                else:
                    demand.refusals += 1  # one answer is enough
            elif request in queue:
                demand.refusals += 1
            elif neighbour.fast:
                refused.append(request)
            else:
                raise RemoteProtocolError(f"asks for more than {MAX_QUEUED} chunks at once")
        self._reject(neighbour, refused)
        demand.refusals += len(refused)
        self._queue_up(neighbour, now)
        if demand.refusals > MAX_REFUSALS:
            raise RemoteProtocolError("goes on asking for what it is refused")

    def cancel(self, neighbour: Neighbour, cancelled: Iterable[m.Cancel]) -> None:
        """A neighbour takes requests back; BEP 6 wants a rejection in answer."""
        layout, queue, removed = self._standing.layout, neighbour.demand.queue, []
        for c in cancelled:
            request = m.Request(c.index, c.begin, c.length)
            if queue.remove(request):
                removed.append(request)
            elif neighbour.span > 1 and layout.chunks(c.index, c.begin, c.length):
                removed += queue.cut_out(request, layout.block_length(c.index))
        self._reject(neighbour, removed)

    def lost(self, blocks: int) -> None:
        """Blocks are gone from the disk: what was asked of them is refused."""
        for neighbour in self._standing.neighbours.values():
            self._reject(neighbour, neighbour.demand.queue.drop(blocks))

    # --- turns

    def serve(self, now: float) -> None:
        """Hand chunks to the shell, as far as the limit and each neighbour's room allow.

        Neighbours take turns, and a turn is a block: what is sent of several at a time is of use to nobody
        until the last of them is whole, and a crowd waits for whole blocks. Where there is no limit, a turn
        is at least what leaves in a sixteenth of a second, for a fast link wants large batches.
        """
        line = self._line
        least = 0.0 if line is None else overdrawn(line.rate(now))
        while self._turns and (self._bucket.ready(now) if line is None else line.free(now)):
            neighbour, among = self._next_turn(now)
            demand, room = neighbour.demand, _room(neighbour, now)
            if line is None:
                room = min(room, self._at_once)
            batch, size = self._batch(neighbour, among, min(room, BATCH), least, now)
            del self._turns[neighbour.key]
            if not batch:
                continue
            demand.unsent += size
            demand.refusals = 0
            if line is None:
                self._bucket.take(size)
            else:
                line.handed(neighbour.key, size, now)
            self._outbox.put(Upload(neighbour.key, tuple(batch)))
            self._queue_up(neighbour, now)
        paused = line is None and not self._bucket.ready(now)
        self._idleness.look(now, sending=bool(self._turns) or paused)

    def _next_turn(self, now: float) -> tuple[Neighbour, int]:
        """Whose turn it is, and the blocks of which one is to be served.

        Who is being sent a block goes on with it. Then an origin serves first copies, of blocks that it has
        sent whole to nobody: all others have another source, or will soon. Of several who wait for one, it
        goes to who will have passed it on first (`Offers.soonest`): one with a slow line is not given what a
        crowd waits for. Nobody is kept waiting for that while the line is free. Else
        it is the turn of who has waited longest.
        """
        neighbours = self._standing.neighbours
        if self._current in self._turns and neighbours[self._current].demand.serving is not None:
            return neighbours[self._current], -1
        key, among = next(iter(self._turns)), -1
        if (offers := self.offers) is not None:
            unborn = offers.unborn(self._standing.copies.held)
            waiting = [k for k in self._turns if neighbours[k].demand.queue.blocks & unborn] if unborn else []
            if waiting:
                key, among = offers.soonest(waiting, now), unborn
        self._current = key
        return neighbours[key], among

    def _batch(
        self, neighbour: Neighbour, among: int, room: float, least: float, now: float
    ) -> tuple[list[m.Request], int]:
        """What this neighbour is sent next, and its bytes: the rest of the block that it is being sent, then,
        until that is `least` bytes, of those it waits for the one with the fewest copies, so that what is
        rare spreads first."""
        queue, demand = neighbour.demand.queue, neighbour.demand
        # A long piece on a slow link would be heard of seldom, so it is half of what may wait there at most.
        longest = None if neighbour.span == 1 else min(max(least, self._at_once), _bound(neighbour, now) / 2)
        batch: list[m.Request] = []
        size = 0
        while queue and size < room:
            block = demand.serving
            if block is None or not queue.blocks >> block & 1:
                block = demand.serving = self._rarest(queue, among)
            run, length = queue.take(block, room - size, longest)
            batch += run
            size += length
            if self.offers is not None:
                self.offers.sent(neighbour.key, block, length, self._standing.copies.held, now)
            if not queue.blocks >> block & 1:
                demand.serving = None
                if size >= least:
                    break
        return batch, size

    def _rarest(self, queue: RequestQueue, among: int) -> int:
        _, rarest = self._standing.copies.rarest(queue.blocks & among or queue.blocks)
        oldest = queue.oldest
        return oldest if rarest >> oldest & 1 else bitfield.choose(rarest, self._standing.rng)

    def flushed(self, neighbour: Neighbour, count: int, now: float) -> None:
        """`count` payload bytes have left for this neighbour."""
        neighbour.demand.unsent -= count
        if self._line is not None:
            self._line.left(neighbour.key, count, now)
        neighbour.demand.used_at, neighbour.demand.rests = now, 0
        neighbour.demand.flow.add(count, now)
        neighbour.patience.regain(count // CHUNK_SIZE)
        self.total += count
        self._showing = True
        self._queue_up(neighbour, now)

    def next_deadline(self, now: float) -> float:
        """When the limit lets something leave; infinity if nothing waits."""
        if self._turns:
            return self._bucket.ready_at(now) if self._line is None else self._line.free_at(now)
        return self._idleness.next_deadline(now)

    def forget(self, neighbour: Neighbour, now: float) -> None:
        """This neighbour left."""
        self._contenders.left(neighbour, now)
        self._moved |= neighbour.demand.unchoked
        self._turns.pop(neighbour.key, None)
        if self._line is not None:
            self._line.forget(neighbour.key)
        if self.offers is not None:
            self.offers.forget(neighbour.key)

    def _queue_up(self, neighbour: Neighbour, now: float) -> None:
        if neighbour.demand.queue and _room(neighbour, now) > 0:
            self._turns[neighbour.key] = None

    def _reject(self, neighbour: Neighbour, requests: list[m.Request]) -> None:
        # Without the Fast Extension a refused request is simply never answered.
        if neighbour.fast and requests:
            rejections = (m.RejectRequest(r.index, r.begin, r.length) for r in requests)
            self._outbox.send(neighbour.key, *rejections)

    # --- what an origin shows

    def granted(self, peer_id: bytes, blocks: int) -> None:
        """Serve these blocks to this peer, now or when it comes, even while choking it."""
        self._standing.grants[peer_id] = blocks
        for neighbour in self._standing.neighbours.values():
            if neighbour.peer_id == peer_id:
                neighbour.expected = True
                self._grant(neighbour, blocks)
                self._showing = True

    def revoked(self, peer_id: bytes) -> None:
        """That peer will not come back."""
        self._standing.grants.pop(peer_id, None)

    def greeted(self, neighbour: Neighbour) -> None:
        """A neighbour has said who it is: show it what it may have."""
        assert neighbour.peer_id is not None
        self._grant(neighbour, self._standing.grants.get(neighbour.peer_id, 0))
        self._showing = True

    def _grant(self, neighbour: Neighbour, blocks: int) -> None:
        """Serve these blocks to this neighbour even while it is choked, and say so."""
        new = blocks & ~neighbour.demand.granted
        neighbour.demand.granted |= blocks
        if neighbour.fast:
            self._outbox.send(neighbour.key, *map(m.AllowedFast, bitfield.indices(new)))

    def holds(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        """A neighbour tells us that it holds these blocks: to it they need not be offered."""
        if self.offers is not None and blocks:
            self.offers.received(neighbour.key, blocks, now)
            self._showing = True

    def _offer(self, now: float) -> None:
        """Show neighbours what the swarm lacks; once it lacks nothing, show all to everyone."""
        offers = self.offers
        if offers is None or not offers.neighbours:
            return
        neighbours, rng = self._standing.neighbours, self._standing.rng
        if len(neighbours) == 1 and all(now - n.connected_at >= ALONE_SECONDS for n in neighbours.values()):
            lacking = 0  # there is nobody to hide anything for
        else:
            lacking = offers.lacking(self._standing.copies.held)
        for key in offers.neighbours:
            neighbour = neighbours[key]
            demand = neighbour.demand
            eligible = ~neighbour.blocks
            if not demand.unchoked:
                eligible &= demand.granted if neighbour.fast else 0
            lacking, shown = offers.refill(key, eligible, demand.granted, lacking, demand.flow.rate(now), rng)
            if not demand.unchoked:
                shown += offers.tempt(key, neighbour.blocks, lacking, rng)
            if shown:
                self._outbox.send(key, m.Haves.of(*shown))
        if not lacking:
            for key in offers.neighbours:
                hidden = offers.reveal(key) & ~neighbours[key].blocks
                if hidden:
                    self._outbox.send(key, m.Haves(hidden))


def _bound(neighbour: Neighbour, now: float) -> float:
    """How many bytes the shell may have in its hands for this neighbour."""
    return min(max(neighbour.demand.flow.rate(now) * UNSENT_SECONDS, MIN_UNSENT), MAX_UNSENT)


def _room(neighbour: Neighbour, now: float) -> float:
    """How many more it may be handed."""
    return _bound(neighbour, now) - neighbour.demand.unsent
