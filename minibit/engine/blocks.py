"""Which chunk is wanted, asked of whom, or here: the bookkeeping between blocks and requests.

The invariant, and a property test: a block is exactly one of *missing*, *in flight* (open: some of its
chunks asked for or here), *verifying*, *have*; a chunk of an open block is exactly one of *to do*,
*asked* (of one neighbour or more), *here*. Chunks of one block are asked of one neighbour as long as
that is possible, so that blocks complete soon and a corrupt one has a known sender.

Sets of chunks are ints, like sets of blocks, so a run of chunks costs hardly more than one.

*Endgame*: when nothing is left to ask for, chunks that have kept us waiting are asked of a second
neighbour too, and cancelled wherever they did not come from.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from minibit import bitfield
from minibit.engine.effects import PeerId
from minibit.strategies.view import Pick
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire.messages import Request

MAX_OPEN_BYTES: Final = 48 * 1024 * 1024  # memory for blocks in flight and being verified
MAX_OPEN: Final = 1024  # blocks
MAX_ASKED: Final = 3  # neighbours asked for the same chunk in endgame
ENDGAME_AGE: Final = 1.0  # s a chunk must have kept us waiting before it is asked of another
STALL_AGE: Final = 10.0  # …the same before the endgame, of a neighbour that has nothing else for us
ENDGAME_BATCH: Final = 16


@dataclass(slots=True)
class OpenBlock:
    """A block in flight; `todo`, `here` and the values of `asked` are sets of chunks."""

    todo: int
    here: int = 0
    asked: dict[int, int] = field(default_factory=dict)  # neighbour -> the chunks it owes us
    welcome: dict[int, int] = field(default_factory=dict)  # chunks it owes no more and may still send
    since: float = 0.0  # when anybody was last asked for a chunk of it
    owner: int | None = None
    exclusive: bool = False  # only its owner may supply it
    senders: dict[PeerId, int] = field(default_factory=dict)  # how many of its chunks came from whom


class Arrival(NamedTuple):
    """What became of a run of chunks: which are new, how many we had asked for and how long ago, whether
    the block is complete, and whom to tell that we need which of them no more."""

    accepted: int = 0
    owed: int = 0
    waited: float = 0.0
    complete: bool = False
    cancel: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Debt:
    """What one neighbour owes us: chunks in all, and when they were asked for, oldest batch first."""

    chunks: int = 0
    batches: deque[list[float]] = field(default_factory=deque)  # [chunks, when]

    def add(self, chunks: int, now: float) -> None:
        self.chunks += chunks
        self.batches.append([chunks, now])

    def repay(self, chunks: int) -> float:
        """`chunks` of it are paid or released; returns when the oldest of them was asked for."""
        asked_at = self.batches[0][1]
        self.chunks -= chunks
        left: float = chunks
        while left:
            batch = self.batches[0]
            paid = min(left, batch[0])
            batch[0] -= paid
            left -= paid
            if not batch[0]:
                self.batches.popleft()
        return asked_at


class Blocks:
    """All blocks and chunks of one download.

    Args:
        layout: how the share is cut.
        have: the blocks that are verified already.
    """

    def __init__(self, layout: Layout, have: int) -> None:
        self._layout = layout
        self.full = bitfield.full(layout.block_count)
        self.have = have
        self.verifying = 0
        self.in_flight = 0
        self.exclusive = 0  # blocks that failed with several senders: from now on only one may supply each
        self.max_open = min(MAX_OPEN, max(2, MAX_OPEN_BYTES // layout.block_size))
        self._open: dict[int, OpenBlock] = {}
        self._spare: dict[int, OpenBlock] = {}  # the open blocks with something to do
        self._senders: dict[int, dict[PeerId, int]] = {}  # of the blocks being verified
        self._debts: dict[int, Debt] = {}

    @property
    def wanted(self) -> int:
        """The missing blocks."""
        return self.full & ~(self.have | self.verifying | self.in_flight)

    @property
    def complete(self) -> bool:
        return self.have == self.full != 0

    def outstanding(self, key: int) -> int:
        """How many chunks this neighbour owes us."""
        debt = self._debts.get(key)
        return 0 if debt is None else debt.chunks

    def ask(
        self,
        key: int,
        blocks: int,
        room: int,
        pick: Callable[[int], Pick | None],
        now: float,
        *,
        exclusive: bool,
    ) -> list[Request]:
        """Up to `room` chunks to ask this neighbour for, noted as asked.

        `blocks` is what it can give; `pick` chooses among the wanted blocks it is called with; `exclusive`
        keeps this neighbour to blocks that nobody else contributes to.
        """
        asked: list[Request] = []
        for block, opened in list(self._spare.items()):
            if len(asked) >= room:
                return asked
            free = opened.owner is None and not exclusive
            if blocks >> block & 1 and (opened.owner == key or free):
                opened.owner = key
                self._take(key, block, opened, room - len(asked), now, asked)
        while len(asked) < room and (self.in_flight | self.verifying).bit_count() < self.max_open:
            candidates = self.wanted & blocks
            choice = pick(candidates) if candidates else None
            if choice is None:
                break
            opened = self._start(key, choice.block, exclusive)
            self._take(key, choice.block, opened, room - len(asked), now, asked)
        if exclusive:
            if not asked:
                self._begin_anew(key, blocks, room, now, asked)
        else:
            for block, opened in list(self._spare.items()):
                if len(asked) >= room:
                    break
                if blocks >> block & 1 and not opened.exclusive:
                    self._take(key, block, opened, room - len(asked), now, asked)
            if not asked and not self.wanted & blocks:
                age = STALL_AGE if self._spare or self.wanted else ENDGAME_AGE
                self._ask_again(key, blocks, min(room, ENDGAME_BATCH), now, age, asked)
        return asked

    def arrived(
        self, key: int, sender: PeerId, block: int, chunks: int, now: float, *, exclusive: bool
    ) -> Arrival:
        """These chunks of a block came from this neighbour; `exclusive` as for `ask`."""
        opened = self._open.get(block)
        if opened is None or (opened.exclusive and opened.owner != key):
            return Arrival()
        # What was never asked of it could poison what others supply. What we asked for and took back,
        # because it choked us, may come all the same and is welcome, except from who is under suspicion.
        chunks &= opened.asked.get(key, 0) | (0 if exclusive else opened.welcome.get(key, 0))
        owed = self._repay(key, opened, chunks)
        waited = now - owed[1] if owed[0] else 0.0
        new = chunks & ~opened.here
        if not new:
            return Arrival(0, owed[0], waited)
        opened.here |= new
        opened.senders[sender] = opened.senders.get(sender, 0) + new.bit_count()
        if opened.todo & new:
            opened.todo &= ~new
            if not opened.todo:
                del self._spare[block]
        cancel: list[tuple[int, int]] = []
        for other, theirs in list(opened.asked.items()):
            if theirs & new:
                self._repay(other, opened, new)
                cancel.append((other, theirs & new))
        complete = not opened.todo and not opened.asked
        if complete:
            del self._open[block]
            self._senders[block] = opened.senders
            self.in_flight ^= 1 << block
            self.verifying |= 1 << block
        return Arrival(new, owed[0], waited, complete, tuple(cancel))

    def verified(self, block: int, ok: bool) -> dict[PeerId, int]:
        """The block's hash was right or wrong; returns who supplied it, and how many chunks of it."""
        self.verifying ^= 1 << block
        senders = self._senders.pop(block)
        if ok:
            self.have |= 1 << block
            self.exclusive &= ~(1 << block)
        elif len(senders) > 1:
            self.exclusive |= 1 << block
        return senders

    def rejected(self, key: int, request: Request) -> bool:
        """This neighbour will not serve that request; returns whether it had been asked."""
        chunk, odd = divmod(request.begin, CHUNK_SIZE)
        opened = self._open.get(request.index)
        if odd or opened is None or not opened.asked.get(key, 0) >> chunk & 1:
            return False
        self._release(key, request.index, opened, 1 << chunk)
        return True

    def release(self, key: int) -> tuple[list[Request], list[int]]:
        """Nothing more is expected of this neighbour: all it owes us can be asked of others.

        Returns the requests it still held, and the blocks that were forgotten because only this
        neighbour might have supplied them.
        """
        requests: list[Request] = []
        for block, opened in self._open.items():
            owed = opened.asked.get(key, 0)
            if owed:
                requests += self.requests_for(block, owed)
                self._release(key, block, opened, owed)
                opened.welcome[key] = opened.welcome.get(key, 0) | owed
        self._debts.pop(key, None)
        return requests, self.release_blocks(key, self.full)

    def release_blocks(self, key: int, blocks: int) -> list[int]:
        """This neighbour does not go on with these blocks for now: others may.

        Returns those that were forgotten because only this neighbour might have supplied them.
        """
        forgotten = []
        for block, opened in list(self._open.items()):
            if opened.owner == key and blocks >> block & 1:
                opened.owner = None
                if opened.exclusive:
                    self._forget(block, opened)
                    forgotten.append(block)
        return forgotten

    def overdue(self, before: float) -> list[tuple[int, int, list[Request]]]:
        """The blocks that only one neighbour may supply, and that it was last asked for before then: each
        with that neighbour and the requests that it still holds."""
        return [
            (block, opened.owner, self.requests_for(block, opened.asked.get(opened.owner, 0)))
            for block, opened in self._open.items()
            if opened.exclusive and opened.owner is not None and opened.since <= before
        ]

    def make_room(self, blocks: int) -> int | None:
        """Forget an open block that nobody supplies, if such blocks keep us from opening one of `blocks`.

        Returns which: the one with the fewest chunks here; None as long as one of `blocks` can go on.
        """
        if not self.wanted & blocks or (self.in_flight | self.verifying).bit_count() < self.max_open:
            return None
        idle = {block: opened for block, opened in self._spare.items() if opened.owner is None}
        if any(blocks >> block & 1 for block in idle):
            return None
        idle = {block: opened for block, opened in idle.items() if not opened.asked}
        if not idle:
            return None
        block = min(idle, key=lambda block: idle[block].here.bit_count())
        self._forget(block, idle[block])
        return block

    def requests_for(self, block: int, chunks: int) -> list[Request]:
        """One request per chunk, ascending."""
        layout = self._layout
        return [
            Request(block, chunk * CHUNK_SIZE, layout.chunk_length(block, chunk))
            for chunk in bitfield.indices(chunks)
        ]

    def _start(self, key: int, block: int, exclusive: bool) -> OpenBlock:
        opened = OpenBlock(bitfield.full(self._layout.chunk_count(block)), owner=key)
        opened.exclusive = exclusive or bool(self.exclusive >> block & 1)
        self._open[block] = self._spare[block] = opened
        self.in_flight |= 1 << block
        return opened

    def _forget(self, block: int, opened: OpenBlock) -> None:
        for key, owed in list(opened.asked.items()):
            self._repay(key, opened, owed)
        del self._open[block]
        self._spare.pop(block, None)
        self.in_flight ^= 1 << block

    def _begin_anew(self, key: int, blocks: int, room: int, now: float, asked: list[Request]) -> None:
        # A block that others left half done would wait for ever if everybody left were under suspicion.
        for block, opened in self._spare.items():
            if opened.owner is None and not opened.asked and blocks >> block & 1:
                self._forget(block, opened)
                self._take(key, block, self._start(key, block, True), room, now, asked)
                return

    def _take(
        self, key: int, block: int, opened: OpenBlock, room: int, now: float, asked: list[Request]
    ) -> None:
        chunks = _lowest(opened.todo, room)
        opened.todo ^= chunks
        if not opened.todo:
            self._spare.pop(block, None)
        self._owe(key, block, opened, chunks, now, asked)

    def _owe(
        self, key: int, block: int, opened: OpenBlock, chunks: int, now: float, asked: list[Request]
    ) -> None:
        opened.asked[key] = opened.asked.get(key, 0) | chunks
        opened.since = now
        debt = self._debts.get(key)
        if debt is None:
            debt = self._debts[key] = Debt()
        debt.add(chunks.bit_count(), now)
        asked += self.requests_for(block, chunks)

    def _ask_again(
        self, key: int, blocks: int, room: int, now: float, age: float, asked: list[Request]
    ) -> None:
        for block, opened in self._open.items():
            if opened.exclusive or not blocks >> block & 1 or now - opened.since < age:
                continue
            late = 0
            for owed in opened.asked.values():
                late |= owed
            late &= ~opened.asked.get(key, 0)
            if late and len(opened.asked) < MAX_ASKED and room > len(asked):
                self._owe(key, block, opened, _lowest(late, room - len(asked)), now, asked)

    def _repay(self, key: int, opened: OpenBlock, chunks: int) -> tuple[int, float]:
        """This neighbour owes us these chunks no more: (how many it did owe, since when)."""
        theirs = opened.asked.get(key, 0)
        paid = theirs & chunks
        if not paid:
            return 0, 0.0
        if theirs == paid:
            del opened.asked[key]
        else:
            opened.asked[key] = theirs ^ paid
        count = paid.bit_count()
        return count, self._debts[key].repay(count)

    def _release(self, key: int, block: int, opened: OpenBlock, chunks: int) -> None:
        self._repay(key, opened, chunks)
        for owed in opened.asked.values():
            chunks &= ~owed
        if chunks:
            opened.todo |= chunks
            self._spare[block] = opened


def _lowest(chunks: int, count: int) -> int:
    """The `count` lowest of these chunks, or all if there are no more."""
    if chunks.bit_count() <= count:
        return chunks
    return chunks & ((1 << bitfield.nth(chunks, count)) - 1)
