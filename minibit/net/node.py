"""The shell around one engine: connections, disk, clock and timer on an asyncio loop.

It performs the engine's effects and reports what became of them; it decides nothing. All state is
touched on the loop's thread only, and nothing here waits for a disk: `disk` does that in its threads and
wakes the loop when there is something to report. Transports say when they are ready (streams are three
times slower), and every read lands in one shared buffer, whatever the number of neighbours.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from minibit.address import Address, PeerAddress
from minibit.disk.disk import Disk, Lost, Present, Verified
from minibit.disk.reader import Read
from minibit.disk.storage import Storage
from minibit.engine.effects import (
    Announce,
    Ban,
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
from minibit.errors import RemoteProtocolError
from minibit.net.alarm import Alarm
from minibit.net.blame import Blame
from minibit.net.gateway import Gateway
from minibit.net.link import MIN_READING, Link
from minibit.net.pace import pace_of
from minibit.net.transport import Transport
from minibit.torrent.metainfo import Metainfo
from minibit.wire.connection import Connection
from minibit.wire.encryption import Encryption
from minibit.wire.messages import Handshake, Message, Piece

RING: Final = 512 * 1024  # bytes read at once, at most
MESSAGES_PER_TURN: Final = 256  # of one neighbour, before the loop looks around: as many as our own requests
SENDS_PER_TURN: Final = 4  # system calls for one neighbour before the loop looks around
MAX_WAITING: Final = 1024 * 1024  # bytes of memory for what one neighbour does not read…
WAITING_PER_BLOCK: Final = 128  # …and for each block, of which it may be told more than once


class Node:
    """One engine on real connections and a real disk.

    Args:
        engine: the peer; its clock is the running loop's.
        listener: from `listener.listen`; closed with the node.
        metainfo: which share, and
        storage: where it lies; without both, `begin` gives them later.
        encryption: what to do about it.
        on_announce: called on the loop when the tracker should hear of us at once.
        on_event: called on the loop with a line about each ban, the first time that each machine breaks the
            protocol and connections that cannot be accepted, so many of each; other ends are routine.

    `finished` is set once every block is verified and every file was seen where it belongs.
    """

    def __init__(
        self,
        engine: Engine,
        listener: socket.socket,
        *,
        metainfo: Metainfo | None = None,
        storage: Storage | None = None,
        encryption: Encryption = Encryption.ALLOW,
        on_announce: Callable[[str], None] = lambda _: None,
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self.finished = asyncio.Event()
        self._on_announce = on_announce
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._running = False
        self._gateway = Gateway(listener, self, engine.info_hash, encryption)
        self._links: dict[int, Link] = {}
        self._next_key = 0
        self._dirty: dict[int, Link] = {}  # what was put on these is to be sent
        self._heard: list[tuple[int, list[Handshake | Message]]] = []  # what the engine is to be told
        self._pace = pace_of(self._loop)
        self._next_turn: asyncio.Handle | None = None
        self._blame = Blame(on_event)
        self._ring = memoryview(bytearray(RING + Connection().frame_limit + 4))
        self._alarm = Alarm(self._loop, lambda: self._run(self.engine.tick))
        self._disk: Disk | None = None
        if metainfo is not None and storage is not None:
            self._open(metainfo, storage)

    def begin(self, metainfo: Metainfo, storage: Storage, have: int) -> None:
        """The share, unknown so far (BEP 9), is this one; the blocks `have` lie on the disk already.

        Called on the loop, not from one of the node's own callbacks.
        """

        def learn(now: float) -> list[Effect]:
            for link in self._links.values():
                link.connection.learn(metainfo.layout)
            effects = self.engine.learned(metainfo.layout, have, now, private=metainfo.private)
            self._open(metainfo, storage)
            return effects

        self._run(learn)

    async def run(self) -> None:
        """Trade until cancelled; then hang up on everyone at once, and let the disk finish what it is at.

        Whatever the engine holds for verified is on the disk then; blocks that were still to be verified
        are fetched again by the next run. The loop goes on turning meanwhile, and no thread is left.

        Raises:
            StorageError: the disk refused.
            StrategyError: a strategy broke its contract.
        """
        self._running = True
        try:
            self._gateway.open()
            self._start_disk()
            self._alarm.set(self.engine.next_deadline(self.now))
            await self._failure
        finally:
            self._close()
            await self._let_the_disk_finish()

    def peers_found(self, peers: Iterable[PeerAddress], *, hearsay: bool = False) -> None:
        """A tracker told us of these peers, or somebody who may lie."""
        self._run(lambda now: self.engine.peers_found(peers, now, hearsay=hearsay))

    def granted(self, peer_id: bytes, blocks: int) -> None:
        """The tracker dealt these blocks to that peer."""
        self._run(lambda now: self.engine.granted(peer_id, blocks, now))

    def check_present(self) -> None:
        """See whether the files are as we left them: what is spoilt is fetched again, or `run` raises."""
        if self._disk is not None and not self._disk.looking:
            self._disk.check_present()

    @property
    def now(self) -> float:
        """The engine's clock, seconds."""
        return self._loop.time()

    # --- connections come and go: the gateway calls these, as its host

    def connected(self, transport: Transport, address: Address, *, outgoing: bool) -> None:
        """A connection stands."""
        key, self._next_key = self._next_key, self._next_key + 1
        layout, reader = (None, None) if self._disk is None else (self._disk.layout, self._disk.reader)
        link = self._links[key] = Link(key, transport, address, Connection(layout), reader, outgoing=outgoing)
        transport.start(partial(self._readable, link), partial(self._writable, link))
        self._run(lambda now: self.engine.connected(key, address, now, outgoing=outgoing))

    def dial_failed(self, address: Address) -> None:
        """Nobody answered there."""
        self._run(lambda now: self.engine.dial_failed(address, now))

    def cannot_accept(self, reason: str) -> None:
        """Somebody could not be let in."""
        self._blame.ourselves(reason)

    def _drop(self, link: Link, reason: str) -> None:
        self._hang_up(link)
        self._run(lambda now: self.engine.disconnected(link.key, now, reason))

    def _hang_up(self, link: Link) -> None:
        del self._links[link.key]
        self._dirty.pop(link.key, None)
        if link.outgoing and link.connection.remote is None:
            self._gateway.unheard(link.address)
        link.close()

    def _accuse(self, link: Link, reason: str) -> None:
        self._blame.put_on(link.address, reason, mistaken=link.outgoing and link.connection.remote is None)
        self._drop(link, reason)

    # --- the loop's events

    def _readable(self, link: Link) -> None:
        ring = self._ring
        kept = len(link.pending)
        ring[:kept] = link.pending
        try:
            count = link.transport.receive(ring[kept : kept + link.reading])
        except OSError as error:
            self._drop(link, f"the connection broke ({error.strerror})")
            return
        except RemoteProtocolError as error:
            self._accuse(link, str(error))
            return
        if not count:
            if count is not None:
                self._drop(link, "the other side hung up")
            return
        if count == link.reading:
            link.reading = min(2 * link.reading, RING)
        self._pace.received(count)
        self._hear(link, ring[: kept + count])

    def _hear(self, link: Link, data: memoryview) -> None:
        """Take in what came, as far as one neighbour's turn goes. The rest waits, and so do the bytes that it
        has not sent yet: who floods us with messages waits for itself."""
        try:
            messages, used = link.connection.receive(data, MESSAGES_PER_TURN)
        except RemoteProtocolError as error:
            self._accuse(link, str(error))
            return
        link.pending = bytes(data[used:])
        if messages:
            self._heard.append((link.key, messages))
            if any(type(message) is Piece for message in messages):
                self._run()  # their data is good only until the next read
            else:
                self._come_back()
        else:
            self.engine.stirred(link.key, self.now)
        if link.key in self._links:
            link.transport.ask_data(not link.connection.more)
            if link.connection.more:
                link.reading = MIN_READING
                self._loop.call_soon(self._hear_on, link)

    def _hear_on(self, link: Link) -> None:
        if link.key in self._links:
            self._hear(link, memoryview(link.pending))

    def _writable(self, link: Link) -> None:
        self._dirty[link.key] = link
        self._run()

    def _wake(self) -> None:
        # Called in the disk's threads.
        with suppress(RuntimeError):  # the loop is closed: nobody waits for this any more
            self._loop.call_soon_threadsafe(self._run, self._take_outcomes)

    def _take_outcomes(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for outcome in self._known_disk.outcomes():
            match outcome:
                case Verified(block, good):
                    effects += self.engine.block_verified(block, good, now)
                case Read(key=key):
                    if key in self._links:
                        self._dirty[key] = self._links[key]
                case Lost(blocks):
                    self._on_event(f"fetching {blocks.bit_count()} blocks again: spoilt on the disk")
                    effects += self.engine.lost(blocks, now)
                case Present():
                    if self.engine.blocks.complete:
                        self.finished.set()
                case error:
                    raise error
        return effects

    # --- effects

    def _run(self, happen: Callable[[float], list[Effect]] | None = None) -> None:
        """Let the engine know, do what it says, and send what there is to send."""
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        if self._failure.done():
            return
        try:
            now = self._loop.time()
            if self._heard:
                heard, self._heard = self._heard, []
                self._perform(self.engine.happened(heard, now))
            if happen is not None:
                self._perform(happen(now))
            dirty, self._dirty = self._dirty, {}
            for link in dirty.values():
                self._send(link)
            if self._dirty:
                self._come_back()  # what sending gave rise to waits until the loop has looked around
            self._alarm.set(self.engine.next_deadline(self.now))
            self._pace.connected(len(self._links), limit=self.engine.uploads.pace)
        except Exception as error:
            # A broken disk, a strategy that broke its contract, or a bug: the node ends, and `run` says why.
            if not self._failure.done():
                self._failure.set_exception(error)
                self._failure.exception()  # asyncio need not print it, should `run` be cancelled just now

    def _come_back(self) -> None:
        # When everybody who is ready in this turn has had it: the engine settles once for all of them.
        if self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._run)

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Store(block, pieces):
                    self._known_disk.writer.store(block, pieces)
                case Send(key, messages):
                    link = self._links.get(key)
                    if link is not None:
                        link.put(link.connection.send(*messages))
                        self._dirty[key] = link
                case Tell(keys, message):
                    data = message.encode()
                    for link in filter(None, map(self._links.get, keys)):
                        link.connection.sends(message)
                        link.put(data)
                        self._dirty[link.key] = link
                case Upload(key, chunks):
                    link = self._links.get(key)
                    if link is not None:
                        link.upload(chunks)
                        self._dirty[key] = link
                case Verify(block):
                    self._known_disk.writer.verify(block)
                case Discard(block):
                    self._known_disk.writer.discard(block)
                case Dial(address):
                    self._gateway.dial(address)
                case HangUp(key):
                    link = self._links.get(key)
                    if link is not None:
                        self._hang_up(link)
                case Ban(_, address, reason):
                    self._blame.banned(address, reason)
                case Announce(reason):
                    self._on_announce(reason)
                case Finished():
                    self._known_disk.check_present()

    def _send(self, link: Link) -> None:
        for _ in range(SENDS_PER_TURN):
            if link.key not in self._links:
                return
            try:
                more, payload = link.send()
            except OSError as error:
                self._drop(link, f"the connection broke ({error.strerror})")
                return
            if payload:
                self._perform(self.engine.flushed(link.key, payload, self._loop.time()))
            if not more:
                break
        if link.key not in self._links:
            return
        if link.waiting > MAX_WAITING + WAITING_PER_BLOCK * self.engine.layout.block_count:
            self._accuse(link, "does not read what it makes us say")
        else:
            link.transport.ask_room(link.ready and link.key not in self._dirty)

    # --- the disk

    @property
    def _known_disk(self) -> Disk:
        assert self._disk is not None, "nothing is fetched or served before the share is known"
        return self._disk

    def _open(self, metainfo: Metainfo, storage: Storage) -> None:
        blocks = self.engine.blocks
        self._disk = Disk(
            metainfo,
            storage,
            blocks.have,
            max_open=blocks.max_open,
            links=self.engine.places.limit,
            wake=self._wake,
        )
        self._gateway.private = metainfo.private
        for link in self._links.values():
            link.reader = self._disk.reader
        if blocks.complete:
            self.finished.set()
        self._start_disk()

    def _start_disk(self) -> None:
        if self._disk is not None and self._running:
            self._disk.start(writing=not self.engine.blocks.complete)

    def _close(self) -> None:
        self._alarm.cancel()
        self._gateway.close()
        for link in list(self._links.values()):
            self._hang_up(link)
        self._pace.connected(0)

    async def _let_the_disk_finish(self) -> None:
        if self._disk is not None:
            self._disk.stop()
            ended = asyncio.ensure_future(asyncio.to_thread(self._disk.join))
            while not ended.done():
                # Cancelled again, we wait all the same: our caller closes the files that a thread writes to.
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(ended)
