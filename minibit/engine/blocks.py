"""Which chunk is wanted, asked of whom, or here: the bookkeeping between blocks and chunks.

The invariant, and a property test: a block is exactly one of *missing*, *in flight* (open: some of its
chunks asked for or here), *verifying*, *have*; a chunk of an open block is exactly one of *to do*,
*asked* (of one neighbour or more), *here*. Chunks of one block are asked of one neighbour as long as
that is possible, so that blocks complete soon and a corrupt one has a known sender.

Sets of chunks are ints, like sets of blocks, so a run of chunks costs hardly more than one.

*Endgame*: when a neighbour has nothing else to give, the chunks that will be late by their suppliers' own
pace are asked of it too, the latest first, and cancelled wherever they did not come from. And where memory
is short, a block that its supplier will take long for gives way to one that comes quickly. Who relieves
whom is decided in `relief`, who owes what is noted in `debts`.
"""

from collections.abc import Callable
from typing import Final

from minibit import bitfield
from minibit.engine import relief
from minibit.engine.debts import Debts
from minibit.engine.effects import PeerId
from minibit.engine.flight import Arrival, Asked, Chunks, GivenUp, OpenBlock
from minibit.engine.recalls import Recalls
from minibit.strategies.view import Pick
from minibit.torrent.layout import Layout

