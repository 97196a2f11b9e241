"""Engines joined by fake links in virtual time: a heap for a clock, uplinks with a rate, wires with a delay.

It does what `node` does with sockets and a disk, on bytes in memory: everything that two engines say to
each other passes through two real `Connection`s as bytes. Nothing here is random and nothing waits, so
the same engines give the same `trace`, to the last effect.
"""

import hashlib
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from minibit import bitfield, registry
from minibit.address import Address, PeerAddress
from minibit.engine.effects import (
    Announce,
    Dial,
    Discard,
    Effect,
    Finished,
    HangUp,
    Send,
    Store,
    Tell,
    Upload,
    Verify,
)
from minibit.engine.engine import Engine
from minibit.engine.greeting import Identity
from minibit.torrent.layout import Layout
from minibit.wire.connection import Connection
from minibit.wire.messages import PROTOCOL

INFO_HASH = bytes(range(20))
GREETING = bytes([len(PROTOCOL)]) + PROTOCOL  # what comes before the reserved bits of a handshake
HASH_SECONDS = 0.001  # how long a disk takes to check a block


class Wire:
    """One end of a connection: `there` is whom it leads to, and that peer's number for it."""

    def __init__(self, layout: Layout, delay: float) -> None:
        self.connection = Connection(layout)
        self.delay = delay
        self.there: tuple[Peer, int]


class Peer:
    """An engine, its share in memory, and the little that a shell does for it.

    Args:
        uplink: bytes per second that leave it, over all its wires; infinity is no limit.
        plain: whether its connections know BEP 3 alone.
        spoil: what it does to the data of each chunk of these blocks before sending it.
    """

    def __init__(self, net: "Net", engine: Engine, *, uplink: float, plain: bool, spoil: int) -> None:
        self.net = net
        self.engine = engine
        self.name = engine.identity.name
        self.address: Address = (f"10.0.0.{len(net.peers) + 1}", engine.identity.port)
        self.plain = plain
        self.finished: float | None = None
        self.announced: list[str] = []
        self.alive = True
        self.cut = False
        self._spoil = spoil
        self._uplink = uplink
        self._uplink_free = 0.0
        self._wires: dict[int, Wire] = {}
        self._keys = count()
        self._blocks: dict[int, bytearray] = {}
        self._tick_at = float("inf")

    @property
    def told(self) -> PeerAddress:
        """What a tracker says of it."""
        identity = self.engine.identity
        return PeerAddress(identity.name, *self.address, identity.peer_id, self.name == "origin")

    def run(self, happen: Callable[[float], list[Effect]]) -> None:
        """Let the engine know, and do what it says."""
        if not self.alive:
            return
        for effect in happen(self.net.now):
            self.net.trace.append((self.net.now, self.name, _summary(effect)))
            self._perform(effect)
        due = self.engine.next_deadline(self.net.now)
        if due < self._tick_at:
            self._tick_at = due
            self.net.at(due, self._tick)

    def meet(self, peers: Iterable["Peer"]) -> None:
        """A tracker tells it of these peers."""
        told = [peer.told for peer in peers if peer is not self]
        self.run(lambda now: self.engine.peers_found(told, now))

    def learn(self) -> None:
        """The metainfo has come to it."""
        for wire in self._wires.values():
            wire.connection.learn(self.net.layout)
        self.run(lambda now: self.engine.learned(self.net.layout, 0, now))

    def leave(self) -> None:
        """Its process is gone: its wires break."""
        self.alive = False
        for key in list(self._wires):
            self._hang_up(key)

    def fall_silent(self) -> None:
        """Its cable is cut: nothing reaches it or leaves it any more, and nobody is told."""
        self.cut = True

    def _tick(self) -> None:
        self._tick_at = float("inf")
        self.run(self.engine.tick)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(key, messages):
                self._transmit(key, self._wires[key].connection.send(*messages), 0)
            case Tell(keys, message):
                for key in keys:
                    self._transmit(key, self._wires[key].connection.send(message), 0)
            case Upload(key, chunks):
                for c in chunks:
                    data = memoryview(self._data(c.index, c.begin, c.length))
                    parts = self._wires[key].connection.send_pieces([c], data)
                    self._transmit(key, b"".join(parts), c.length)
            case Store(block, pieces):
                kept = self._blocks.setdefault(block, bytearray(self.engine.layout.block_length(block)))
                for piece in pieces:
                    kept[piece.begin : piece.begin + len(piece.data)] = piece.data
            case Verify(block):
                ok = self._blocks.pop(block) == self.net.content(
                    block, 0, self.engine.layout.block_length(block)
                )
                self.net.after(
                    HASH_SECONDS, lambda: self.run(lambda now: self.engine.block_verified(block, ok, now))
                )
            case Discard(block):
                self._blocks.pop(block, None)
            case Dial(address):
                self.net.after(self.net.delay, lambda: self._dial(address))
            case HangUp(key):
                self._hang_up(key)
            case Announce(reason):
                self.announced.append(reason)
            case Finished():
                self.finished = self.net.now

    def _data(self, block: int, begin: int, length: int) -> bytes:
        return bytes(length) if self._spoil >> block & 1 else self.net.content(block, begin, length)

    def _dial(self, address: Address) -> None:
        there = next(
            (p for p in self.net.peers if p.address == address and p.alive and not (p.cut or self.cut)), None
        )
        if there is None:
            self.run(lambda now: self.engine.dial_failed(address, now))
        elif self.alive:
            here, far = next(self._keys), next(there._keys)
            for peer, key, end in ((self, here, (there, far)), (there, far, (self, here))):
                wire = peer._wires[key] = Wire(self.engine.layout, self.net.delay)
                wire.there = end
            there.run(lambda now: there.engine.connected(far, self.address, now, outgoing=False))
            self.run(lambda now: self.engine.connected(here, address, now, outgoing=True))

    def _transmit(self, key: int, data: bytes, payload: int) -> None:
        net, wire = self.net, self._wires[key]
        there, far = wire.there
        if (self.plain or there.plain) and data.startswith(GREETING):
            data = GREETING + bytes(8) + data[len(GREETING) + 8 :]
        leaves = self._uplink_free = max(net.now, self._uplink_free) + len(data) / self._uplink
        if payload:
            net.at(leaves, lambda: self.run(lambda now: self.engine.flushed(key, payload, now)))
        net.at(leaves + wire.delay, lambda: None if self.cut else there._receive(far, data))

    def _receive(self, key: int, data: bytes) -> None:
        wire = self._wires.get(key)
        if wire is None or self.cut:
            return
        messages, used = wire.connection.receive(memoryview(data))
        assert used == len(data), "what one side sends whole arrives whole"
        self.run(lambda now: self.engine.happened([(key, messages)], now))

    def _hang_up(self, key: int) -> None:
        wire = self._wires.pop(key, None)
        if wire is not None:
            there, far = wire.there
            if not (self.cut or there.cut):
                self.net.after(wire.delay, lambda: there._lost(far))

    def _lost(self, key: int) -> None:
        if self._wires.pop(key, None) is not None:
            self.run(lambda now: self.engine.disconnected(key, now))


