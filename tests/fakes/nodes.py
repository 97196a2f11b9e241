"""Nodes that run on real sockets and a real disk, each with what it announced and what happened to it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from minibit import bitfield, registry
from minibit.address import PeerAddress
from minibit.disk.resume import inspect
from minibit.disk.share import Share, from_path
from minibit.disk.storage import Storage
from minibit.engine.engine import Engine
from minibit.engine.greeting import Identity
from minibit.errors import StorageError, UsageError
from minibit.net.listener import listen
from minibit.net.node import Node
from minibit.torrent.metainfo import Metainfo

PATIENCE = 20.0
BLOCK = 32768

T = TypeVar("T")


def shared(tmp_path: Path) -> Share:
    """A folder of two files whose border lies inside a block."""
    folder = tmp_path / "source" / "collection"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(Random(1).randbytes(5 * BLOCK + 77))
    (folder / "two").write_bytes(Random(2).randbytes(3 * BLOCK + 5))
    return from_path(folder, block_size=BLOCK)


class Running:
    """A node that runs: where it listens, what it announced, what happened to it.

    A `seed` has every block; who does not know the share (`known`) is told by `node.begin`.
    """

    def __init__(
        self,
        name: str,
        metainfo: Metainfo,
        folder: Path,
        *,
        seed: bool,
        known: bool = True,
        picking: Any = None,
        upload_limit: float = 0.0,
    ) -> None:
        self.listener = listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.peer_id = f"-MB0000-{name:.<12}".encode()
        self.storage = Storage(metainfo, folder, writable=not seed)
        self.announced: list[str] = []
        self.events: list[str] = []
        if not seed:
            found = inspect(self.storage, metainfo, lambda *_: None, lambda: False, overwrite=False)
            self.storage.prepare(found.whole, found.ours)
        engine = Engine(
            Identity(name, self.peer_id, self.port),
            metainfo.info_hash,
            metainfo.layout if known else None,
            have=bitfield.full(metainfo.layout.block_count) if seed else 0,
            picking=picking or registry.picking("rarest-first"),
            choking=registry.choking("tit-for-tat"),
            rng=Random(5),
            now=asyncio.get_running_loop().time(),
            upload_limit=upload_limit,
        )
        self.node = Node(
            engine,
            self.listener,
            metainfo=metainfo if known else None,
            storage=self.storage if known else None,
            on_announce=self.announced.append,
            on_event=self.events.append,
        )
        self.task = asyncio.create_task(self.node.run())

    @property
    def address(self) -> PeerAddress:
        return PeerAddress("", "127.0.0.1", self.port, self.peer_id)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, StorageError, UsageError, AttributeError):
            await self.task
        self.listener.close()  # should `run` never have begun
        self.storage.close()


@asynccontextmanager
async def running(*arguments: Any, **options: Any) -> Any:
    one = Running(*arguments, **options)
    try:
        yield one
    finally:
        await one.stop()


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


async def cut_short(held: AbstractAsyncContextManager[object], turns: int) -> None:
    """Hold this, and be cancelled after so many turns of the loop."""

    async def hold() -> None:
        async with held:
            await asyncio.sleep(60)

    task = asyncio.ensure_future(hold())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(look: Callable[[], Any]) -> None:
    """`look()` became true; the test's own time limit ends this if it never does."""
    while not look():
        await asyncio.sleep(0.01)
