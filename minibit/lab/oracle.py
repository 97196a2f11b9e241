"""Who knows better: what is really on each disk of a simulation, and what no engine may ever be found at.

It watches every effect, keeps books of its own of which chunks are here and which of them are wrong, and
holds the engines to them. Findings are lines for people; there are none if all is well.
"""

from collections.abc import Iterator

from minibit import bitfield
from minibit.address import Address
from minibit.engine.addresses import MAX_ADDRESSES, MAX_DIALLING
from minibit.engine.blocks import RELIEF_BATCH
from minibit.engine.effects import Discard, Effect, Finished, Store, Upload, Verify
from minibit.engine.engine import Engine
from minibit.engine.journal import Journal
from minibit.engine.neighbour import MAX_WINDOW, Neighbour
from minibit.engine.places import MAX_WAITING
from minibit.engine.uploads import BATCH, MAX_QUEUED, MAX_UNSENT
from minibit.lab.observer import Observer
from minibit.torrent.layout import Layout

MAX_FINDINGS = 20


class Oracle:
    """The observer of one simulation, which passes all it is told on to `also`."""

    def __init__(self, layout: Layout, also: Observer | None = None) -> None:
        self.findings: list[str] = []
        self._layout = layout
        self._also = also
        self._engines: dict[str, Engine] = {}
        self._right: dict[str, int] = {}  # by peer, living or dead: blocks that came whole and right
        self._stored: dict[str, dict[int, tuple[int, int]]] = {}  # by peer and block: chunks here, wrong ones

    def right(self, name: str) -> int:
        """The blocks that this peer verified and that really are right."""
        return self._right[name] & self._engines[name].blocks.have

    def rotten(self, name: str, blocks: int) -> None:
        """The disk of this peer has lost these blocks."""
        self._right[name] &= ~blocks

    def look(self, now: float) -> None:
        """Hold every living engine to all that must be true between two events."""
        for name, engine in self._engines.items():
            for fault in faults(engine):
                self._find(name, fault, now)
            if wrong := engine.blocks.have & ~self._right[name]:
                self._find(name, f"believes in blocks that are wrong: {bitfield.listed(wrong)}", now)

    # --- as an observer

    def journal(self, name: str) -> Journal | None:
        return None if self._also is None else self._also.journal(name)

    def joined(self, name: str, address: Address, engine: Engine, granted: int, now: float) -> None:
        have = engine.blocks.have
        if name not in self._right:
            self._right[name] = have
        elif have & ~self._right[name]:
            self._find(name, "came back with blocks that were never right", now)
        self._right[name] &= have
        self._engines[name] = engine
        self._stored[name] = {}
        if self._also is not None:
            self._also.joined(name, address, engine, granted, now)

    def performs(self, name: str, effect: Effect, now: float) -> None:
        engine = self._engines.get(name)
        stored = self._stored.get(name, {})
        match effect:
            case Store(block, pieces):
                here, wrong = stored.get(block, (0, 0))
                for piece in pieces:
                    chunks = self._layout.chunks(block, piece.begin, len(piece.data))
                    here |= chunks
                    wrong = wrong | chunks if piece.data[0] else wrong & ~chunks
                stored[block] = here, wrong
            case Discard(block):
                stored.pop(block, None)
            case Verify(block):
                here, wrong = stored.pop(block, (0, 0))
                if here != bitfield.full(self._layout.chunk_count(block)):
                    self._find(name, f"has block {block} verified before all of it is here", now)
                elif not wrong:
                    self._right[name] |= 1 << block
            case Upload(_, chunks):
                if engine is not None and any(not engine.blocks.have >> c.index & 1 for c in chunks):
                    self._find(name, "uploads what it does not have", now)
            case Finished():
                if self._right[name] != bitfield.full(self._layout.block_count):
                    self._find(name, "says that it is complete, and is not", now)
        if self._also is not None:
            self._also.performs(name, effect, now)

    def left(self, name: str, how: str, now: float) -> None:
        self._engines.pop(name, None)
        if self._also is not None:
            self._also.left(name, how, now)

    def _find(self, name: str, fault: str, now: float) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(f"at {now:.3f} s: {name} {fault}")


def faults(engine: Engine) -> Iterator[str]:
    """What is true of this engine and must never be: blocks that are two things at once, bounds passed."""
    blocks, neighbours = engine.blocks, engine.neighbours
    parts = (blocks.wanted, blocks.in_flight, blocks.verifying, blocks.have)
    if sum(part.bit_count() for part in parts) != engine.layout.block_count:
        yield "has a block that is not exactly one of missing, in flight, verifying, have"
    if (blocks.in_flight | blocks.verifying).bit_count() > blocks.max_open:
        yield "has too many blocks open"
    if blocks.debts.keys() - neighbours.keys():
        yield "is owed something by nobody"
    if not {*engine.slots.fixed} <= neighbours.keys():
        yield "keeps a slot for nobody"
    greeted = sum(neighbour.greeted for neighbour in neighbours.values())
    if greeted > engine.places.limit:
        yield f"has {greeted} neighbours"
    if len(neighbours) - greeted > MAX_WAITING + MAX_DIALLING:
        yield f"lets {len(neighbours) - greeted} wait for a greeting"
    if engine.addresses.known > MAX_ADDRESSES:
        yield f"knows {engine.addresses.known} addresses"
    held = 0
    for neighbour in neighbours.values():
        held |= neighbour.blocks
        for fault in _faults_with(engine, neighbour):
            yield f"{fault} {neighbour.label}"
    if held != engine.copies.held:
        yield "has miscounted what its neighbours hold"


def _faults_with(engine: Engine, neighbour: Neighbour) -> Iterator[str]:
    demand = neighbour.demand
    if len(demand.queue) > MAX_QUEUED:
        yield f"queues {len(demand.queue)} requests of"
    if not 0 <= demand.unsent <= MAX_UNSENT + BATCH:
        yield f"has {demand.unsent} bytes in its shell's hands for"
    if engine.blocks.debts.outstanding(neighbour.key) > MAX_WINDOW + RELIEF_BATCH:
        yield "asks too much at once of"