MAX_OPEN_BYTES: Final = 40 * 1024 * 1024  # memory for blocks in flight and being verified, in whole ones
MAX_OPEN: Final = 1024  # blocks
RELIEF_BATCH: Final = 16  # chunks of others that one neighbour is asked for at a time
VAIN_SECONDS: Final = 0.25  # how long a neighbour that could relieve nobody is not thought of again


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
        self.max_open = min(MAX_OPEN, max(2, -(-MAX_OPEN_BYTES // layout.block_size)))
        self._open: dict[int, OpenBlock] = {}
        self.spare: dict[int, OpenBlock] = {}  # the open blocks with chunks that nobody is asked for
        self._senders: dict[int, dict[PeerId, int]] = {}  # of the blocks being verified
        self._losses: dict[int, int] = {}  # how often a block had to make room, with something of it here
        self.debts = Debts()
        self._recalls = Recalls()

    @property
    def wanted(self) -> int:
        """The missing blocks."""
        return self.full & ~(self.have | self.verifying | self.in_flight)

    @property
    def missing(self) -> int:
        """The blocks that are not here, wanted or on their way."""
        return self.full & ~self.have

    @property
    def complete(self) -> bool:
        return self.have == self.full != 0

    @property
    def crowded(self) -> bool:
        """Whether half of the places for blocks in flight are taken."""
        return 2 * (self.in_flight | self.verifying).bit_count() >= self.max_open

    def ask(
        self,
        key: int,
        blocks: int,
        room: int,
        pick: Callable[[int], Pick | None],
        now: float,
        *,
        exclusive: bool,
    ) -> list[Chunks]:
        """Up to `room` chunks that nobody is asked for, to ask this neighbour for; noted as asked.

        `blocks` is what it can give; `pick` chooses among the wanted blocks it is called with; `exclusive`
        keeps this neighbour to blocks that nobody else contributes to.
        """
        asked: list[Chunks] = []
        if not self.spare and not self.wanted & blocks:
            return asked
        for block, opened in list(self.spare.items()):
            if not room:
                return asked
            free = opened.owner is None and not exclusive
            if blocks >> block & 1 and (opened.owner == key or free):
                opened.owner = key
                room -= self._take(key, block, opened, room, now, asked)
        while room and (self.in_flight | self.verifying).bit_count() < self.max_open:
            candidates = self.wanted & blocks
            choice = pick(candidates) if candidates else None
            if choice is None:
                break
            opened = self._start(key, choice.block, exclusive)
            room -= self._take(key, choice.block, opened, room, now, asked)
        if exclusive:
            if not asked:
                self._begin_anew(key, blocks, room, now, asked)
        else:
            for block, opened in list(self.spare.items()):
                if not room:
                    break
                if blocks >> block & 1 and not opened.exclusive:
                    room -= self._take(key, block, opened, room, now, asked)
        return asked

    def ask_again(self, key: int, blocks: int, room: int, now: float) -> Asked:
        """Up to `room` chunks to ask this neighbour for, which has nothing else to give, because those they
        were asked of will be late; noted as asked."""
        asked: list[Chunks] = []
        debt = self.debts[key]
        if now - debt.vain < VAIN_SECONDS or self.wanted & blocks or not self.in_flight & blocks:
            return Asked(asked)
        least = relief.STALL_AGE if self.spare or self.wanted else relief.ENDGAME_AGE
        chosen: dict[int, int] = {}
        cancel: dict[tuple[int, int], int] = {}
        reliefs = relief.chunks(self._open, self.debts, key, blocks, min(room, RELIEF_BATCH), now, least)
        if not reliefs:
            if not debt.chunks and self._recalls.useful(now):
                moved = relief.move(self._open, self.debts, key, blocks, room, now)
                if moved is not None:
                    return self._move(key, *moved, now)
            debt.vain = now
        for block, chunk, relieved in reliefs:
            chosen[block] = chosen.get(block, 0) | 1 << chunk
            if relieved is not None:
                cancel[relieved, block] = cancel.get((relieved, block), 0) | 1 << chunk
        for (other, block), chunks in cancel.items():
            opened = self._open[block]
            self._drop(other, block, opened, chunks, now)
            opened.welcome[other] = opened.welcome.get(other, 0) | chunks
        for block, chunks in chosen.items():
            self._owe(key, block, self._open[block], chunks, now, asked)
        return Asked(asked, tuple((*whom, chunks) for whom, chunks in cancel.items()))

    def _move(self, key: int, block: int, other: int, now: float) -> Asked:
        """Ask this neighbour for the block instead of the other one; what the other sends all the same is
        welcome."""
        asked: list[Chunks] = []
        opened = self._open[block]
        owed = opened.asked[other]
        self._drop(other, block, opened, owed, now)
        self._recalls.recalled(other, block, now)
        opened.welcome[other] = opened.welcome.get(other, 0) | owed
        opened.owner = key
        opened.moves += 1
        self._owe(key, block, opened, owed, now, asked)
        return Asked(asked, ((other, block, owed),))

    def arrived(
        self, key: int, sender: PeerId, block: int, chunks: int, now: float, *, exclusive: bool
    ) -> Arrival:
        """These chunks of a block came from this neighbour; `exclusive` as for `ask`."""
        opened = self._open.get(block)
        if opened is None or (opened.exclusive and opened.owner != key):
            return Arrival()
        # What was never asked of it could poison what others supply. What we asked for and took back,
        # because it choked us, may come all the same and is welcome, except from who is under suspicion.
        asked, welcome = opened.asked.get(key, 0), 0 if exclusive else opened.welcome.get(key, 0)
        chunks &= asked | welcome
        if chunks & welcome & ~asked:
            self._recalls.came(key, block)
        paid = self._settle(key, opened, chunks)
        owed = paid.bit_count()
        waited = now - self.debts[key].pay(block, paid, now) if paid else 0.0
        new = chunks & ~opened.here
        if not new:
            return Arrival(0, owed, waited)
        opened.here |= new
        opened.senders[sender] = opened.senders.get(sender, 0) | new
        if opened.todo & new:
            opened.todo &= ~new
            if not opened.todo:
                del self.spare[block]
        cancel: list[tuple[int, int]] = []
        for other, theirs in list(opened.asked.items()):
            if theirs & new:
                cancel.append((other, theirs & new))
                self._drop(other, block, opened, new, now)
        complete = not opened.todo and not opened.asked
        if complete:
            del self._open[block]
            self._senders[block] = {each: theirs.bit_count() for each, theirs in opened.senders.items()}
            self._losses.pop(block, None)
            self.in_flight ^= 1 << block
            self.verifying |= 1 << block
        return Arrival(new, owed, waited, complete, tuple(cancel))

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

    def lost(self, blocks: int) -> None:
        """Verified blocks are gone from the disk: missing again."""
        self.have &= ~blocks

    def rejected(self, key: int, block: int, chunks: int) -> bool:
        """This neighbour will not serve these chunks; returns whether it had been asked for any."""
        opened = self._open.get(block)
        self._recalls.agreed(key, block)
        refused = 0 if opened is None else opened.asked.get(key, 0) & chunks
        if opened is not None and refused:
            self._release(key, block, opened, refused)
        return bool(refused)

    def release(self, key: int, blocks: int) -> tuple[list[Chunks], list[int]]:
        """Of these blocks nothing more is expected of this neighbour: what it owes us can be asked of others.

        Returns what it owed us, and the blocks that were forgotten because only this neighbour might have
        supplied them.
        """
        released: list[Chunks] = []
        for block, opened in self._open.items():
            owed = opened.asked.get(key, 0) if blocks >> block & 1 else 0
            if owed:
                released.append((block, owed))
                self._release(key, block, opened, owed)
                opened.welcome[key] = opened.welcome.get(key, 0) | owed
        return released, self.release_blocks(key, blocks)

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

    def overdue(self, before: float) -> list[tuple[int, int, int, int]]:
        """The blocks that only one neighbour may supply, and that it was last asked for before then: each
        with that neighbour, the chunks that it owes us, and how many are not here."""
        return [
            (block, opened.owner, opened.asked.get(opened.owner, 0), opened.missing)
            for block, opened in self._open.items()
            if opened.exclusive and opened.owner is not None and opened.since <= before
        ]

    def make_room(self, key: int, blocks: int, now: float) -> GivenUp | None:
        """Forget a block in flight if we could else not begin one of `blocks`, which this neighbour has.

        If nobody supplies it, the one with the fewest chunks here, unless one of `blocks` can go on; for a
        neighbour that owes us nothing, one that will be long in coming (`relief.block`).
        """
        wanted = self.wanted & blocks
        if not wanted or (self.in_flight | self.verifying).bit_count() < self.max_open:
            return None
        idle = {block: opened for block, opened in self.spare.items() if opened.owner is None}
        if any(blocks >> block & 1 for block in idle):
            return None
        idle = {block: opened for block, opened in idle.items() if not opened.asked}
        if idle:
            block = min(idle, key=lambda block: idle[block].here.bit_count())
            self._forget(block, idle[block])
            return GivenUp(block)
        if self.debts.outstanding(key) or self.verifying:  # what the disk is at leaves a place soon
            return None
        size, waiting = self._layout.chunk_count(0), wanted.bit_count()
        slow = relief.block(
            self._open, self.debts, key, size=size, waiting=waiting, losses=self._losses, now=now
        )
        if slow is None:
            return None
        opened = self._open[slow]
        if opened.here:
            self._losses[slow] = self._losses.get(slow, 0) + 1
        cancel = tuple(opened.asked.items())
        for other, owed in cancel:
            self._drop(other, slow, opened, owed, now)
        self._forget(slow, opened)
        return GivenUp(slow, cancel)

    def quarantine(self, key: int | None, suspect: PeerId) -> list[tuple[int, int]]:
        """This peer, neighbour `key` if it is here, is under suspicion: it has no part any more in a block
        that others supply, and what came of it there is to be asked for again.

        Returns the (block, chunks) that it need send no more.
        """
        cancel: list[tuple[int, int]] = []
        for block, opened in self._open.items():
            theirs = opened.senders.get(suspect, 0)
            owed = 0 if key is None else opened.asked.get(key, 0)
            owns = opened.owner is not None and opened.owner == key
            if opened.exclusive or not (theirs or owed or owns):
                continue
            if owns and opened.asked.keys() <= {key} and opened.senders.keys() <= {suspect}:
                opened.exclusive = True
                continue
            if owns:
                opened.owner = None
            if key is not None and owed:
                self._release(key, block, opened, owed)
                cancel.append((block, owed))
            if theirs:
                del opened.senders[suspect]
                opened.here ^= theirs
                opened.todo |= theirs
                self.spare[block] = opened
        return cancel

    def _start(self, key: int, block: int, exclusive: bool) -> OpenBlock:
        opened = OpenBlock(bitfield.full(self._layout.chunk_count(block)), owner=key)
        opened.exclusive = exclusive or bool(self.exclusive >> block & 1)
        self._open[block] = self.spare[block] = opened
        self.in_flight |= 1 << block
        return opened

    def _forget(self, block: int, opened: OpenBlock) -> None:
        for key, owed in list(opened.asked.items()):
            self.debts[key].drop(block, owed)
        del self._open[block]
        self.spare.pop(block, None)
        self.in_flight ^= 1 << block

    def _begin_anew(self, key: int, blocks: int, room: int, now: float, asked: list[Chunks]) -> None:
        # A block that others left half done would wait for ever if everybody left were under suspicion.
        for block, opened in self.spare.items():
            if opened.owner is None and not opened.asked and blocks >> block & 1:
                self._forget(block, opened)
                self._take(key, block, self._start(key, block, True), room, now, asked)
                return

    def _take(
        self, key: int, block: int, opened: OpenBlock, room: int, now: float, asked: list[Chunks]
    ) -> int:
        """Ask for what there is to do of this block, up to `room` chunks; returns how many."""
        chunks = bitfield.lowest(opened.todo, room)
        opened.todo ^= chunks
        if not opened.todo:
            self.spare.pop(block, None)
        self._owe(key, block, opened, chunks, now, asked)
        return chunks.bit_count()

    def _owe(
        self, key: int, block: int, opened: OpenBlock, chunks: int, now: float, asked: list[Chunks]
    ) -> None:
        opened.asked[key] = opened.asked.get(key, 0) | chunks
        opened.since = now
        self.debts[key].add(block, chunks, now)
        asked.append((block, chunks))

    def _settle(self, key: int, opened: OpenBlock, chunks: int) -> int:
        """This neighbour owes us these chunks of a block no more; returns those that it did owe."""
        theirs = opened.asked.get(key, 0)
        paid = theirs & chunks
        if paid == theirs:
            opened.asked.pop(key, None)
        else:
            opened.asked[key] = theirs ^ paid
        return paid

    def _drop(self, key: int, block: int, opened: OpenBlock, chunks: int, now: float) -> None:
        """We do not wait for these any more, having waited until now."""
        dropped = self._settle(key, opened, chunks)
        if dropped:
            self.debts[key].give_up(block, dropped, now)

    def _release(self, key: int, block: int, opened: OpenBlock, chunks: int) -> None:
        released = self._settle(key, opened, chunks)
        if released:
            self.debts[key].drop(block, released)
        for owed in opened.asked.values():
            chunks &= ~owed
        if chunks:
            opened.todo |= chunks
            self.spare[block] = opened
