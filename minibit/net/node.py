"""The shell around one engine: sockets, disk, clock and timer on an asyncio loop.

It performs the engine's effects and reports what became of them; it decides nothing. All state is
touched on the loop's thread only: the disk worker and other threads hand results over with
`call_soon_threadsafe`. Sockets are non-blocking on `add_reader`/`add_writer` (streams are three times
slower), and every read lands in one shared buffer, whatever the number of neighbours.
"""

import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable
from traceback import walk_tb
from typing import Final

from minibit.address import Address, PeerAddress
from minibit.disk.buffers import BufferPool
from minibit.disk.storage import Storage
from minibit.disk.worker import DiskWorker
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
    Upload,
    Verify,
)
from minibit.engine.engine import MAX_NEIGHBOURS, Engine
from minibit.errors import MinibitError, RemoteProtocolError, StorageError, UsageError
from minibit.net.link import SEND_BATCH, Link, connected_socket
from minibit.net.listener import BACKLOG
from minibit.torrent.metainfo import Metainfo
from minibit.wire.connection import Connection

RING: Final = 512 * 1024  # bytes read at once
OURS: Final = {"minibit", "bencode2", *sys.stdlib_module_names}
DIAL_SECONDS: Final = 5.0
ACCEPT_PAUSE: Final = 1.0  # seconds in which no connection is accepted, after one could not be
SENDS_PER_TURN: Final = 4  # batches one neighbour may send before the loop looks around
MAX_BLAMED: Final = 256  # machines whose broken protocol is told
MAX_WAITING: Final = 1024 * 1024  # bytes of memory for what one neighbour does not read…
WAITING_PER_BLOCK: Final = 128  # …and for each block, of which it may be told more than once


