"""The log of one live engine, from its first moment to its last: an async context around its trade.

With or without a file, what it did of late is remembered, and `minibit why` may ask for it.
"""

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
from minibit.eventlog.interview import Interview, meeting_place
from minibit.eventlog.writing import Scribe
from minibit.events.entries import Entry, Header, Kind
from minibit.inquiry.recollection import Recollection
from minibit.torrent.metainfo import Metainfo

SAMPLE_SECONDS: Final = 1.0


class Recording:
    """Remembers what `peer` sees, and records it to `path` if that is not None.

    Begin with `begin`, once the engine that was given `journal` stands; within `async with`, it is sampled
    every second and can be asked, and the way in which that block is left is the log's last word.
    """

    def __init__(
        self,
        path: Path | None,
        peer: str,
        *,
        seed: int | None,
        settings: Mapping[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self._path = path
        self._tell = tell
        self._sampling: asyncio.Task[None] | None = None
        self._interview: Interview | None = None
        self._loop = asyncio.get_running_loop()
        self._start = time.time()
        self._seed = seed
        self._settings = dict(settings)
        self._header: Header | None = None
        self._scribe: Scribe | None = None
        self.recollection = Recollection()
        self._chronicle = Chronicle(peer, self._hear, start=self._loop.time())

    @property
    def journal(self) -> Journal:
        """What the engine is to be given as its journal."""
        return self._chronicle

    @property
    def elapsed(self) -> float:
        """Seconds since the start, as events have them."""
        return self._loop.time() - self._chronicle.start

    def begin(
        self,
        engine: Engine,
        metainfo: Metainfo,
        address: str,
        granted: int,
        *,
        origin: bool = False,
        have: int | None = None,
    ) -> None:
        """This engine begins to trade this share, at this address, with these blocks dealt to it; `have` is
        what it holds if it is still to learn that."""
        layout = metainfo.layout
        header = self._header = Header(
            kind=Kind.LIVE,
            version=__version__,
            start=self._start,
            share=metainfo.name,
            total_size=layout.total_size,
            block_size=layout.block_size,
            info_hash=metainfo.info_hash.hex(),
            seed=self._seed,
            settings=self._settings,
        )
        if self._path is not None:
            self._scribe = Scribe(self._path, header, tell=self._tell)
        self._chronicle.joined(engine, address, granted, self._loop.time(), origin=origin, have=have)
        place = meeting_place(header.info_hash, engine.identity.port)
        self._interview = Interview(place, self._recall, tell=self._tell)

    async def __aenter__(self) -> Self:
        assert self._interview is not None, "what is recorded has begun"
        if self._scribe is not None:
            self._scribe.start()
        try:
            await self._interview.__aenter__()
        except BaseException as error:  # cancelled, say: what has begun is ended all the same
            await self.__aexit__(type(error), error, None)
            raise
        self._sampling = asyncio.create_task(self._sample())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
        if self._interview is not None:
            await self._interview.__aexit__(kind, error, trace)
        now = self._loop.time()
        self._chronicle.sample(now)
        if error is None or isinstance(error, asyncio.CancelledError):
            self._chronicle.left("goodbye", "", now)
        else:
            self._chronicle.left("ended", str(error), now)
        if self._scribe is not None:
            # Cancelled again, we leave the rest to the thread, for which the process waits.
            await asyncio.shield(asyncio.to_thread(self._scribe.close))

    def _hear(self, entry: Entry) -> None:
        self.recollection.hear(entry)
        if self._scribe is not None:
            self._scribe.write(entry)

    def _recall(self) -> str:
        self._chronicle.sample(self._loop.time())
        assert self._header is not None
        entries = (entry.encode() for entry in self.recollection.entries())
        return "".join((self._header.encode(), *entries))

    async def _sample(self) -> None:
        while True:
            self._chronicle.sample(self._loop.time())
            await asyncio.sleep(SAMPLE_SECONDS)
