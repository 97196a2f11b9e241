"""How a peer keeps up with the trackers of a torrent, as `attendance` does with MiniBit's.

It comes (`started`), tells how it stands at the intervals that a tracker wishes, says `completed` once and
`stopped` in the end. One tracker at a time is told (BEP 12, 27). But if one answers and counts nobody except
us, others may meet elsewhere, so the next is asked too unless the share is private. Trackers that are silent,
babble or refuse are left alone for longer and longer, and the trade goes on without them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import ClassVar, Final
from urllib.parse import urlsplit

from minibit import units
from minibit.address import PeerAddress
from minibit.dialects.announce import DEFAULT_NUMWANT, Announce, Event
from minibit.disk import torrents
from minibit.engine.greeting import Identity
from minibit.engine.portrait import figures
from minibit.errors import MetainfoError, MinibitError, TrackerUnreachableError, UsageError
from minibit.net.listener import EVERYWHERE
from minibit.net.node import Node
from minibit.peer.announce_client import Answer, announce
from minibit.peer.tiers import Tiers
from minibit.peer.web import fetch
from minibit.peer.web_rules import typed
from minibit.text import one_line, plain_text
from minibit.torrent import torrent_file
from minibit.torrent.bencode import MAX_BYTES
from minibit.torrent.layout import CHUNK_SIZE
from minibit.torrent.magnet import Magnet
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.torrent_file import TorrentFile

TORRENT_SECONDS: Final = 60.0  # for a .torrent on the web, which may be large
GOODBYE_SECONDS: Final = 3.0
SOONEST: Final = 60.0  # s after an answer before a tracker is asked for more peers
SLOW: Final = 3.0  # s after which the next tracker is asked too, unless the share is private (BEP 27)
MAX_TOLD: Final = 20  # trackers of which is told that they do not answer


class Announcing:
    """One peer's presence in the swarm of the torrent at `source`: a path, a URL, or a magnet link.

    Args:
        folder: where the metadata of a magnet link may be kept.
        timeout: how many seconds to look for a tracker or a peer at first, None for ever.
        tell: called with a line about each thing that a user wants to know.
    """

    grants: ClassVar = False

    def __init__(
        self,
        source: str | Magnet,
        folder: Path,
        timeout: float | None,
        tell: Callable[[str], None],
        rng: Random,
    ) -> None:
        self.granted = 0
        self.peers = source.peers if isinstance(source, Magnet) else ()
        self.unanswered = False
        self.host = EVERYWHERE
        self.web_seeds: tuple[str, ...] = ()
        fetched = isinstance(source, str) and "://" in source
        self.trusted = {urlsplit(str(source)).hostname or ""} if fetched else set()
        self._source = source
        self._folder = folder
        self._timeout = timeout
        self._tell = tell
        self._rng = rng
        self._tiers = Tiers((), rng)
        self._info_hash = b""
        self._private = False
        self._hurry = asyncio.Event()
        self._soonest = 0.0  # when a tracker may be asked for more peers
        self._completed = False  # still to be said
        self._began = False  # a tracker has answered
        self._met: set[str] = set()  # trackers that know of us
        self._told: set[str] = set()

    async def share(self) -> Metainfo | bytes:
        source = self._source
        share: Metainfo | None = None
        tiers: tuple[tuple[str, ...], ...]
        if isinstance(source, Magnet):
            self._info_hash, name = source.info_hash, source.name
            tiers = source.tiers
            self.web_seeds = source.web_seeds
            if (kept := await asyncio.to_thread(torrents.kept, self._folder, source.info_hash)) is not None:
                share, tiers = kept.metainfo, tiers or kept.tiers
                self.web_seeds = source.web_seeds or kept.web_seeds
        else:
            torrent = await _torrent(source)
            share, tiers = torrent.metainfo, torrent.tiers
            self._info_hash, self.web_seeds = share.info_hash, torrent.web_seeds
        if share is not None:
            name = share.name
        private = self._private = share is not None and share.private
        self._tiers = Tiers(tiers, self._rng)
        self._tell(f"{name or 'magnet link'}: info hash {self._info_hash.hex()}{', private' * private}")
        if not self._tiers and not self.peers:
            self._tell("no tracker is named: peers have to find us by other ways")
        return share or self._info_hash

    async def come(self, identity: Identity, share: Metainfo, have: int) -> tuple[PeerAddress, ...]:
        del identity, share, have  # all of it is said in each announce
        return ()

    async def stay(self, node: Node) -> None:
        loop = asyncio.get_running_loop()
        end = float("inf") if self._timeout is None else loop.time() + self._timeout
        while self._tiers:
            completed = self._completed
            answer = await self._first_answer(node, end)
            now = loop.time()
            if answer is None:
                pause = max(self._tiers.next_due() - now, 1.0)
                self.unanswered = True
                if not self._began and not node.engine.neighbours and now + pause >= end:
                    await asyncio.sleep(max(0.0, end - now))
                    raise TrackerUnreachableError(
                        f"gave up after {self._timeout:g} s: no tracker of this torrent answers"
                    )
            else:
                pause, self._soonest = float(answer.reply.interval), now + SOONEST
                if not self._began:
                    seeds, others = answer.reply.complete, answer.reply.incomplete
                    self._tell(
                        f"{units.count(seeds, 'seed')} and {units.count(others, 'other')} are there, "
                        "counting us"
                    )
                elif self.unanswered:
                    self._tell("a tracker answers again")
                self.unanswered, self._began = False, True
                if completed:
                    self._completed = False
            await self._pause(pause)
        await asyncio.Event().wait()

    async def leave(self, node: Node | None) -> None:
        if node is None:
            return
        said = self._said(node, Event.STOPPED)

        async def goodbye(url: str) -> None:
            with suppress(MinibitError):  # else it will notice our silence by itself
                await announce(url, said, self._rng, seconds=GOODBYE_SECONDS)

        await asyncio.gather(*map(goodbye, self._met))

    def hurry(self, reason: str) -> None:
        if reason == "complete":
            self._completed = True
            self._soonest = 0.0
        self._hurry.set()

    def close(self) -> None:
        """Nothing is held between calls."""

    def _event(self, url: str) -> Event:
        if url not in self._met:
            return Event.STARTED
        return Event.COMPLETED if self._completed else Event.NONE

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until it is time to hurry."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurry.wait()
                    end = min(end, max(loop.time(), self._soonest))

    async def _first_answer(self, node: Node, end: float) -> Answer | None:
        """The answer of the first tracker that counts others, or else of the first; None if there is none
        before `end`.

        They are asked in turn, and who is slow does not keep us from asking the next. The node hears of all
        peers that are named.
        """
        lonely: Answer | None = None
        loop = asyncio.get_running_loop()
        due = iter(self._tiers.due(loop.time()))
        asked: dict[asyncio.Task[Answer], str] = {}
        try:
            while loop.time() < end:
                url = next(due, None)
                if url is not None:
                    said = self._said(node, self._event(url))
                    asked[asyncio.create_task(announce(url, said, self._rng))] = url
                elif not asked:
                    return lonely
                patience = SLOW if url is not None and not self._private else float("inf")
                left = min(patience, end - loop.time())
                done, _ = await asyncio.wait(
                    asked,
                    timeout=None if left == float("inf") else max(left, 0.0),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    answer = self._outcome(task, asked.pop(task))
                    if answer is None:
                        continue
                    node.peers_found(answer.peers)
                    if self._private or not _is_lonely(answer):
                        return answer
                    lonely = lonely or answer
            return lonely
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def _outcome(self, task: "asyncio.Task[Answer]", url: str) -> Answer | None:
        """What this tracker answered, None if it did not."""
        try:
            answer = task.result()
        except MinibitError as error:
            self._met.discard(url)
            self._tiers.failed(url, asyncio.get_running_loop().time())
            self._blame(url, error)
            return None
        self._tiers.answered(url)
        self._met.add(url)
        self.trusted.add(answer.ip)
        return answer

    def _said(self, node: Node, event: Event) -> Announce:
        engine, own = node.engine, figures(node.engine, node.now)
        left = engine.layout.total_size - engine.layout.size_of(engine.blocks.have)
        return Announce(
            self._info_hash,
            engine.identity.peer_id,
            engine.identity.port,
            uploaded=own.uploaded,
            downloaded=own.downloaded,
            # Some trackers take who does not say for a seed.
            left=left if engine.layout.block_count else CHUNK_SIZE,
            event=event,
            numwant=0 if event is Event.STOPPED else DEFAULT_NUMWANT,
            ip=engine.identity.ip,
        )

    def _blame(self, url: str, error: MinibitError) -> None:
        # Once for each: those that are gone for good are asked for as long as we live.
        if url not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(url)
            self._tell(one_line(f"tracker {plain_text(url.partition('?')[0], 120)}: {error}"))


def _is_lonely(answer: Answer) -> bool:
    """Whether nobody is there, or one, which may be us."""
    return answer.reply.complete + answer.reply.incomplete <= 1 and len(answer.peers) <= 1


async def _torrent(source: str) -> TorrentFile:
    if "://" not in source:
        return await asyncio.to_thread(torrents.read, Path(source))
    fetched = await fetch(source, rule=typed(source), limit=MAX_BYTES, seconds=TORRENT_SECONDS)
    if fetched.status != 200:
        raise UsageError(one_line(f"{source} answered {fetched.status}: check the address"))
    try:
        return await asyncio.to_thread(torrent_file.parse, fetched.body)
    except MetainfoError as error:
        raise UsageError(one_line(f"{source}: {error}")) from None
