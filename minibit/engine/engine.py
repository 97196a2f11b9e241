"""One peer, sans I/O: what happened goes in, what to do about it comes out. Time and chance are arguments.

Inputs are methods (`connected`, `received`, `flushed`, `block_verified`, `disconnected`, `peers_found`,
`tick` …); each returns the ordered list of effects that the shell is to perform. Payload bytes pass by
the engine: it is told that a chunk came or says that one should go, the shell moves the data. The same
engine runs on sockets and in a simulator: same seed, same inputs, same effects, always.

This file wires the halves together and speaks the protocol's small talk; fetching is in `downloads`,
serving in `uploads`, choosing in `strategies`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Final, cast

from minibit import __version__, bitfield
from minibit.address import Address, PeerAddress
from minibit.copies import Copies
from minibit.engine.addresses import AddressBook
from minibit.engine.blocks import Blocks
from minibit.engine.downloads import Downloads
from minibit.engine.effects import Announce, Ban, Dial, Effect, Finished, HangUp, Send
from minibit.engine.neighbour import Neighbour, dispensable
from minibit.engine.offers import Offers
from minibit.engine.uploads import MAX_QUEUE, Uploads
from minibit.errors import RemoteProtocolError
from minibit.strategies.choking_manager import ROUND_SECONDS
from minibit.strategies.view import ChokingStrategy, PickingStrategy, SwarmView
from minibit.torrent.layout import Layout
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

MAX_NEIGHBOURS: Final = 50
SWEEP_SECONDS: Final = 1.0  # how often timeouts, snubs and due dials are looked at
HANDSHAKE_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 100.0  # BEP 3: peers close connections that are silent for two minutes
SILENCE_SECONDS: Final = 180.0
REANNOUNCE_SECONDS: Final = 15.0  # how often we ask for more peers while we have none
CLIENT: Final = f"MiniBit {__version__}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a peer is: its name among people, its 20-byte wire id, the port it listens on."""

    name: str
    peer_id: bytes
    port: int


