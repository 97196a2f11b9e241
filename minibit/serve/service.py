"""A tracker and its origin in one process: the tracker answers HTTP, the origin holds the whole share.

The tracker's threads and the origin's loop meet in three places only: a grant is handed to the loop, twice
a second the loop tells the tracker how the origin stands, and now and then it asks who may need the origin.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

from minibit import bitfield, registry
from minibit.address import FIRST_USER_PORT
from minibit.disk.share import Share
from minibit.disk.storage import Storage
from minibit.engine.engine import Engine
from minibit.engine.greeting import Identity
from minibit.engine.metadata import Metadata
from minibit.engine.pex import Pex
from minibit.engine.portrait import figures
from minibit.errors import StorageError
from minibit.eventlog.recording import Recording
from minibit.net.listener import listen
from minibit.net.node import Node
from minibit.peer.peer_id import new_peer_id
from minibit.serve.app import magnet
from minibit.serve.server import TrackerServer
from minibit.serve.tracker import Tracker
from minibit.serve.web_share import WebShare
from minibit.snapshot import SwarmStatus
from minibit.text import ORIGIN
from minibit.torrent.magnet import Magnet
from minibit.tracker.notices import Granted, Left, Notice
from minibit.wire import metadata, pex
from minibit.wire.encryption import Encryption

WATCH_SECONDS: Final = 5.0  # how often to see whether the shared files are still as they were
REPORT_SECONDS: Final = 0.5  # how often the origin tells the tracker how it stands
INTRODUCE_SECONDS: Final = 1.0  # how often the tracker tells the origin who may need it


class TrackerSettings(Struct, frozen=True):
    """What the user chose. `grant` is the smallest and largest part of all blocks dealt to a new peer;
    `allow_hosts` are names under which the tracker may be asked for, beside this machine's own; `web_seed` is
    whether the share is served over HTTP too. A tracker that has the `secret` of another one takes connection
    ids for its own (UDP); none is one of its own.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    origin_port: int = 0
    grant: tuple[float, float] = (0.3, 0.5)
    upload_limit: float = 0.0
    choking: str = "tit-for-tat"
    seed: int | None = None
    encryption: Encryption = Encryption.ALLOW
    allow_hosts: tuple[str, ...] = ()
    web_seed: bool = False
    secret: bytes = b""
    log: Path | None = None


class TrackerService:
    """Serves one share until cancelled."""

    def __init__(
        self, share: Share, settings: TrackerSettings, *, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._share = share
        self._tell = tell
        self._settings = settings
        self._origin: Node | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tracker = Tracker(
            share.metainfo, rng=Random(settings.seed), grant=settings.grant, notify=self._notify
        )
        self._server = TrackerServer(
            self._tracker, settings.host, settings.port, names=settings.allow_hosts, secret=settings.secret
        )

    def view(self) -> SwarmStatus:
        """The swarm as it stands."""
        return self._tracker.status()

    def magnet(self, place: str) -> Magnet:
        """The link by which clients join that reach this tracker at `place`, with its port."""
        server = self._server
        return magnet(self._share.metainfo, place, server.port if server.udp else None)

    async def run(self, ready: Callable[[int, int], None]) -> None:
        """Serve until cancelled; `ready(tracker's port, origin's port)` is called once both listen.

        Raises:
            UsageError: a port is taken, or a strategy does not exist.
            StorageError: the shared file cannot be read any more.
        """
        settings, metainfo = self._settings, self._share.metainfo
        self._loop = asyncio.get_running_loop()
        choking = registry.choking(settings.choking)
        storage = await asyncio.to_thread(Storage, metainfo, self._share.folder, writable=False)
        listener = listen(settings.host, settings.origin_port)
        ip, port = listener.getsockname()[:2]
        # The tracker tells everyone where "here" is for them; everywhere is nowhere to dial.
        ip = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip)
        try:
            recording = Recording(
                settings.log,
                ORIGIN,
                seed=settings.seed,
                settings={"choking": settings.choking, "grant": list(settings.grant)},
                tell=self._tell,
            )
            engine = Engine(
                Identity(ORIGIN, new_peer_id(), port),
                metainfo.info_hash,
                metainfo.layout,
                have=bitfield.full(metainfo.layout.block_count),
                picking=registry.picking("rarest-first"),
                choking=choking,
                rng=Random(settings.seed),
                now=self._loop.time(),
                upload_limit=settings.upload_limit,
                offering=True,
                extensions={metadata.NAME: Metadata(metainfo.info_hash, metainfo.info), pex.NAME: Pex()},
                journal=recording.journal,
            )
            recording.begin(engine, metainfo, f"{ip}:{port}", 0, origin=True)
            self._origin = Node(
                engine,
                listener,
                metainfo=metainfo,
                storage=storage,
                encryption=settings.encryption,
                on_event=self._tell,
            )
            stamps = await asyncio.to_thread(storage.stamps)
            self._report(self._origin, ip)
            files = None
            if settings.web_seed:
                files = WebShare(metainfo, storage, limit=settings.upload_limit, spent=self._spent)
            self._server.start(files)
            if not self._server.udp:
                self._tell(f"UDP port {self._server.port} is taken: announces are answered over HTTP alone")
            ready(self._server.port, port)
            tasks = [
                asyncio.create_task(self._origin.run()),
                asyncio.create_task(self._report_often(self._origin, ip)),
                asyncio.create_task(self._introduce(self._origin)),
                asyncio.create_task(_watch(storage, stamps)),
            ]
            try:
                async with recording:
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            listener.close()
            try:
                await asyncio.to_thread(self._server.close)
            finally:
                await asyncio.to_thread(storage.close)

    async def _report_often(self, origin: Node, ip: str) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._report(origin, ip)

    async def _introduce(self, origin: Node) -> None:
        """Some clients wait to be dialled, and some cannot dial at all."""
        while True:
            await asyncio.sleep(INTRODUCE_SECONDS)
            origin.peers_found(peer for peer in self._tracker.needy() if peer.port >= FIRST_USER_PORT)

    def _report(self, origin: Node, ip: str) -> None:
        engine = origin.engine
        identity = engine.identity
        met = {each.peer_id: each.blocks for each in engine.neighbours.values() if each.peer_id is not None}
        own = figures(engine, origin.now)
        self._tracker.report_origin((ip, identity.port), engine.blocks.have, own, identity.peer_id, met=met)

    def _spent(self, count: int) -> None:
        # Called on the server's loop, which may outlive ours by a moment.
        if self._loop is not None and self._origin is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._origin.engine.uploads.spent, count)

    def _notify(self, notice: Notice) -> None:
        # Called on the tracker's threads, which may outlive the loop by a moment.
        if self._loop is not None and self._origin is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_tell, self._origin, notice)


def _tell(origin: Node, notice: Notice) -> None:
    match notice:
        case Granted(peer_id, blocks):
            origin.granted(peer_id, blocks)
        case Left(peer_id):
            origin.engine.revoked(peer_id)


async def _watch(storage: Storage, stamps: list[tuple[int, int]]) -> None:
    """Notice when the share's stamps change: peers would take the origin for a liar, and ban it.

    Raises:
        StorageError: it was changed, or a file is gone.
    """
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if await asyncio.to_thread(storage.stamps) != stamps:
            raise StorageError(
                f"{storage.path} was changed while it is shared: start again to share it as it is now"
            )
