"""Which chunk is wanted, asked of whom, or here: the bookkeeping between blocks and requests.

The invariant, and a property test: a block is exactly one of *missing*, *in flight* (open: some of its
chunks asked for or here), *verifying*, *have*. Chunks of one block are asked of one neighbour as long
as that is possible, so that blocks complete soon and a corrupt one has a known sender.

*Endgame*: when nothing is left to ask for, chunks that have kept us waiting are asked of a second
neighbour too, and cancelled wherever they did not come from.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from minibit import bitfield
from minibit.messages import Request
from minibit.metainfo import CHUNK_SIZE, Layout
from minibit.strategies.view import Pick

MAX_OPEN_BYTES: Final = 48 * 1024 * 1024  # memory for blocks in flight and being verified
MAX_OPEN: Final = 1024  # blocks; no more may wait for the disk
MAX_ASKED: Final = 3  # neighbours asked for the same chunk in endgame
ENDGAME_AGE: Final = 1.0  # s a chunk must have kept us waiting before it is asked of another
ENDGAME_BATCH: Final = 16

Sender = bytes
"""A neighbour's peer id: it outlives the connection, as guilt must."""


@dataclass(slots=True)
class OpenBlock:
    """A block in flight. `todo` are the chunks nobody is asked for, `asked` those somebody is."""

    todo: list[int]  # descending, so that pop() gives the lowest
    asked: dict[int, tuple[int, ...]] = field(default_factory=dict)
    owner: int | None = None
    exclusive: bool = False  # only its owner may supply it
    senders: set[Sender] = field(default_factory=set)


class Arrival(NamedTuple):
    """What became of a chunk: whether it is new, how long we waited, whose request to cancel."""

    accepted: bool
    waited: float | None = None
    complete: bool = False
    cancel: tuple[int, ...] = ()