class Node:
    """One engine on real sockets and a real disk.

    Args:
        engine: the peer; its clock is the running loop's.
        listener: from `listener.listen`; closed with the node.
        on_announce: called on the loop when the tracker should hear of us at once.
        on_event: called on the loop with a line about each ban, about the first time that each machine
            breaks the protocol, and about connections that cannot be accepted; other ends are routine.
    """

    def __init__(
        self,
        engine: Engine,
        metainfo: Metainfo,
        storage: Storage,
        listener: socket.socket,
        *,
        on_announce: Callable[[str], None] = lambda _: None,
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self.finished = asyncio.Event()
        self._layout = metainfo.layout
        self._storage = storage
        self._listener = listener
        self._on_announce = on_announce
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._links: dict[int, Link] = {}
        self._next_key = 0
        self._dialling: set[asyncio.Task[None]] = set()
        self._dirty: dict[int, Link] = {}  # what was put on these is to be sent
        self._resuming = False
        self._blamed: set[str] = set()
        self._ring = memoryview(bytearray(RING + Connection(self._layout).frame_limit + 4))
        self._timer: asyncio.TimerHandle | None = None
        self._accepting: asyncio.TimerHandle | None = None  # set while we accept nobody
        self._max_waiting = MAX_WAITING + WAITING_PER_BLOCK * self._layout.block_count
        block = self._layout.block_size
        self._blocks: dict[int, memoryview] = {}
        self._block_buffers = BufferPool(block, (engine.blocks.max_open + 2) * block)
        self._send_buffers = BufferPool(SEND_BATCH, (MAX_NEIGHBOURS + 2) * SEND_BATCH)
        self._results: deque[tuple[int, bool]] = deque()  # of the disk worker, not yet told to the engine
        self._woken = False
        self._worker = DiskWorker(storage, metainfo.digest, self._block_buffers, self._verified, self._failed)
        if engine.blocks.complete:
            self.finished.set()

    async def run(self) -> None:
        """Trade until cancelled; then hang up on everyone and let the disk finish.

        Raises:
            StorageError: the disk refused.
            UsageError: a strategy of the user's broke its contract.
        """
        self._listen()
        self._arm()
        try:
            await self._failure
        finally:
            self._close()

    def peers_found(self, peers: Iterable[PeerAddress]) -> None:
        """A tracker told us of these peers."""
        self._run(lambda now: self.engine.peers_found(peers, now))

    def granted(self, peer_id: bytes, blocks: int) -> None:
        """The tracker dealt these blocks to that peer."""
        self._run(lambda now: self.engine.granted(peer_id, blocks, now))

    @property
    def now(self) -> float:
        """The engine's clock, seconds."""
        return self._loop.time()

    # --- the loop's events

    def _listen(self) -> None:
        self._accepting = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # the other side is gone already
                continue
            except OSError as error:
                # Out of descriptors: who knocks goes on knocking, and the loop would do nothing but listen.
                self._on_event(f"cannot accept a connection: {error.strerror}")
                self._loop.remove_reader(self._listener)
                self._accepting = self._loop.call_later(ACCEPT_PAUSE, self._listen)
                return
            self._connect(sock, (address[0], address[1]), outgoing=False)

    def _connect(self, sock: socket.socket, address: Address, *, outgoing: bool) -> None:
        key, self._next_key = self._next_key, self._next_key + 1
        link = Link(key, connected_socket(sock), address, Connection(self._layout))
        self._links[key] = link
        self._loop.add_reader(sock, self._readable, link)
        self._run(lambda now: self.engine.connected(key, address, now, outgoing=outgoing))

    async def _dial(self, address: Address) -> None:
        try:
            sock = await self._dialled(address)
        except OSError:  # refused, unreachable, timed out, or out of descriptors
            self._run(lambda now: self.engine.dial_failed(address, now))
        else:
            self._connect(sock, address, outgoing=True)

    async def _dialled(self, address: Address) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(DIAL_SECONDS):
                await self._loop.sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _readable(self, link: Link) -> None:
        ring = self._ring
        kept = len(link.pending)
        ring[:kept] = link.pending
        try:
            count = link.sock.recv_into(ring[kept:])
            if not count:
                self._drop(link)
                return
            messages, used = link.connection.receive(ring[: kept + count])
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        except RemoteProtocolError as error:
            self._blame(link, str(error))
            self._drop(link)
            return
        link.pending = bytes(ring[used : kept + count])
        if messages:
            self._run(lambda now: self.engine.happened([(link.key, messages)], now))

    def _writable(self, link: Link) -> None:
        self._dirty[link.key] = link
        self._run(lambda _: [])

    def _verified(self, block: int, ok: bool) -> None:
        # Called on the disk worker's threads. One wake-up of the loop serves all results until it comes.
        self._results.append((block, ok))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for this block
                self._loop.call_soon_threadsafe(self._take_results)

    def _take_results(self) -> None:
        self._woken = False

        def happen(now: float) -> list[Effect]:
            effects: list[Effect] = []
            while self._results:
                effects += self.engine.block_verified(*self._results.popleft(), now)
            return effects

        self._run(happen)

    def _failed(self, error: Exception) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # asyncio need not print it, should `run` be cancelled at this moment

    def _drop(self, link: Link) -> None:
        self._hang_up(link)
        self._run(lambda now: self.engine.disconnected(link.key, now))

    # --- effects

    def _run(self, happen: Callable[[float], list[Effect]]) -> None:
        """Let the engine know, do what it says, and send what there is to send."""
        if self._failure.done():
            return
        try:
            self._perform(happen(self._loop.time()))
            dirty, self._dirty = self._dirty, {}
            for link in dirty.values():
                self._send(link)
            if self._dirty and not self._resuming:
                # What sending gave rise to waits until the loop has looked around.
                self._resuming = True
                self._loop.call_soon(self._resume)
            self._arm()
        except Exception as error:
            # A broken disk, a strategy that broke its contract, or a bug: the node ends, and `run` says why.
            self._fail(_attributed(error))

    def _resume(self) -> None:
        self._resuming = False
        self._run(lambda _: [])

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Store(block, pieces):
                    view = self._blocks.get(block)
                    if view is None:
                        view = self._block_buffers.acquire(self._layout.block_length(block))
                        self._blocks[block] = view
                    for piece in pieces:
                        begin = piece.begin
                        view[begin : begin + len(piece.data)] = piece.data
                case Send(key, messages):
                    link = self._links.get(key)
                    if link is not None:
                        link.put(b"".join(map(link.connection.send, messages)))
                        self._dirty[key] = link
                case Upload(key, chunks):
                    link = self._links.get(key)
                    if link is not None:
                        for chunk in chunks:
                            link.put(chunk)
                        self._dirty[key] = link
                case Verify(block):
                    self._worker.submit(block, self._blocks.pop(block))
                case Discard(block):
                    if block in self._blocks:
                        self._block_buffers.release(self._blocks.pop(block))
                case Dial(address):
                    task = self._loop.create_task(self._dial(address))
                    self._dialling.add(task)
                    task.add_done_callback(self._dialling.discard)
                case HangUp(key):
                    link = self._links.get(key)
                    if link is not None:
                        self._hang_up(link)
                case Ban((ip, port), reason):
                    self._on_event(f"banned the peer at {ip} port {port}: {reason}")
                case Announce(reason):
                    self._on_announce(reason)
                case Finished():
                    self._storage.check_present()
                    self.finished.set()

    def _send(self, link: Link) -> None:
        for _ in range(SENDS_PER_TURN):
            if link.key not in self._links:
                return
            try:
                room, payload = link.send(self._storage, self._send_buffers)
            except StorageError:
                raise
            except OSError:
                self._drop(link)
                return
            if payload:
                self._perform(self.engine.flushed(link.key, payload, self._loop.time()))
            if not room or link.idle:
                break
        if link.waiting > self._max_waiting:
            self._blame(link, "does not read what it makes us say")
            self._drop(link)
        elif link.key in self._links and link.writing == link.idle:
            link.writing = not link.idle
            if link.writing:
                self._loop.add_writer(link.sock, self._writable, link)
            else:
                self._loop.remove_writer(link.sock)

    def _hang_up(self, link: Link) -> None:
        del self._links[link.key]
        self._dirty.pop(link.key, None)
        self._loop.remove_reader(link.sock)
        if link.writing:
            self._loop.remove_writer(link.sock)
        link.close(self._send_buffers)

    def _blame(self, link: Link, reason: str) -> None:
        # Once for each machine: who comes back for ever to do the same is no news.
        ip, port = link.address
        if ip not in self._blamed and len(self._blamed) < MAX_BLAMED:
            self._blamed.add(ip)
            self._on_event(f"hung up on {ip} port {port}: {reason}")

    def _arm(self) -> None:
        due = self.engine.next_deadline(self._loop.time())
        if self._timer is not None:
            if self._timer.when() <= due and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._ring_timer)

    def _ring_timer(self) -> None:
        self._timer = None
        self._run(self.engine.tick)

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._accepting is not None:
            self._accepting.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._dialling:
            task.cancel()
        for link in list(self._links.values()):
            self._hang_up(link)
        self._worker.close()


def _attributed(error: Exception) -> Exception:
    """`error` itself, or a UsageError that names the user's strategy if it was raised in one.

    Strategies are the only code that an engine runs which neither we nor Python's library wrote.
    """
    if isinstance(error, MinibitError):
        return error
    for frame, _ in walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in OURS:
            where = f"{module}.{frame.f_code.co_qualname}"
            return UsageError(f"the strategy {where} raised {type(error).__name__}: {error}")
    return error
