"""One peer as a user runs it: find the swarm, see what is on disk, enter, trade, say goodbye.

It ties a `Node` and the files on the disk to a `Presence` in the swarm, and watches over them.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from minibit import bitfield, registry, units
from minibit.address import Address, PeerAddress
from minibit.engine.engine import Engine
from minibit.engine.extensions import Handler
from minibit.engine.greeting import Identity
from minibit.engine.metadata import Metadata
from minibit.engine.pex import Pex
from minibit.engine.places import MAX_NEIGHBOURS, SEEKS
from minibit.engine.portrait import figures, portrait
from minibit.engine.stalls import STALL_SECONDS, Stall, StallWatch, stall
from minibit.errors import StalledError, StorageError, UsageError
from minibit.eventlog.recording import Recording
from minibit.eventlog.writing import claim
from minibit.inquiry.recollection import Recent
from minibit.net.listener import bound, listen
from minibit.net.node import Node
from minibit.peer.attendance import Attendance
from minibit.peer.ending import Interrupt
from minibit.peer.files import Files
from minibit.peer.peer_id import new_peer_id
from minibit.peer.presence import Presence
from minibit.snapshot import PeerStatus
from minibit.text import name_fault
from minibit.torrent.metainfo import Metainfo
from minibit.wire import metadata, pex
from minibit.wire.encryption import Encryption

if TYPE_CHECKING:
    from minibit.net.dht import DhtClient
    from minibit.net.lan import Lan
    from minibit.peer.introduction import Introduction
    from minibit.peer.web_seeds import WebSeeds
    from minibit.torrent.magnet import Magnet

WATCH_SECONDS: Final = 5.0  # how often to see whether our files are still as we left them…
WATCHED_PER_SECOND: Final = 1000  # …and of how many files in a second
STALL_LOOK_SECONDS: Final = 1.0


class PeerSettings(Struct, frozen=True):
    """What the user chose. `torrent` is a .torrent's path or URL, `magnet` a link: the trackers of either
    take the place of `tracker`. `timeout` is how many seconds to look for the tracker, `stall_timeout` how
    many to go on while no chunk comes, None for ever; what a magnet link leaves out has to come within both.
    `lan`: whether to look for peers on the local network, and be found there; `dht` are nodes to begin with
    in the DHT; `web_seeds` are HTTP servers of the share beside those that the torrent names. `overwrite`:
    whether files in the folder that are not of the share may be replaced."""

    name: str
    port: int
    tracker: str
    folder: Path
    torrent: str | None = None
    magnet: "Magnet | None" = None
    lan: bool = False
    dht: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    upload_limit: float = 0.0
    download_limit: float = 0.0
    encryption: Encryption = Encryption.ALLOW
    picking: str = "rarest-first"
    choking: str = "tit-for-tat"
    timeout: float | None = None
    stall_timeout: float | None = None
    leave_when_done: bool = False
    seed: int | None = None
    host: str | None = None
    overwrite: bool = False
    log: Path | None = None


class Peer:
    """A peer of the share that one tracker, or one torrent, offers.

    Args:
        tell: called with a line about each thing that a user wants to know.
        progress: called with (blocks checked, blocks in all) while data on disk is checked, from a thread.
        interrupt: asks us to end.
    """

    def __init__(
        self,
        settings: PeerSettings,
        *,
        tell: Callable[[str], None],
        progress: Callable[[int, int], None],
        interrupt: Interrupt,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._metainfo: Metainfo | None = None
        self._node: Node | None = None
        self._seekers: list[Lan | DhtClient] = []
        self._recording: Recording | None = None
        self._files = Files(
            settings.folder,
            overwrite=settings.overwrite,
            progress=progress,
            stop=interrupt.event.is_set,
        )
        self._place: Path | None = None  # of the share, once it is whole
        source = settings.magnet or settings.torrent
        self._presence: Presence
        if source is None:
            self._presence = Attendance(settings.tracker, settings.timeout, tell)
        else:
            from minibit.peer.announcing import Announcing  # with all that speaks to other trackers

            rng = Random(settings.seed)
            self._presence = Announcing(source, settings.folder, settings.timeout, tell, rng)

    @property
    def complete(self) -> bool:
        """Whether every block is here and verified."""
        return self._node is not None and self._node.finished.is_set()

    @property
    def trading(self) -> bool:
        """Whether there is anything to view yet."""
        return self._node is not None and self._metainfo is not None

    def view(self) -> PeerStatus:
        """The picture of this peer now, once it is trading."""
        assert self._node is not None
        assert self._metainfo is not None
        return portrait(self._node.engine, self._metainfo.name, self._presence.granted, self._node.now)

    def recent(self) -> tuple[Recent, float]:
        """Its last decisions, once it is trading, and the time now as they have it."""
        assert self._recording is not None
        return self._recording.recollection.recent(), self._recording.elapsed

    async def run(self) -> None:
        """Trade until interrupted, or until complete if the settings say so.

        Raises:
            UsageError: something the user asked for cannot be.
            TrackerUnreachableError: no tracker within the time allowed.
            StorageError: the disk refused.
            StalledError: nothing came for `stall_timeout`.
            OtherShareError: the tracker shares something else now.
        """
        settings = self._settings
        if fault := name_fault(settings.name):
            raise UsageError(fault)
        picking, choking = registry.picking(settings.picking), registry.choking(settings.choking)
        if settings.log is not None:
            claim(settings.log)
        presence, files = self._presence, self._files
        listener = listen(settings.host or presence.host, settings.port)
        port = listener.getsockname()[1]
        identity = Identity(settings.name, new_peer_id(), port, bound(listener))
        try:
            share, peers = await presence.share(), presence.peers
            introduction: Introduction | None = None
            if isinstance(share, Metainfo):
                # A name that is taken leaves nothing behind, so nothing is created before.
                await files.inspect(share)
                peers += await presence.come(identity, share, files.have)
                try:
                    await files.prepare()
                except StorageError:
                    await presence.leave(None)
                    raise
                info_hash, handler = share.info_hash, Metadata(share.info_hash, share.info)
            else:
                introduction = self._introduction()
                info_hash, handler = share, introduction.handler
            self._tell(f"listening on port {port}")
            extensions: dict[str, Handler] = {metadata.NAME: handler}
            if not (isinstance(share, Metainfo) and share.private):
                extensions[pex.NAME] = Pex()
            recording = self._recording = Recording(
                settings.log,
                settings.name,
                seed=settings.seed,
                settings={"picking": settings.picking, "choking": settings.choking},
                tell=self._tell,
            )
            engine = Engine(
                identity,
                info_hash,
                None,
                have=0,
                picking=picking,
                choking=choking,
                rng=Random(settings.seed),
                now=asyncio.get_running_loop().time(),
                upload_limit=settings.upload_limit,
                download_limit=settings.download_limit,
                # Twenty were measured among MiniBit's peers alone; and whoever is found nearby is to be met.
                seeks=SEEKS if presence.grants and not settings.lan else MAX_NEIGHBOURS,
                extensions=extensions,
                journal=recording.journal,
            )
            node = self._node = Node(
                engine,
                listener,
                encryption=settings.encryption,
                on_announce=presence.hurry,
                on_event=self._tell,
            )
            async with AsyncExitStack() as ending:

                async def begin(share: Metainfo) -> None:
                    self._metainfo, self._place = share, files.storage.path
                    if share.private and self._seekers:
                        self._tell("private: peers are sought through its trackers alone")
                        while self._seekers:
                            self._seekers.pop().close()
                    self._tell_share(share)
                    recording.begin(
                        engine, share, f"{identity.ip or '*'}:{port}", presence.granted, have=files.have
                    )
                    await ending.enter_async_context(recording)
                    node.begin(share, files.storage, files.have)

                self._seekers = list(self._sought(node, listener))
                if isinstance(share, Metainfo):
                    await begin(share)
                node.peers_found(peers)
                await self._trade(node, introduction, begin)
        except asyncio.CancelledError:
            self._tell(self._stopped())
            raise
        finally:
            listener.close()
            presence.close()
            await files.close()  # last: whoever is cancelled here leaves nothing else undone

    def _sought(self, node: Node, listener: socket.socket) -> "Iterator[Lan | DhtClient]":
        """Who looks for peers beside the trackers, as the user wants it."""

        def found(peers: Iterable[PeerAddress]) -> None:
            node.peers_found(peers, hearsay=True)

        settings, engine = self._settings, node.engine
        if settings.lan:
            from minibit.net.lan import Lan

            lan = Lan(engine.info_hash, listener, new_peer_id().hex(), lambda peer: found([peer]))
            if not lan.open:
                self._tell("no local network here can be searched")
            yield lan
        if settings.dht:
            from minibit.net.dht import DhtClient

            rng, port = Random(settings.seed), engine.identity.port
            yield DhtClient(engine.info_hash, port, rng, settings.dht, found, self._tell)

    def _introduction(self) -> "Introduction":
        from minibit.peer.introduction import Introduction

        assert self._settings.magnet is not None
        return Introduction(self._settings.magnet, self._patience, self._tell)

    @property
    def _patience(self) -> float | None:
        """How many seconds the metadata of a magnet link may take to come."""
        limits = (self._settings.timeout, self._settings.stall_timeout)
        return min((limit for limit in limits if limit is not None), default=None)

    def _tell_share(self, share: Metainfo) -> None:
        presence, have = self._presence, self._files.have
        blocks = units.count(share.layout.block_count, "block")
        dealt = f"granted {bitfield.listed(presence.granted)} of {blocks}" if presence.grants else blocks
        self._tell(f"{dealt}; {have.bit_count()} on disk")

    def _stopped(self) -> str:
        if self._node is None or self._metainfo is None:
            return "stopped before it had begun"
        blocks = self._node.engine.blocks
        if self.complete:
            return f"stopped; all is in {self._place}"
        count = self._node.engine.layout.block_count
        return f"stopped at {blocks.have.bit_count()}/{count} blocks; the same line resumes"

    def _web_seeds(self, share: Metainfo) -> "WebSeeds | None":
        presence, typed = self._presence, self._settings.web_seeds
        urls = dict.fromkeys((*typed, *presence.web_seeds))
        if not urls:
            return None
        from minibit.peer.web_rules import trusting
        from minibit.peer.web_seeds import WebSeeds

        presence.trusted.update(urlsplit(url).hostname or "" for url in typed)
        return WebSeeds(urls, share, trusting(presence.trusted), self._tell, Random(self._settings.seed))

    async def _trade(
        self,
        node: Node,
        introduction: "Introduction | None",
        begin: Callable[[Metainfo], Awaitable[None]],
    ) -> None:
        """Be in the swarm until something ends that; if there is an `introduction`, begin after it."""
        trade = asyncio.create_task(node.run())
        ends = [
            trade,
            asyncio.create_task(self._presence.stay(node)),
            asyncio.create_task(self._watch(node, introduction, begin)),
        ]
        ends += [asyncio.create_task(seeker.run()) for seeker in self._seekers]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends[1:], return_exceptions=True)
            # Goodbye is said while the disk finishes what it is at.
            await asyncio.gather(trade, self._presence.leave(node), return_exceptions=True)

    async def _watch(
        self,
        node: Node,
        introduction: "Introduction | None",
        begin: Callable[[Metainfo], Awaitable[None]],
    ) -> None:
        """Learn what is shared, if need be; then watch over it, until the user wants no more."""
        if introduction is not None:
            share = await introduction.metainfo(node)
            await self._files.inspect(share)
            await self._files.prepare()
            await introduction.keep(share, self._settings.folder)
            await begin(share)
        assert self._metainfo is not None
        completion = asyncio.create_task(self._await_completion(node))
        watches = [
            asyncio.create_task(self._watch_files(node)),
            asyncio.create_task(self._watch_stalls(node)),
        ]
        if (web_seeds := self._web_seeds(self._metainfo)) is not None:
            watches.append(asyncio.create_task(web_seeds.stay(node)))
        ends = [*watches, *([completion] if self._settings.leave_when_done else [])]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (completion, *watches):
                task.cancel()
            await asyncio.gather(completion, *watches, return_exceptions=True)

    async def _await_completion(self, node: Node) -> None:
        await node.finished.wait()
        own, count = figures(node.engine, node.now), node.engine.layout.block_count
        if own.verified:
            self._tell(
                f"complete: {'all ' * (count > 1)}{units.count(count, 'block')} verified "
                f"after {units.duration(own.completed_after, tenths=True)}"
            )
        else:
            self._tell("complete: every block was on disk already")
        self._tell(f"it is in {self._place}")

    async def _watch_files(self, node: Node) -> None:
        """See again and again whether our files are as we left them; what is not is the node's matter."""
        assert self._metainfo is not None
        pause = WATCH_SECONDS + len(self._metainfo.files) / WATCHED_PER_SECOND
        while True:
            await asyncio.sleep(pause)
            node.check_present()

    async def _watch_stalls(self, node: Node) -> None:
        """Say why nothing comes, once for each reason, and give up in the end if the user wants that."""
        limit = self._settings.stall_timeout
        patience = STALL_SECONDS if limit is None else min(STALL_SECONDS, limit)
        watch = StallWatch(patience)
        while True:
            if (news := watch.look(node.engine, node.now)) is not None:
                self._tell(f"stalled: {self._explained(news)}")
            if limit is not None and (found := stall(node.engine, node.now, limit)) is not None:
                raise StalledError(f"gave up: {self._explained(found)} (the same line resumes)")
            await asyncio.sleep(STALL_LOOK_SECONDS)

    def _explained(self, stall: Stall) -> str:
        return stall.explain() + ("; the tracker does not answer" if self._presence.unanswered else "")
