"""A peer's way from a magnet link to its share: the metadata, asked of peers (BEP 9), waited for and read.

What is asked of whom is the engine's matter; here is what a user is told meanwhile, and how long it may take.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from minibit import units
from minibit.disk import torrents
from minibit.engine.metadata import Metadata
from minibit.errors import MetainfoError, StalledError
from minibit.net.node import Node
from minibit.torrent import metainfo
from minibit.torrent.magnet import Magnet
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.torrent_file import TorrentFile

LOOK_SECONDS: Final = 0.5  # how often to see whether there is something to tell…
TELL_SECONDS: Final = 5.0  # …and how long what was told holds good


class Introduction:
    """Of the share behind `magnet`. `handler` is to be the engine's for the metadata.

    Args:
        limit: how many seconds it may take, None for ever.
        tell: called with a line about each thing that a user wants to know.
    """

    def __init__(self, magnet: Magnet, limit: float | None, tell: Callable[[str], None]) -> None:
        self._magnet = magnet
        self._limit = limit
        self._tell = tell
        self._info: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._told, self._told_at = "", 0.0
        self.handler = Metadata(magnet.info_hash, learnt=self._info.set_result)

    async def metainfo(self, node: Node) -> Metainfo:
        """The share, as soon as a neighbour has sent its metadata.

        Raises:
            StalledError: nobody has within the time allowed.
            MetainfoError: it is not what we can, or want to, lay out on a disk.
        """
        end = float("inf") if self._limit is None else node.now + self._limit
        while not self._info.done():
            self._say(node)
            if node.now >= end:
                raise StalledError(
                    f"gave up after {self._limit:g} s: nobody sent the metadata of this magnet link "
                    f"({self._standing(node)})"
                )
            await asyncio.wait([self._info], timeout=min(LOOK_SECONDS, end - node.now))
        info = self._info.result()
        self._tell(f"metadata: {units.size(len(info))}, its hash is right")
        try:
            return await asyncio.to_thread(metainfo.parse_info, info)
        except MetainfoError as error:
            raise MetainfoError(f"this magnet link's share: {error}") from None

    async def keep(self, share: Metainfo, folder: Path) -> None:
        """Keep what was learned in this folder, so that the next start has not to ask again.

        Raises:
            StorageError: the disk refuses.
        """
        torrent = TorrentFile(share, self._magnet.tiers, self._magnet.web_seeds)
        await asyncio.to_thread(torrents.keep, folder, torrent)

    def _say(self, node: Node) -> None:
        """Tell how far it is, if that is news."""
        standing = self._standing(node)
        if standing != self._told and (not self._told or node.now - self._told_at >= TELL_SECONDS):
            self._told, self._told_at = standing, node.now
            self._tell(standing)

    def _standing(self, node: Node) -> str:
        if sources := self.handler.sources:
            return f"fetching metadata from {units.count(sources, 'peer')}…"
        if met := sum(n.introduced for n in node.engine.neighbours.values()):
            return f"{units.count(met, 'peer')} met, and none has the metadata so far"
        return "no peer met so far"
