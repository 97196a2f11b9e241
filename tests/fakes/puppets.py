"""One engine among puppets: neighbours that say only what a test makes them say, and note what they hear.

All that either side says passes through a real `Connection`, so a test cannot make a puppet say what no
remote could say, and an engine that says what it must not fails its test.
"""

from collections.abc import Iterable
from random import Random
from typing import Any

from minibit import bitfield, registry
from minibit.address import Address, PeerAddress
from minibit.engine.effects import Effect, HangUp, Send, Tell, Upload, Verify
from minibit.engine.engine import Engine
from minibit.engine.greeting import Identity
from minibit.engine.neighbour import Neighbour, source
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m
from minibit.wire.connection import Connection
from minibit.wire.extended import ExtendedHandshake

INFO_HASH = b"#" * 20
OWN_ID = b"m" * 20
BLOCKS = 8
LAYOUT = Layout(BLOCKS * 2 * CHUNK_SIZE, 2 * CHUNK_SIZE)
FULL = bitfield.full(BLOCKS)


def request(block: int, chunk: int = 0) -> m.Request:
    return m.Request(block, chunk * CHUNK_SIZE, CHUNK_SIZE)


def cancel(block: int, chunk: int = 0) -> m.Cancel:
    return m.Cancel(block, chunk * CHUNK_SIZE, CHUNK_SIZE)


def reject(block: int, chunk: int = 0) -> m.RejectRequest:
    return m.RejectRequest(block, chunk * CHUNK_SIZE, CHUNK_SIZE)


def piece(block: int, chunk: int = 0, length: int = CHUNK_SIZE) -> m.Piece:
    return m.Piece(block, chunk * CHUNK_SIZE, bytes(length))


def both(block: int) -> list[m.Piece]:
    """The two chunks of a block."""
    return [piece(block, 0), piece(block, 1)]


def told(*peers: tuple[str, int, bytes | None]) -> list[PeerAddress]:
    """What a tracker says of peers at these (ip, port), with these wire ids."""
    return [PeerAddress(f"peer{port}", ip, port, peer_id) for ip, port, peer_id in peers]


