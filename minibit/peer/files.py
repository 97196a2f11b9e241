"""The files of one peer's share: what is on the disk already, and room for the rest, as the user allows."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from minibit.disk.resume import Found, inspect
from minibit.disk.storage import Storage
from minibit.torrent.metainfo import Metainfo


class Files:
    """In this folder; nothing there is looked at before the share is known.

    Args:
        overwrite: whether files that are not of the share may be replaced.
        progress: called with (blocks checked, blocks in all), from a thread.
        stop: whether to make an end of checking.
    """

    def __init__(
        self,
        folder: Path,
        *,
        overwrite: bool,
        progress: Callable[[int, int], None],
        stop: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._overwrite = overwrite
        self._progress = progress
        self._stop = stop
        self._storage: Storage | None = None
        self._found = Found()

    @property
    def storage(self) -> Storage:
        """Once the share is known."""
        assert self._storage is not None, "a share is known before its files are"
        return self._storage

    @property
    def have(self) -> int:
        """The blocks that were found good, as a bitfield."""
        return self._found.have

    async def inspect(self, share: Metainfo) -> None:
        """See what is on the disk already; nothing is created or changed.

        Raises:
            UsageError: a file that is not ours is in the way.
            StorageError: the disk refused.
        """
        self._storage = await asyncio.to_thread(Storage, share, self._folder, writable=True)
        self._found = await asyncio.to_thread(
            inspect, self._storage, share, self._progress, self._stop, overwrite=self._overwrite
        )

    async def prepare(self) -> None:
        """Make room for what is missing; raises as `inspect` does."""
        found = self._found
        await asyncio.to_thread(self.storage.prepare, found.whole, found.ours, overwrite=self._overwrite)

    async def close(self) -> None:
        """Let go of them."""
        if self._storage is not None:
            await asyncio.to_thread(self._storage.close)