class Requests:
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
        self.suspect = 0  # blocks that failed with several senders: to be fetched from one alone
        self.max_open = min(MAX_OPEN, max(2, MAX_OPEN_BYTES // layout.block_size))
        self._open: dict[int, OpenBlock] = {}
        self._spare: dict[int, OpenBlock] = {}  # the open blocks with something to do
        self._senders: dict[int, set[Sender]] = {}  # of the blocks being verified
        self._outstanding: dict[int, dict[tuple[int, int], float]] = {}  # neighbour -> (block, chunk) -> when

    @property
    def wanted(self) -> int:
        """The missing blocks."""
        return self.full & ~(self.have | self.verifying | self.in_flight)

    @property
    def complete(self) -> bool:
        return self.have == self.full

    def outstanding(self, key: int) -> int:
        """How many chunks this neighbour owes us."""
        return len(self._outstanding.get(key, ()))

    def ask(
        self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None], now: float, *, alone: bool
    ) -> list[Request]:
        """Up to `room` chunks to ask this neighbour for, noted as asked.

        `blocks` is what it can give; `pick` chooses among the wanted blocks it is called with; `alone`
        keeps this neighbour to blocks that nobody else contributes to.
        """
        asked: list[Request] = []
        for block, opened in list(self._spare.items()):
            if len(asked) >= room:
                return asked
            if opened.owner == key or (opened.owner is None and not alone and blocks >> block & 1):
                opened.owner = key
                self._take(key, block, opened, room - len(asked), now, asked)
        while len(asked) < room and (self.in_flight | self.verifying).bit_count() < self.max_open:
            candidates = self.wanted & blocks
            choice = pick(candidates) if candidates else None
            if choice is None:
                break
            opened = self._start(key, choice.block, alone)
            self._take(key, choice.block, opened, room - len(asked), now, asked)
        if not alone:
            for block, opened in list(self._spare.items()):
                if len(asked) >= room:
                    break
                if blocks >> block & 1 and not opened.exclusive:
                    self._take(key, block, opened, room - len(asked), now, asked)
            if not asked and not self._spare and not self.wanted:
                self._ask_again(key, blocks, min(room, ENDGAME_BATCH), now, asked)
        return asked

    def arrived(self, key: int, sender: Sender, block: int, begin: int, length: int, now: float) -> Arrival:
        """A chunk came from this neighbour."""
        chunk, odd = divmod(begin, CHUNK_SIZE)
        if odd or length != self._layout.chunk_length(block, chunk):
            return Arrival(False)
        asked_at = self._outstanding.get(key, {}).pop((block, chunk), None)
        waited = None if asked_at is None else now - asked_at
        opened = self._open.get(block)
        if opened is None or (opened.exclusive and opened.owner != key):
            return Arrival(False, waited)
        askers = opened.asked.pop(chunk, None)
        if askers is None:
            if chunk not in opened.todo:
                return Arrival(False, waited)
            opened.todo.remove(chunk)  # we took the request back, but it comes all the same: welcome
            if not opened.todo:
                del self._spare[block]
        others: tuple[int, ...] = ()
        if askers is not None and askers != (key,):
            others = tuple(other for other in askers if other != key)
            for other in others:
                self._outstanding[other].pop((block, chunk), None)
        opened.senders.add(sender)
        complete = not opened.asked and not opened.todo
        if complete:
            del self._open[block]
            self._senders[block] = opened.senders
            self.in_flight ^= 1 << block
            self.verifying |= 1 << block
        return Arrival(True, waited, complete, others)

    def verified(self, block: int, ok: bool) -> set[Sender]:
        """The block's hash was right or wrong; returns who supplied it."""
        self.verifying ^= 1 << block
        senders = self._senders.pop(block)
        if ok:
            self.have |= 1 << block
            self.suspect &= ~(1 << block)
        elif len(senders) > 1:
            self.suspect |= 1 << block
        return senders

    def rejected(self, key: int, request: Request) -> bool:
        """This neighbour will not serve that request; returns whether it had been asked."""
        chunk, odd = divmod(request.begin, CHUNK_SIZE)
        mine = self._outstanding.get(key, {})
        if odd or mine.pop((request.index, chunk), None) is None:
            return False
        self._give_back(key, request.index, chunk)
        return True

    def release(self, key: int) -> tuple[list[Request], list[int]]:
        """Nothing more is expected of this neighbour: all it owes us can be asked of others.

        Returns the requests it still held, and the blocks that were abandoned because only this
        neighbour might have supplied them.
        """
        mine = self._outstanding.pop(key, {})
        requests = [self._request(block, chunk) for block, chunk in mine]
        for block, chunk in mine:
            self._give_back(key, block, chunk)
        abandoned = []
        for block, opened in list(self._open.items()):
            if opened.owner == key:
                opened.owner = None
                if opened.exclusive:
                    del self._open[block]
                    self._spare.pop(block, None)
                    self.in_flight ^= 1 << block
                    abandoned.append(block)
        return requests, abandoned

    def _start(self, key: int, block: int, alone: bool) -> OpenBlock:
        opened = OpenBlock(list(range(self._layout.chunk_count(block) - 1, -1, -1)), owner=key)
        opened.exclusive = alone or bool(self.suspect >> block & 1)
        self._open[block] = self._spare[block] = opened
        self.in_flight |= 1 << block
        return opened

    def _take(
        self, key: int, block: int, opened: OpenBlock, room: int, now: float, asked: list[Request]
    ) -> None:
        mine = self._outstanding.setdefault(key, {})
        todo, only = opened.todo, (key,)
        for _ in range(min(room, len(todo))):
            chunk = todo.pop()
            opened.asked[chunk] = only
            mine[block, chunk] = now
            asked.append(self._request(block, chunk))
        if not todo:
            self._spare.pop(block, None)

    def _ask_again(self, key: int, blocks: int, room: int, now: float, asked: list[Request]) -> None:
        mine = self._outstanding.setdefault(key, {})
        for block, opened in self._open.items():
            if opened.exclusive or not blocks >> block & 1:
                continue
            for chunk, askers in opened.asked.items():
                if len(asked) >= room:
                    return
                last = self._outstanding[askers[-1]][block, chunk]
                if key not in askers and len(askers) < MAX_ASKED and now - last >= ENDGAME_AGE:
                    opened.asked[chunk] = (*askers, key)
                    mine[block, chunk] = now
                    asked.append(self._request(block, chunk))

    def _give_back(self, key: int, block: int, chunk: int) -> None:
        opened = self._open[block]
        askers = tuple(asker for asker in opened.asked[chunk] if asker != key)
        if askers:
            opened.asked[chunk] = askers
        else:
            del opened.asked[chunk]
            opened.todo.append(chunk)
            self._spare[block] = opened

    def _request(self, block: int, chunk: int) -> Request:
        return Request(block, chunk * CHUNK_SIZE, self._layout.chunk_length(block, chunk))