class Net:
    """A clock, the peers, and all that happened.

    Args:
        delay: seconds that every wire takes, one way.
        seed: where each engine's chance comes from.
    """

    def __init__(self, layout: Layout, *, delay: float = 0.02, seed: int = 1) -> None:
        self.layout = layout
        self.delay = delay
        self.now = 1000.0
        self.peers: list[Peer] = []
        self.trace: list[tuple[float, str, Any]] = []
        self._content = Random(7).randbytes(layout.total_size)
        self._seed = seed
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def content(self, block: int, begin: int, length: int) -> bytes:
        """These bytes of the share."""
        start = block * self.layout.block_size + begin
        return self._content[start : start + length]

    def join(
        self,
        name: str,
        *,
        have: int = 0,
        uplink: float = float("inf"),
        plain: bool = False,
        spoil: int = 0,
        choking: str = "tit-for-tat",
        picking: str = "rarest-first",
        info_hash: bytes = INFO_HASH,
        known: bool = True,
        **options: Any,
    ) -> Peer:
        """A new peer, which knows the share or is to `learn` it; `options` are the engine's."""
        identity = Identity(name, hashlib.sha1(name.encode()).digest(), 6881)
        engine = Engine(
            identity,
            info_hash,
            self.layout if known else None,
            have=have,
            picking=registry.picking(picking),
            choking=registry.choking(choking),
            rng=Random(f"{self._seed} {name}"),
            now=self.now,
            **options,
        )
        peer = Peer(self, engine, uplink=uplink, plain=plain, spoil=spoil)
        self.peers.append(peer)
        peer.run(engine.tick)
        return peer

    def origin(self, **options: Any) -> Peer:
        """A peer that holds everything and offers first what the swarm lacks."""
        return self.join("origin", have=bitfield.full(self.layout.block_count), offering=True, **options)

    def introduce(self) -> None:
        """A tracker tells everyone of everyone."""
        for peer in self.peers:
            peer.meet(self.peers)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heappush(self._heap, (when, next(self._order), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let `seconds` pass, or less if `until` holds before."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end and not until():
            self.now, _, action = heappop(self._heap)
            action()
        if not until():
            self.now = end

    def finish(self, peers: Iterable[Peer], seconds: float) -> float:
        """Let time pass until all of these peers are complete; how long it took.

        Raises:
            AssertionError: they are not complete after `seconds`.
        """
        waiting = [peer.engine.blocks for peer in peers]
        began = self.now
        self.run(seconds, lambda: all(requests.complete for requests in waiting))
        missing = [list(bitfield.indices(requests.full & ~requests.have)) for requests in waiting]
        assert not any(missing), missing
        return self.now - began


def _summary(effect: Effect) -> Any:
    # The data of a piece is a view that dies with the next read: a trace keeps where it belongs.
    if isinstance(effect, Store):
        return ("Store", effect.block, [(piece.begin, len(piece.data)) for piece in effect.pieces])
    return effect
