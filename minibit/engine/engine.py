"""One peer, sans I/O: what happened goes in, what to do about it comes out. Time and chance are arguments.

Inputs are methods (`connected`, `happened`, `tick` …); each returns the ordered list of effects that the
shell is to perform. Payload bytes pass by the engine: it is told that a chunk came or says that one should
go, the shell moves the data. On sockets and in a simulator: same seed, same inputs, same effects, always.

This file wires the parts together and hands each message to the part it concerns: who may be a neighbour
is decided in `greeting`, fetching in `downloads`, serving in `uploads`, choosing in `strategies`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from random import Random
from typing import Final, cast

from minibit import bitfield
from minibit.address import Address, PeerAddress
from minibit.copies import Copies
from minibit.engine.addresses import AddressBook
from minibit.engine.blocks import Blocks
from minibit.engine.downloads import Downloads
from minibit.engine.effects import Announce, Ban, Dial, Effect, Finished, HangUp, PeerId
from minibit.engine.extensions import Extensions, Handler
from minibit.engine.greeting import Greeting, Identity
from minibit.engine.journal import Banned, Completed, DialFailed, Dialled, Journal, Met, Parted
from minibit.engine.neighbour import Early, Neighbour
from minibit.engine.offers import Offers
from minibit.engine.patience import Accounts
from minibit.engine.places import Places
from minibit.engine.standing import Standing
from minibit.engine.uploads import Uploads
from minibit.errors import RemoteProtocolError
from minibit.strategies.choking_manager import ROUND_SECONDS
from minibit.strategies.view import ChokingStrategy, PickingStrategy, Slots
from minibit.torrent.layout import UNKNOWN, Layout
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

SWEEP_SECONDS: Final = 1.0  # how often timeouts, snubs and due dials are looked at
KEEP_ALIVE_SECONDS: Final = 100.0  # BEP 3: peers close connections that are silent for two minutes
REANNOUNCE_SECONDS: Final = 15.0  # how often we ask for more peers while those we have are of no use


class Engine:
    """One peer of one share.

    Args:
        identity: who we are.
        info_hash: which share (20 bytes).
        layout: how it is cut; None until `learned` says (BEP 9). Meanwhile it meets neighbours.
        have: the blocks that are verified already, as a bitfield.
        upload_limit, download_limit: bytes per second over all neighbours; 0 is no limit.
        offering: whether to behave as an origin, offering first what the swarm lacks.
        seeks: how many neighbours it dials for; it takes in more who dial. None is the default.
        extensions: by BEP 10 name, who hears each extension that we speak.
        journal: told of every pick and every choice with its reasons, and of what befalls it.
    """

    def __init__(
        self,
        identity: Identity,
        info_hash: bytes,
        layout: Layout | None,
        *,
        have: int,
        picking: PickingStrategy,
        choking: ChokingStrategy,
        rng: Random,
        now: float,
        upload_limit: float = 0.0,
        download_limit: float = 0.0,
        offering: bool = False,
        seeks: int | None = None,
        extensions: Mapping[str, Handler] | None = None,
        journal: Journal | None = None,
    ) -> None:
        if layout is None and (offering or have):
            raise ValueError("who holds or offers blocks of a share knows it")
        self.identity = identity
        self.info_hash = info_hash
        self._standing = Standing(layout or UNKNOWN, have, rng, journal)
        self._outbox = self._standing.outbox
        self.neighbours = self._standing.neighbours
        self.addresses = AddressBook(identity.peer_id)
        self.places = Places(self.neighbours, offering=offering, seeks=seeks)
        self.extensions = Extensions(extensions or {}, self._standing, self.addresses)
        self._accounts = Accounts()
        self.started = now
        self.resumed = have.bit_count()
        self.completed_at = now if self.blocks.complete else None
        self.banned = 0  # peers, since the start
        self._next_sweep = now + SWEEP_SECONDS
        self._next_round = now + ROUND_SECONDS
        self._next_announce = now + REANNOUNCE_SECONDS
        offers = Offers(layout) if offering and layout is not None else None
        self.downloads = Downloads(self._standing, picking, now, limit=download_limit)
        self.uploads = Uploads(self._standing, choking, limit=upload_limit, offers=offers, now=now)
        self._greeting = Greeting(
            self._standing, identity, info_hash, self.addresses, self.places, self.extensions, offers
        )

    @property
    def layout(self) -> Layout:
        return self._standing.layout

    @property
    def blocks(self) -> Blocks:
        """Which blocks are missing, in flight, being verified, or here."""
        return self._standing.blocks

    @property
    def copies(self) -> Copies:
        """How many copies of each block the neighbours hold."""
        return self._standing.copies

    @property
    def slots(self) -> Slots:
        """Whom we upload to."""
        return self._standing.slots

    # --- inputs

    def peers_found(self, peers: Iterable[PeerAddress], now: float, *, hearsay: bool = False) -> list[Effect]:
        """A tracker told us of these peers, or somebody who may lie."""
        for peer in peers:
            self.addresses.learn(peer, now, hearsay=hearsay)
        for neighbour in self.neighbours.values():
            self._greeting.name(neighbour)
        self._dial(now)
        return self._settled(now)

    def connected(self, key: int, address: Address, now: float, *, outgoing: bool) -> list[Effect]:
        """A connection stands; `key` is the shell's number for it."""
        neighbour = Neighbour(key, address, outgoing=outgoing, now=now)
        self.neighbours[key] = neighbour
        if outgoing:
            self.addresses.connected(address, now)
            self._outbox.send(key, self._greeting.ours)
        if (overdue := self.places.overdue()) is not None:
            self._hang_up(overdue, "we are full", now)
        if self.addresses.banned(address) and key in self.neighbours:
            self._hang_up(neighbour, "banned", now)
        return self._settled(now)

    def dial_failed(self, address: Address, now: float) -> list[Effect]:
        """Nobody answered at this address."""
        self._standing.note(DialFailed, now, address)
        self.addresses.failed(address, now)
        return self._settled(now)

    def happened(
        self, batch: Iterable[tuple[int, Sequence[m.Handshake | m.Message]]], now: float
    ) -> list[Effect]:
        """These messages came from these neighbours, checked by a `Connection` each; settled once for all."""
        for key, messages in batch:
            if (neighbour := self.neighbours.get(key)) is not None:
                neighbour.last_received = now
                try:
                    self._received(neighbour, messages, now)
                except RemoteProtocolError as error:
                    self._hang_up(neighbour, str(error), now)
        return self._settled(now)

    def stirred(self, key: int, now: float) -> None:
        """Bytes came from this neighbour that are no whole message yet: it is not silent."""
        if (neighbour := self.neighbours.get(key)) is not None and neighbour.greeted:
            neighbour.last_received = now

    def flushed(self, key: int, count: int, now: float) -> list[Effect]:
        """`count` bytes of payload have left for this neighbour."""
        if (neighbour := self.neighbours.get(key)) is None:
            return []
        neighbour.last_sent = now
        self.uploads.flushed(neighbour, count, now)
        return self._settled(now)

    def block_verified(self, block: int, ok: bool, now: float) -> list[Effect]:
        """The hash of this block, asked for by `Verify`, was right (and the block is written) or wrong."""
        verdict = self.downloads.block_verified(block, ok, now)
        if verdict.guilty is not None:
            self._ban(*verdict.guilty, now)
        if verdict.complete:
            self.completed_at = now
            self._standing.note(Completed, now)
            self._outbox.put(Finished())
            self._outbox.put(Announce("complete"))
        return self._settled(now)

    def lost(self, blocks: int, now: float) -> list[Effect]:
        """Blocks that were verified are spoilt on the disk: they are fetched again, and served no more."""
        self.completed_at = None
        self.uploads.lost(blocks)
        self.downloads.lost(blocks)
        self._dial(now)
        return self._settled(now)

    def disconnected(self, key: int, now: float, reason: str = "the connection is over") -> list[Effect]:
        """A connection is over, by the other side or by an error."""
        if (neighbour := self.neighbours.get(key)) is not None:
            self._forget(neighbour, reason, now)
        return self._settled(now)

    def granted(self, peer_id: bytes, blocks: int, now: float) -> list[Effect]:
        """The tracker dealt these blocks to the peer with this wire id: serve them even while choking it."""
        self.uploads.granted(peer_id, blocks)
        return self._settled(now)

    def revoked(self, peer_id: bytes) -> None:
        """That peer is gone for good: its grant need not be remembered."""
        self.uploads.revoked(peer_id)

    def learned(self, layout: Layout, have: int, now: float, *, private: bool = False) -> list[Effect]:
        """The metainfo has come: the share is cut like this, and `have` is on the disk already. If it is
        `private`, whom we know by hearsay is forgotten (BEP 27).

        Raises:
            ValueError: it was known.
        """
        if self.layout.block_count:
            raise ValueError("a share is learned once")
        self._standing.learn(layout, have)
        self.resumed = have.bit_count()
        for outsider in self._greeting.learned(private=private):
            self._hang_up(outsider, "a private share: no tracker tells of it", now)
        self.downloads.moved_at = now
        self.downloads.got(have, now)
        if self.blocks.complete:
            self.completed_at = now
        for neighbour in list(self.neighbours.values()):
            if neighbour.known:
                early, neighbour.early = neighbour.early, Early()
                try:
                    self._know(neighbour, early.blocks(layout.block_count), now)
                except RemoteProtocolError as error:
                    self._hang_up(neighbour, str(error), now)
        return self._settled(now)

    def tick(self, now: float) -> list[Effect]:
        """Time has passed; called at `next_deadline()`, or at any other time."""
        if now >= self._next_round:
            self._next_round = now + ROUND_SECONDS
            self.uploads.rechoke(now, round_due=True)
        if now >= self._next_sweep:
            self._standing.lateness.add(now - self._next_sweep)
            self._next_sweep = now + SWEEP_SECONDS
            self._sweep(now)
        elif now >= self.addresses.wake:
            self._dial(now)
        return self._settled(now)

    def next_deadline(self, now: float) -> float:
        """When `tick` is to be called next, unless something happens before."""
        halves = min(self.uploads.next_deadline(now), self.downloads.next_deadline(now))
        return min(self._next_sweep, self._next_round, self.addresses.wake, halves)

    def _settled(self, now: float) -> list[Effect]:
        """What follows from an input, once for all that it brought."""
        self.downloads.settle(now)
        self.uploads.settle(now)
        self.downloads.tell(now)
        self.uploads.serve(now)
        for key in self._outbox.addressed:
            if (neighbour := self.neighbours.get(key)) is not None:
                neighbour.last_sent = now
        return self._outbox.take()

    # --- small talk

    def _received(
        self, neighbour: Neighbour, messages: Sequence[m.Handshake | m.Message], now: float
    ) -> None:
        for kind, run in groupby(messages, type) if len(messages) != 1 else [(type(messages[0]), messages)]:
            if not neighbour.greeted and kind is not m.Handshake:
                raise RemoteProtocolError("that is ourselves")  # everybody else was greeted
            if kind is m.Piece:
                self.downloads.pieces(neighbour, cast(list[m.Piece], list(run)), now)
            elif kind is m.Haves:
                self._haves(neighbour, m.Haves.joined(cast(Iterable[m.Haves], run)), now)
            elif kind is m.Request:
                self.uploads.requests(neighbour, cast(Iterable[m.Request], run), now)
            elif kind is m.Cancel:
                cancelled = cast(list[m.Cancel], list(run))
                self._accounts.lose(neighbour.patience, neighbour.account, len(cancelled), now)
                self.uploads.cancel(neighbour, cancelled)
            elif kind is m.RejectRequest:
                rejections = cast(list[m.RejectRequest], list(run))
                self._accounts.lose(neighbour.patience, neighbour.account, len(rejections), now)
                self.downloads.rejected(neighbour, rejections, now)
            else:
                for message in run:
                    self._hear(neighbour, message, now)

    def _hear(self, neighbour: Neighbour, message: m.Handshake | m.Message, now: float) -> None:
        if not isinstance(message, m.AllowedFast) or neighbour.supply.allowed >> message.index & 1:
            self._accounts.lose(neighbour.patience, neighbour.account, 1, now)
        match message:
            case m.Interested() | m.NotInterested():
                self._know(neighbour, 0, now)
                self.uploads.interest(neighbour, isinstance(message, m.Interested))
            case m.Choke():
                self.downloads.choked(neighbour)
            case m.Unchoke():
                self.downloads.unchoked(neighbour, now)
            case m.AllowedFast(block):
                if self.layout.block_count:
                    self.downloads.allowed(neighbour, block)
            case m.Bitfield(data):
                if self.layout.block_count:
                    self._know(neighbour, bitfield.from_wire(data, self.layout.block_count), now)
                else:
                    neighbour.early.wire = data
                    self._know(neighbour, 0, now)
            case m.HaveAll():
                neighbour.early.everything = not self.layout.block_count
                self._know(neighbour, self.blocks.full, now)
            case m.HaveNone():
                self._know(neighbour, 0, now)
            case m.Handshake():
                yielding = self._greeting.handshake(neighbour, message, now)
                if yielding is not None:
                    self._hang_up(*yielding, now)
                if neighbour.greeted:
                    if not neighbour.extended:
                        self._meet(neighbour, now)
                    self.uploads.greeted(neighbour)
            case m.Extended(0, body):
                self._greeting.introduced(neighbour, ExtendedHandshake.decode(body), now)
                if not neighbour.introduced:  # hellos may be repeated for ever
                    self._meet(neighbour, now)
            case m.Extended():
                self.extensions.hear(neighbour, message, now)
            case _:
                pass  # keep-alives have done their work by coming; suggestions do not bind anyone

    def _know(self, neighbour: Neighbour, blocks: int, now: float) -> None:
        neighbour.known = True
        if self.layout.block_count:
            self.downloads.holds(neighbour, blocks, now)
            self.uploads.holds(neighbour, blocks, now)

    def _haves(self, neighbour: Neighbour, told: m.Haves, now: float) -> None:
        if not self.layout.block_count:
            neighbour.known = True
            neighbour.early.haves |= told.blocks
            return
        if needless := told.repeated + (told.blocks & neighbour.blocks).bit_count():
            self._accounts.lose(neighbour.patience, neighbour.account, needless, now)
        self._know(neighbour, told.blocks, now)

    # --- comings and goings

    def _meet(self, neighbour: Neighbour, now: float) -> None:
        neighbour.introduced = True
        self._standing.note(Met, now, neighbour.key)

    def _hang_up(self, neighbour: Neighbour, reason: str, now: float) -> None:
        self._outbox.put(HangUp(neighbour.key, reason))
        self._forget(neighbour, reason, now)

    def _forget(self, neighbour: Neighbour, reason: str, now: float) -> None:
        self._standing.note(Parted, now, neighbour.key, reason)
        del self.neighbours[neighbour.key]
        self.copies.remove(neighbour.blocks)
        self.uploads.forget(neighbour, now)
        self.downloads.forget(neighbour)
        self.extensions.parted(neighbour.key, now)
        self._greeting.parted(neighbour, now)

    def _ban(self, source: PeerId, reason: str, now: float) -> None:
        culprit = next((n for n in self.neighbours.values() if n.source == source), None)
        address = None if culprit is None else culprit.address
        if self.addresses.ban(source):  # blocks that it sent before may turn out corrupt after
            self.banned += 1
            self._standing.note(Banned, now, source, reason)
            self._outbox.put(Ban(source, address, reason))
        if culprit is not None:
            self._hang_up(culprit, reason, now)

    def _dial(self, now: float) -> None:
        for address in self._greeting.due(now, starving=self.downloads.starving(now)):
            self._outbox.put(Dial(address))
            self._standing.note(Dialled, now, address)

    def _sweep(self, now: float) -> None:
        for neighbour in list(self.neighbours.values()):
            if reason := self._greeting.overdue(neighbour, now):
                self._hang_up(neighbour, reason, now)
            elif self.places.in_vain(neighbour, self.blocks.full, self.completed_at):
                self._hang_up(neighbour, "both of us hold everything", now)
            elif neighbour.greeted and now - neighbour.last_sent > KEEP_ALIVE_SECONDS:
                self._outbox.send(neighbour.key, m.KeepAlive())
        self.downloads.sweep(now)
        self.uploads.sweep(now)
        self.extensions.tick(now)
        self._dial(now)
        if now >= self._next_announce and (not self.neighbours or self.downloads.starving(now)):
            self._next_announce = now + REANNOUNCE_SECONDS
            self._outbox.put(Announce("no neighbours of use"))
