"""The log of one live engine, from its first moment to its last: an async context around its trade."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from minibit import __version__
from minibit.engine.chronicle import Chronicle
from minibit.engine.engine import Engine
from minibit.engine.journal import Journal
from minibit.eventlog.writing import Scribe
from minibit.events.entries import Header, Kind
from minibit.torrent.metainfo import Metainfo

SAMPLE_SECONDS: Final = 1.0


class Recording:
    """Records what `peer` sees to `path`; nothing at all if that is None.

    Begin with `begin`, once the engine that was given `journal` stands; within `async with`, it is sampled
    every second, and the way in which that block is left is the log's last word.
    """

    def __init__(
        self,
        path: Path | None,
        peer: str,
        metainfo: Metainfo,
        *,
        seed: int | None,
        settings: Mapping[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self._engine: Engine | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._scribe: Scribe | None = None
        self._chronicle: Chronicle | None = None
        if path is not None:
            layout = metainfo.layout
            header = Header(
                kind=Kind.LIVE,
                version=__version__,
                start=time.time(),
                share=metainfo.name,
                total_size=layout.total_size,
                block_size=layout.block_size,
                info_hash=metainfo.info_hash.hex(),
                seed=seed,
                settings=dict(settings),
            )
            self._scribe = Scribe(path, header, tell=tell)
            self._chronicle = Chronicle(peer, self._scribe.write, start=self._loop.time())

    @property
    def journal(self) -> Journal | None:
        """What the engine is to be given as its journal."""
        return self._chronicle

    def begin(self, engine: Engine, address: str, granted: int, *, origin: bool = False) -> None:
        """This engine begins to trade, at this address, with these blocks dealt to it."""
        if self._chronicle is not None:
            self._chronicle.joined(engine, address, granted, self._loop.time(), origin=origin)

    async def __aenter__(self) -> Self:
        if self._chronicle is not None and self._scribe is not None:
            self._scribe.start()
            self._sampling = asyncio.create_task(self._sample(self._chronicle))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._chronicle is None or self._scribe is None or self._sampling is None:
            return
        self._sampling.cancel()
        self._chronicle.sample(self._loop.time())
        if error is None or isinstance(error, asyncio.CancelledError):
            self._chronicle.left("goodbye", "", self._loop.time())
        else:
            self._chronicle.left("ended", str(error), self._loop.time())
        # Cancelled again, we leave the rest to the thread, for which the process waits.
        await asyncio.shield(asyncio.to_thread(self._scribe.close))

    async def _sample(self, chronicle: Chronicle) -> None:
        while True:
            chronicle.sample(self._loop.time())
            await asyncio.sleep(SAMPLE_SECONDS)