class Stage:
    """The engine, and what it does. `options` are the engine's.

    `hung_up` maps whom it hung up on to why; `effects` is all that it ever asked for.
    """

    def __init__(
        self,
        *,
        have: int = 0,
        layout: Layout | None = LAYOUT,
        picking: str = "sequential",
        choking: str = "tit-for-tat",
        peer_id: bytes = OWN_ID,
        seed: int = 1,
        **options: Any,
    ) -> None:
        self.now = 1000.0
        self.engine = Engine(
            Identity("me", peer_id, 5000),
            INFO_HASH,
            layout,
            have=have,
            picking=registry.picking(picking),
            choking=registry.choking(choking),
            rng=Random(seed),
            now=self.now,
            **options,
        )
        self.effects: list[Effect] = []
        self.hung_up: dict[int, str] = {}
        self.verifying: list[int] = []
        self._connections: dict[int, Connection] = {}
        self._heard: dict[int, list[m.Handshake | m.Message]] = {}
        self._uploads: dict[int, list[m.Request]] = {}

    def note(self, effects: Iterable[Effect]) -> list[Effect]:
        """Take what the engine wants done."""
        noted = list(effects)
        for effect in noted:
            match effect:
                case Send(key, messages):
                    for message in messages:
                        self._connections[key].send(message)
                    self._heard[key] += messages
                case Tell(keys, message):
                    for key in keys:
                        self._connections[key].sends(message)
                        self._heard[key].append(message)
                case Upload(key, chunks):
                    self._connections[key].send_pieces(chunks, memoryview(b""))
                    self._uploads[key] += chunks
                case HangUp(key, reason):
                    self.hung_up[key] = reason
                case Verify(block):
                    self.verifying.append(block)
        self.effects += noted
        return noted

    # --- puppets come and go

    def connect(self, key: int, *, outgoing: bool = False, address: Address | None = None) -> list[Effect]:
        """A connection stands; nobody has spoken on it yet."""
        self._connections[key] = Connection(self.engine.layout)
        self._heard[key], self._uploads[key] = [], []
        address = address or (f"10.0.0.{key}", 6881)
        return self.note(self.engine.connected(key, address, self.now, outgoing=outgoing))

    def greet(
        self, key: int, *, peer_id: bytes | None = None, info_hash: bytes = INFO_HASH, fast: bool = True
    ) -> list[Effect]:
        """The puppet's handshake comes."""
        peer_id = peer_id or bytes([key]) * 20
        return self.says(key, m.Handshake(info_hash, peer_id, fast=fast, extended=fast))

    def puppet(
        self,
        key: int,
        *,
        have: int = 0,
        fast: bool = True,
        minibit: bool = False,
        span: int = 1,
        interested: bool = False,
        unchokes: bool = False,
        outgoing: bool = False,
        peer_id: bytes | None = None,
        queue: int | None = None,
        address: Address | None = None,
    ) -> int:
        """A neighbour that has greeted and told its blocks; what it heard so far is forgotten. Its key."""
        self.connect(key, outgoing=outgoing, address=address)
        self.greet(key, peer_id=peer_id, fast=fast)
        if fast:
            name = f"puppet{key}" if minibit or span > 1 else None
            self.says(key, m.Extended(0, ExtendedHandshake(name=name, queue=queue, span=span).encode()))
        if have:
            self.says(key, m.Bitfield(bitfield.to_wire(have, self.engine.layout.block_count)))
        elif fast:
            self.says(key, m.HaveNone())
        if interested:
            self.says(key, m.Interested())
        if unchokes:
            self.says(key, m.Unchoke())
        if not unchokes:
            self.heard(key)
        return key

    def leaves(self, key: int) -> list[Effect]:
        return self.note(self.engine.disconnected(key, self.now))

    # --- what they say and hear

    def says(self, key: int, *messages: m.Handshake | m.Message) -> list[Effect]:
        """The puppet says this; what the engine makes of it."""
        data = b"".join(message.encode() for message in messages)
        found, used = self._connections[key].receive(memoryview(data))
        assert used == len(data)
        return self.note(self.engine.happened([(key, found)], self.now))

    def heard(self, key: int) -> list[m.Handshake | m.Message]:
        """What the puppet was told since this was last asked."""
        told, self._heard[key] = self._heard[key], []
        return told

    def asked(self, key: int) -> list[tuple[int, int]]:
        """The (block, chunk) that the puppet was asked for since; the rest of what it heard is forgotten."""
        requests = [message for message in self.heard(key) if isinstance(message, m.Request)]
        return [(r.index, r.begin // CHUNK_SIZE) for r in requests]

    def served(self, key: int) -> list[m.Request]:
        """What is being sent to the puppet since this was last asked."""
        chunks, self._uploads[key] = self._uploads[key], []
        return chunks

    def flushed(self, key: int, count: int) -> list[Effect]:
        return self.note(self.engine.flushed(key, count, self.now))

    # --- time and disk

    def verified(self, block: int, ok: bool = True) -> list[Effect]:
        self.verifying.remove(block)
        return self.note(self.engine.block_verified(block, ok, self.now))

    def wait(self, seconds: float) -> list[Effect]:
        """Time passes, and the engine is woken when it asks to be; what it did."""
        end = self.now + seconds
        did: list[Effect] = []
        wakings = 0
        while (due := self.engine.next_deadline(self.now)) <= end:
            # Waking costs: an engine that asks to be woken again and again at once would never sleep.
            assert due > self.now or not wakings, "woken, and not a moment later again"
            wakings += 1
            self.now = max(due, self.now)
            did += self.note(self.engine.tick(self.now))
        self.now = end
        return did

    def learns(self, layout: Layout, have: int = 0) -> list[Effect]:
        """The metainfo comes."""
        for connection in self._connections.values():
            connection.learn(layout)
        return self.note(self.engine.learned(layout, have, self.now))

    # --- trust

    def suspect(self, peer_id: bytes, key: int | None = None) -> None:
        """This peer, which dials us or will, had a part in a corrupt block."""
        address = (f"10.0.0.{peer_id[0] if key is None else key}", 6881)
        guilty = source(address, peer_id, outgoing=False)
        assert self.engine.downloads.trust.corrupt({guilty, b"?" * 20}, 0) is None

    def suspects(self, key: int) -> bool:
        return self.engine.downloads.trust.suspects(self.neighbour(key).source)

    def neighbour(self, key: int) -> Neighbour:
        return self.engine.neighbours[key]
