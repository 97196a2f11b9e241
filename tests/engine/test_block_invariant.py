"""The invariant of blocks and chunks, under whatever neighbours do: each is always exactly one thing."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minibit import bitfield
from minibit.engine.blocks import Blocks
from minibit.engine.flight import Chunks
from minibit.engine.relief import MAX_ASKED
from minibit.strategies.view import Pick
from minibit.torrent.layout import CHUNK_SIZE, Layout

LAYOUT = Layout(6 * 3 * CHUNK_SIZE - CHUNK_SIZE - 100, 3 * CHUNK_SIZE)  # the last block has two chunks
FULL = bitfield.full(LAYOUT.block_count)
NEIGHBOURS = range(1, 2 * MAX_ASKED + 1)  # more than may be asked for the same chunk
KEYS = st.sampled_from(NEIGHBOURS)
BLOCKS = st.integers(0, FULL)
BLOCK = st.integers(0, LAYOUT.block_count - 1)


def first(candidates: int) -> Pick:
    """The lowest candidate."""
    lowest = candidates & -candidates
    return Pick(lowest.bit_length() - 1, candidates, lowest, "first")


def last(candidates: int) -> Pick:
    """The highest candidate."""
    return Pick(candidates.bit_length() - 1, candidates, candidates, "last")


def never(candidates: int) -> None:
    """No candidate."""


def each(asked: list[Chunks]) -> list[tuple[int, int]]:
    return [(block, chunk) for block, which in asked for chunk in bitfield.indices(which)]


class Ledger(RuleBasedStateMachine):
    """Neighbours are asked, deliver, reject, stray and leave; beside it, a plain ledger of who owes what."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(LAYOUT, 0)
        self.owed: dict[int, set[tuple[int, int]]] = {key: set() for key in NEIGHBOURS}
        self.now = 0.0

    @initialize(have=st.sampled_from([0, 0b111100, FULL ^ 1]), max_open=st.integers(2, 6))
    def begin(self, have: int, max_open: int) -> None:
        """With much to do, or hardly anything, so that endgame comes soon."""
        self.blocks = Blocks(LAYOUT, have)
        self.blocks.max_open = max_open

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=KEYS, blocks=BLOCKS, room=st.integers(1, 9), pick=st.sampled_from([first, last, never]))
    def ask(self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None]) -> None:
        self.asks(key, blocks, room, pick, exclusive=False)

    @rule(key=KEYS, blocks=BLOCKS, room=st.integers(1, 9), pick=st.sampled_from([first, last, never]))
    def ask_exclusively(self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None]) -> None:
        self.asks(key, blocks, room, pick, exclusive=True)

    @rule(pick=st.sampled_from([first, last]))
    def everybody_is_kept_waiting(self, pick: Callable[[int], Pick | None]) -> None:
        """Nothing comes, and each is asked in turn, a minute after the other: what endgame does at most."""
        for key in NEIGHBOURS:
            self.time_passes(60.0)
            self.ask(key, FULL, 9, pick)
            self.ask_again(key, FULL, 9)

    @rule(key=KEYS, blocks=BLOCKS, room=st.integers(1, 9))
    def ask_again(self, key: int, blocks: int, room: int) -> None:
        """In endgame: of the chunks that somebody owes already, and never more than it takes."""
        owed_by_others = set().union(*(theirs for other, theirs in self.owed.items() if other != key))
        asked, cancel = self.blocks.ask_again(key, blocks, room, self.now)
        chunks = set(each(asked))
        assert len(chunks) == len(each(asked)) <= room
        assert all(blocks >> block & 1 for block, _ in chunks), "asked for what it cannot give"
        assert chunks <= owed_by_others - self.owed[key], "not late, or asked twice"
        for other, block, which in cancel:
            relieved = {(block, chunk) for chunk in bitfield.indices(which)}
            assert relieved <= chunks, "taken from one and given to nobody"
            assert other != key
            assert relieved <= self.owed[other]
            self.owed[other] -= relieved
        self.owed[key] |= chunks

    def asks(
        self, key: int, blocks: int, room: int, pick: Callable[[int], Pick | None], *, exclusive: bool
    ) -> None:
        asked = self.blocks.ask(key, blocks, room, pick, self.now, exclusive=exclusive)
        chunks = set(each(asked))
        assert len(chunks) == len(each(asked)) <= room
        assert all(blocks >> block & 1 for block, _ in chunks), "asked for what it cannot give"
        assert not chunks & self.owed[key], "asked twice"
        self.owed[key] |= chunks

    @rule(key=KEYS, block=BLOCK, chunks=st.integers(1, 7), exclusive=st.booleans())
    def arrive(self, key: int, block: int, chunks: int, exclusive: bool) -> None:
        """Any chunks of a block come, asked for or not."""
        chunks &= bitfield.full(LAYOUT.chunk_count(block))
        come = {(block, chunk) for chunk in bitfield.indices(chunks)}
        arrival = self.blocks.arrived(key, bytes([key]), block, chunks, self.now, exclusive=exclusive)
        accepted = {(block, chunk) for chunk in bitfield.indices(arrival.accepted)}
        assert accepted <= come
        assert come & self.owed[key] <= accepted, "what we asked for and still wanted is taken"
        assert arrival.owed == len(come & self.owed[key])
        if exclusive:
            assert accepted <= self.owed[key], "from a suspect, nothing is taken unasked"
        self.owed[key] -= come
        cancelled = {
            (other, (block, chunk)) for other, which in arrival.cancel for chunk in bitfield.indices(which)
        }
        assert cancelled == {
            (other, chunk) for other, theirs in self.owed.items() for chunk in theirs & accepted
        }
        for other, chunk in cancelled:
            self.owed[other].remove(chunk)
        assert arrival.complete == bool(arrival.accepted and self.blocks.verifying >> block & 1)

    @precondition(lambda self: any(self.owed.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Somebody delivers what it owes: the usual case, which chance alone would rarely try."""
        key = data.draw(st.sampled_from([key for key, theirs in self.owed.items() if theirs]))
        block = data.draw(st.sampled_from(sorted({block for block, _ in self.owed[key]})))
        self.arrive(key, block, sum(1 << chunk for b, chunk in self.owed[key] if b == block), False)

    @rule(key=KEYS, block=BLOCK, chunks=st.integers(0, 7))
    def reject(self, key: int, block: int, chunks: int) -> None:
        """Any chunks of a block are refused in one message, asked for or not."""
        owed = self.owed[key] & {(block, chunk) for chunk in bitfield.indices(chunks)}
        assert self.blocks.rejected(key, block, chunks) == bool(owed)
        if owed:
            self.owed[key] -= owed
            self.release_blocks(key, 1 << block)

    @rule(key=KEYS, blocks=BLOCKS)
    def release_blocks(self, key: int, blocks: int) -> None:
        for block in self.blocks.release_blocks(key, blocks):
            assert blocks >> block & 1
            self.owed[key] = {owed for owed in self.owed[key] if owed[0] != block}

    @rule(key=KEYS)
    def release(self, key: int) -> None:
        released, forgotten = self.blocks.release(key, self.blocks.full)
        assert set(each(released)) == self.owed[key]
        assert not any(self.blocks.in_flight >> block & 1 for block in forgotten)
        self.owed[key] = set()

    @rule(key=KEYS, blocks=BLOCKS)
    def make_room(self, key: int, blocks: int) -> None:
        before, wanted = self.blocks.in_flight, self.blocks.wanted
        given_up = self.blocks.make_room(key, blocks, self.now)
        if given_up is None:
            assert before == self.blocks.in_flight
            return
        block = given_up.block
        assert before ^ self.blocks.in_flight == 1 << block
        assert wanted & blocks, "for nothing"
        assert (before | self.blocks.verifying).bit_count() == self.blocks.max_open, "there was room"
        for other, which in given_up.cancel:
            assert self.owed[other] >= {(block, chunk) for chunk in bitfield.indices(which)}
        cancelled = {other for other, _ in given_up.cancel}
        for other, theirs in self.owed.items():
            assert other in cancelled or all(each != block for each, _ in theirs)
            self.owed[other] = {owed for owed in theirs if owed[0] != block}

    @rule(key=KEYS, here=st.booleans())
    def quarantine(self, key: int, here: bool) -> None:
        """A peer falls under suspicion, connected or not."""
        if not here:
            self.release(key)
        for block, which in self.blocks.quarantine(key if here else None, bytes([key])):
            needless = {(block, chunk) for chunk in bitfield.indices(which)}
            assert needless <= self.owed[key]
            self.owed[key] -= needless
        for opened in self.blocks._open.values():
            part = bytes([key]) in opened.senders or key in opened.asked or opened.owner == key
            alone = opened.exclusive and opened.owner == key
            assert alone or not part, "it goes on in what others supply"

    @precondition(lambda self: self.blocks.verifying)
    @rule(data=st.data(), ok=st.booleans())
    def verified(self, data: st.DataObject, ok: bool) -> None:
        block = data.draw(st.sampled_from(list(bitfield.indices(self.blocks.verifying))))
        senders = self.blocks.verified(block, ok)
        assert senders
        assert senders.keys() <= {bytes([key]) for key in NEIGHBOURS}
        assert self.blocks.have >> block & 1 == ok
        if not ok and len(senders) > 1:
            assert self.blocks.exclusive >> block & 1

    @invariant()
    def a_block_is_exactly_one_of_four(self) -> None:
        r = self.blocks
        sets = (r.wanted, r.in_flight, r.verifying, r.have)
        assert sum(blocks.bit_count() for blocks in sets) == LAYOUT.block_count
        assert sets[0] | sets[1] | sets[2] | sets[3] == FULL
        assert (r.in_flight | r.verifying).bit_count() <= r.max_open
        assert set(bitfield.indices(r.in_flight)) == set(r._open)
        assert set(bitfield.indices(r.verifying)) == set(r._senders)

    @invariant()
    def a_chunk_is_exactly_one_of_three(self) -> None:
        for block, opened in self.blocks._open.items():
            asked = 0
            for theirs in opened.asked.values():
                assert theirs, "an empty debt"
                asked |= theirs
            assert opened.todo | asked | opened.here == bitfield.full(LAYOUT.chunk_count(block))
            assert not opened.todo & asked
            assert not opened.here & (opened.todo | asked)
            assert opened.todo or asked, "a block with all its chunks is no longer open"
            assert opened.missing == (opened.todo | asked).bit_count()
            assert sum(opened.senders.values()) == opened.here, "each chunk has one sender"
            for chunk in bitfield.indices(asked):
                assert sum(theirs >> chunk & 1 for theirs in opened.asked.values()) <= MAX_ASKED
        spare = {block for block, opened in self.blocks._open.items() if opened.todo}
        assert spare == set(self.blocks.spare)

    @invariant()
    def what_is_asked_is_what_is_owed(self) -> None:
        for key, theirs in self.owed.items():
            asked = {
                (block, chunk)
                for block, opened in self.blocks._open.items()
                for chunk in bitfield.indices(opened.asked.get(key, 0))
            }
            assert asked == theirs
            assert self.blocks.debts.outstanding(key) == len(theirs)
            late = self.blocks.debts[key].late(self.now, float("-inf"), self.blocks.full)
            assert sorted((block, chunk) for block, chunk, _ in late) == sorted(theirs)

    @invariant()
    def what_is_exclusive_is_its_owners(self) -> None:
        for opened in self.blocks._open.values():
            if opened.exclusive:
                assert opened.owner is not None, "nobody could ever go on with it"
                assert set(opened.asked) <= {opened.owner}
                assert opened.senders.keys() <= {bytes([opened.owner])}

    def teardown(self) -> None:
        """Whatever happened: when the others let go, one neighbour that holds all can finish it alone."""
        for key in self.owed:
            self.release(key)
        for block in bitfield.indices(self.blocks.verifying):
            self.blocks.verified(block, False)
        for _ in range(3 * LAYOUT.block_count):
            for block, chunk in sorted(self.owed[1]):
                self.arrive(1, block, 1 << chunk, True)
            for block in bitfield.indices(self.blocks.verifying):
                assert len(self.blocks.verified(block, True)) >= 1
            self.asks(1, FULL, 5, first, exclusive=True)
        assert self.blocks.complete


TestLedger = Ledger.TestCase