class Engine:
    """One peer of one share.

    Args:
        identity: who we are.
        info_hash: which share (20 bytes).
        layout: how it is cut.
        have: the blocks that are verified already, as a bitfield.
        upload_limit: bytes per second over all neighbours; 0 is no limit.
        offering: whether to behave as an origin, offering first what the swarm lacks.
    """

    def __init__(
        self,
        identity: Identity,
        info_hash: bytes,
        layout: Layout,
        *,
        have: int,
        picking: PickingStrategy,
        choking: ChokingStrategy,
        rng: Random,
        now: float,
        upload_limit: float = 0.0,
        offering: bool = False,
    ) -> None:
        self.identity = identity
        self.layout = layout
        self._info_hash = info_hash
        self.started = now
        self.resumed = have.bit_count()
        self.completed_at = now if have == bitfield.full(layout.block_count) else None
        self.neighbours: dict[int, Neighbour] = {}
        self.copies = Copies(layout.block_count)
        self.blocks = Blocks(layout, have)
        self.addresses = AddressBook(identity.peer_id)
        self._grants: dict[bytes, int] = {}
        self._effects: list[Effect] = []
        self._next_sweep = now + SWEEP_SECONDS
        self._next_round = now + ROUND_SECONDS
        self._next_announce = now + REANNOUNCE_SECONDS
        self.downloads = Downloads(
            layout=layout,
            blocks=self.blocks,
            neighbours=self.neighbours,
            copies=self.copies,
            picking=picking,
            view=lambda candidates: self._view(candidates=candidates),
            emit=self._effects.append,
            hang_up=self._hang_up,
            ban=self._ban,
            rng=rng,
        )
        self.uploads = Uploads(
            neighbours=self.neighbours,
            copies=self.copies,
            choking=choking,
            limit=upload_limit,
            offers=Offers(layout) if offering else None,
            view=lambda round_due: self._view(round_due=round_due),
            emit=self._effects.append,
            hang_up=self._hang_up,
            rng=rng,
            now=now,
        )
        self._now = now

    # --- inputs

    def peers_found(self, peers: Iterable[PeerAddress], now: float) -> list[Effect]:
        """A tracker told us of these peers."""
        self._now = now
        for peer in peers:
            self.addresses.learn(peer, now)
        for neighbour in self.neighbours.values():
            self._name(neighbour)
        self._dial(now)
        return self._done(now)

    def connected(self, key: int, address: Address, now: float, *, outgoing: bool) -> list[Effect]:
        """A connection stands; `key` is the shell's number for it."""
        self._now = now
        neighbour = Neighbour(key, address, outgoing=outgoing, now=now)
        self.neighbours[key] = neighbour
        if outgoing:
            self.addresses.connected(address, now)
            self._send(neighbour, self._handshake())
        if len(self.neighbours) > MAX_NEIGHBOURS:
            self._hang_up(dispensable(self.neighbours.values(), now) or neighbour, "we are full")
        elif self.addresses.banned(address, None):
            self._hang_up(neighbour, "banned")
        return self._done(now)

    def dial_failed(self, address: Address, now: float) -> list[Effect]:
        """Nobody answered at this address."""
        self.addresses.failed(address, now)
        return self._done(now)

    def happened(
        self, batch: Iterable[tuple[int, Iterable[m.Handshake | m.Message]]], now: float
    ) -> list[Effect]:
        """These messages came from these neighbours, checked by a `Connection` each; settled once for all."""
        self._now = now
        for key, messages in batch:
            neighbour = self.neighbours.get(key)
            if neighbour is not None:
                self._received(neighbour, messages, now)
        return self._done(now)

    def _received(
        self, neighbour: Neighbour, messages: Iterable[m.Handshake | m.Message], now: float
    ) -> None:
        key = neighbour.key
        neighbour.last_received = now
        try:
            for kind, run in groupby(messages, type):
                if key not in self.neighbours:
                    break
                if not neighbour.greeted and kind is not m.Handshake:
                    raise RemoteProtocolError("that is ourselves")  # `_greet` accepts everybody else
                if kind is m.Piece:
                    self.downloads.pieces(neighbour, cast(list[m.Piece], list(run)), now)
                elif kind is m.Have:
                    told = bitfield.union(message.index for message in cast(Iterable[m.Have], run))
                    self._know(neighbour, told, now)
                elif kind is m.Request:
                    self.uploads.requests(neighbour, cast(Iterable[m.Request], run), self.blocks.have)
                else:
                    for message in run:
                        self._hear(neighbour, message, now)
        except RemoteProtocolError as error:
            self._hang_up(neighbour, str(error))

    def flushed(self, key: int, count: int, now: float) -> list[Effect]:
        """`count` bytes of payload have left for this neighbour."""
        neighbour = self.neighbours.get(key)
        if neighbour is None:
            return []
        neighbour.last_sent = now
        self.uploads.flushed(neighbour, count, now)
        self.uploads.offer(now)
        return self._done(now)

    def block_verified(self, block: int, ok: bool, now: float) -> list[Effect]:
        """The hash of this block, asked for by `Verify`, was right (and the block is written) or wrong."""
        self._now = now
        self.downloads.block_verified(block, ok)
        if self._effects and isinstance(self._effects[-1], Finished):
            self.completed_at = now
            self._effects.append(Announce("complete"))
        return self._done(now)

    def disconnected(self, key: int, now: float) -> list[Effect]:
        """A connection is over, by the other side or by an error."""
        neighbour = self.neighbours.get(key)
        if neighbour is not None:
            self._now = now
            self._forget(neighbour)
        return self._done(now)

    def granted(self, peer_id: bytes, blocks: int, now: float) -> list[Effect]:
        """The tracker dealt these blocks to the peer with this wire id: serve them even while choking it."""
        self._grants[peer_id] = blocks
        for neighbour in self.neighbours.values():
            if neighbour.peer_id == peer_id:
                self.uploads.grant(neighbour, blocks)
        return self._done(now)

    def revoked(self, peer_id: bytes) -> None:
        """That peer is gone for good: its grant need not be remembered."""
        self._grants.pop(peer_id, None)

    def tick(self, now: float) -> list[Effect]:
        """Time has passed; called at `next_deadline()`, or at any other time."""
        self._now = now
        if now >= self._next_round:
            self._next_round = now + ROUND_SECONDS
            self.uploads.rechoke(now, round_due=True)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._sweep(now)
        return self._done(now)

    def next_deadline(self, now: float) -> float:
        """When `tick` is to be called next, unless something happens before."""
        halves = min(self.uploads.next_deadline(now), self.downloads.next_deadline())
        return min(self._next_sweep, self._next_round, halves)

    # --- small talk

    def _hear(self, neighbour: Neighbour, message: m.Handshake | m.Message, now: float) -> None:
        match message:
            case m.Interested() | m.NotInterested():
                self._know(neighbour, 0, now)
                self.uploads.interest(neighbour, isinstance(message, m.Interested))
            case m.Choke():
                self.downloads.choked(neighbour)
            case m.Unchoke():
                self.downloads.unchoked(neighbour, now)
            case m.Cancel():
                self.uploads.cancel(neighbour, message)
            case m.RejectRequest():
                self.downloads.rejected(neighbour, message, now)
            case m.AllowedFast(block):
                self.downloads.allowed(neighbour, block, now)
            case m.Bitfield(data):
                self._know(neighbour, bitfield.from_wire(data, self.layout.block_count), now)
            case m.HaveAll():
                self._know(neighbour, self.blocks.full, now)
            case m.HaveNone():
                self._know(neighbour, 0, now)
            case m.Handshake():
                self._greet(neighbour, message)
            case m.Extended(0, body):
                self._introduced(neighbour, ExtendedHandshake.decode(body))
            case _:
                pass  # keep-alives have done their work by coming; suggestions do not bind anyone

    def _know(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        neighbour.known = True
        self.downloads.holds(neighbour, blocks, now)
        self.uploads.told(neighbour, blocks, now)

    def _handshake(self) -> m.Handshake:
        return m.Handshake(self._info_hash, self.identity.peer_id)

    def _greet(self, neighbour: Neighbour, handshake: m.Handshake) -> None:
        peer_id = handshake.peer_id
        if neighbour.outgoing:
            self.addresses.identified(neighbour.address, peer_id)
        if handshake.info_hash != self._info_hash:
            raise RemoteProtocolError("asks for another share")
        if peer_id == self.identity.peer_id:
            if neighbour.outgoing:
                raise RemoteProtocolError("that is ourselves")
            self._send(neighbour, self._handshake())  # so that our other end learns whom it has dialled
            return
        if self.addresses.banned(neighbour.address, peer_id):
            raise RemoteProtocolError("banned")
        twin = next((n for n in self.neighbours.values() if n.peer_id == peer_id), None)
        if twin is not None:
            # Two connections at once: both sides keep the one that the lower peer id dialled.
            ours_first = self.identity.peer_id < peer_id
            if neighbour.outgoing == twin.outgoing or neighbour.outgoing != ours_first:
                raise RemoteProtocolError("a second connection to the same peer")
            self._hang_up(twin, "a second connection to the same peer")
        neighbour.peer_id = peer_id
        neighbour.fast, neighbour.extended = handshake.fast, handshake.extended
        self._name(neighbour)
        if not neighbour.outgoing:
            self._send(neighbour, self._handshake())
        self._tell_blocks(neighbour)
        if neighbour.extended:
            hello = ExtendedHandshake(
                client=CLIENT, port=self.identity.port, queue=MAX_QUEUE, name=self.identity.name
            )
            self._send(neighbour, m.Extended(0, hello.encode()))
        self.uploads.grant(neighbour, self._grants.get(peer_id, 0))
        self.uploads.offer(self._now)

    def _tell_blocks(self, neighbour: Neighbour) -> None:
        have = self.blocks.have
        offers = self.uploads.offers
        if offers is not None and offers.lacking(self.copies.held):
            offers.greet(neighbour.key)
            have = 0
        if neighbour.fast and have == self.blocks.full:
            self._send(neighbour, m.HaveAll())
        elif neighbour.fast and not have:
            self._send(neighbour, m.HaveNone())
        elif have:
            self._send(neighbour, m.Bitfield(bitfield.to_wire(have, self.layout.block_count)))

    def _introduced(self, neighbour: Neighbour, hello: ExtendedHandshake) -> None:
        neighbour.client = hello.client
        neighbour.minibit = hello.name is not None
        neighbour.name = hello.name or neighbour.name
        neighbour.queue_limit = hello.queue or neighbour.queue_limit

    def _name(self, neighbour: Neighbour) -> None:
        told = self.addresses.who(neighbour.peer_id)
        if told is not None:
            neighbour.name = told.name or neighbour.name
            neighbour.origin = told.origin

    def _send(self, neighbour: Neighbour, message: m.Handshake | m.Message) -> None:
        self._effects.append(Send(neighbour.key, (message,)))

    # --- comings and goings

    def _hang_up(self, neighbour: Neighbour, reason: str) -> None:
        if neighbour.key in self.neighbours:
            self._effects.append(HangUp(neighbour.key, reason))
            self._forget(neighbour)

    def _forget(self, neighbour: Neighbour) -> None:
        del self.neighbours[neighbour.key]
        self.copies.remove(neighbour.blocks)
        self.uploads.forget(neighbour)
        self.downloads.release(neighbour)
        if neighbour.outgoing:
            self.addresses.disconnected(neighbour.address, self._now)

    def _ban(self, peer_id: bytes, reason: str) -> None:
        culprits = [n for n in self.neighbours.values() if n.peer_id == peer_id]
        for neighbour in culprits:
            self.addresses.ban(neighbour.address, peer_id)
            self._effects.append(Ban(neighbour.address, reason))
            self._hang_up(neighbour, reason)
        if not culprits:
            self.addresses.ban(("", 0), peer_id)

    def _dial(self, now: float) -> None:
        # Who is complete waits to be dialled: it needs nobody, and seeds would only fill each other up.
        room = 0 if self.blocks.complete else MAX_NEIGHBOURS - len(self.neighbours)
        connected = {n.peer_id for n in self.neighbours.values() if n.peer_id is not None}
        self._effects += map(Dial, self.addresses.due(room, connected, now))

    def _sweep(self, now: float) -> None:
        for neighbour in list(self.neighbours.values()):
            silent = now - neighbour.last_received
            if not neighbour.greeted and now - neighbour.connected_at > HANDSHAKE_SECONDS:
                self._hang_up(neighbour, "no handshake")
            elif silent > SILENCE_SECONDS:
                self._hang_up(neighbour, f"silent for {silent:.0f} s")
            elif neighbour.greeted and now - neighbour.last_sent > KEEP_ALIVE_SECONDS:
                self._send(neighbour, m.KeepAlive())
        self.downloads.sweep(now)
        self.uploads.offer(now)
        self._dial(now)
        if not self.neighbours and now >= self._next_announce:
            self._next_announce = now + REANNOUNCE_SECONDS
            self._effects.append(Announce("no neighbours"))

    def _view(self, *, candidates: int = 0, round_due: bool = False) -> SwarmView:
        return SwarmView(
            block_count=self.layout.block_count,
            have=self.blocks.have,
            wanted=self.blocks.wanted,
            copies=self.copies,
            neighbours=self.neighbours,
            slots=self.uploads.slots,
            candidates=candidates,
            round_due=round_due,
        )

    def _done(self, now: float) -> list[Effect]:
        self.downloads.settle(now)
        self.uploads.settle(now)
        self.downloads.tell(now)
        self.uploads.serve(now)
        effects = self._effects[:]
        self._effects.clear()
        for key in {effect.key for effect in effects if isinstance(effect, Send)} & self.neighbours.keys():
            self.neighbours[key].last_sent = now
        return effects
