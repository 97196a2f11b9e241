"""The share over HTTP, for whoever asks (BEP 19): ranges of its files, read off the loop, part by part.

A path is looked up among those of the share, so none leads anywhere else. So many downloads at a time, each
with one part in memory; where the origin's upload is limited, they take half of that together, so that the
origin's neighbours are not starved by those who give nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from minibit.dialects.byte_ranges import content_range, decode_range
from minibit.dialects.refusal import RequestError
from minibit.disk.storage import Storage
from minibit.engine.rates import TokenBucket
from minibit.errors import StorageError
from minibit.serve.exchange import REMEDIES, Reply, Request, refusal
from minibit.torrent.metainfo import FileEntry, Metainfo
from minibit.torrent.web_paths import ROOT

MAX_DOWNLOADS: Final = 32  # at a time…
FROM_ONE: Final = 16  # …and to one address: as many as aria2 makes for one file at most
PART: Final = 256 * 1024  # bytes read at a time, at most…
LEAST_PART: Final = 16 * 1024  # …and at least, however low the limit
READERS: Final = 2  # threads
KIND: Final = "application/octet-stream"
RETRY_SECONDS: Final = 5

_log = logging.getLogger(__name__)


class WebShare:
    """The files of `share` that lie in `storage`.

    Args:
        limit: the origin's upload limit, bytes per second; 0 is none.
        spent: told on the loop of so many bytes that were handed on.
    """

    def __init__(
        self, share: Metainfo, storage: Storage, *, limit: float, spent: Callable[[int], None]
    ) -> None:
        self._share = share
        self._storage = storage
        self._files = {"/".join(entry.path): entry for entry in share.files}
        self._spent = spent
        self._part = min(PART, max(LEAST_PART, int(limit / 8))) if limit else PART
        self._bucket = TokenBucket(limit / 2, 1, 0.0)
        self._turn = asyncio.Lock()  # whose part is next
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="web-seed")
        self._downloads: set[Download] = set()

    def answer(self, request: Request) -> Reply:
        """The answer to a request below `ROOT`; on the loop."""
        entry = self._files.get(request.path.removeprefix(ROOT))
        if request.method not in ("GET", "HEAD"):
            return refusal(405, REMEDIES[405])
        if entry is None:
            return refusal(404, "no such file is shared here: GET /torrent says which are")
        tag = f'"{self._share.info_hash.hex()}-{entry.offset}"'  # the bytes behind an info hash never change
        # A page in the share is no page of the tracker's.
        headers = [("Accept-Ranges", "bytes"), ("ETag", tag), ("Content-Disposition", "attachment")]
        asked = request.headers.get(b"range", b"")
        if request.headers.get(b"if-range", tag.encode()) != tag.encode():
            asked = b""
        try:
            wanted = decode_range(asked, entry.length)
        except RequestError as error:
            said = refusal(error.status, str(error))
            return Reply(
                said.status, said.body, headers=(("Content-Range", content_range(None, entry.length)),)
            )
        if wanted is not None:
            headers.append(("Content-Range", content_range(wanted, entry.length)))
        status, bytes_ = (200, range(entry.length)) if wanted is None else (206, wanted)
        if not bytes_:
            return Reply(status, b"", KIND, tuple(headers))
        from_one = sum(download.remote == request.remote for download in self._downloads)
        if len(self._downloads) >= MAX_DOWNLOADS or from_one >= FROM_ONE:
            said = refusal(503, "too many downloads at a time: try again in a moment")
            return Reply(said.status, said.body, headers=(("Retry-After", str(RETRY_SECONDS)),))
        download = Download(self, entry, bytes_, request.remote)
        self._downloads.add(download)
        return Reply(status, b"", KIND, tuple(headers), download.close, download)

    def part(self, left: int) -> int:
        """How many bytes the next part of a download has, of which so many are left."""
        return min(self._part, left)

    def leave(self, download: "Download") -> None:
        """It is over."""
        self._downloads.discard(download)

    def close(self) -> None:
        """Give nothing more; on the loop."""
        for download in list(self._downloads):
            download.close()
        self._pool.shutdown(cancel_futures=True)

    async def make(self, offset: int, length: int, give: Callable[[bytes], None]) -> None:
        """Have these bytes of the share read when it is their turn, and given; b"" if that cannot be."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            while not self._bucket.ready(now := loop.time()):
                await asyncio.sleep(self._bucket.ready_at(now) - now)
            self._bucket.take(length)
        try:
            data = await loop.run_in_executor(self._pool, self._read, offset, length)
        except StorageError as error:
            _log.error("the web seed cannot go on: %s", error)
            data = b""
        self._spent(len(data))
        give(data)

    def _read(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        self._storage.read_into(memoryview(data), *divmod(offset, self._share.layout.block_size))
        return bytes(data)


class Download:
    """A `Source`: these bytes of one file, for whoever is at `remote`."""

    def __init__(self, share: WebShare, entry: FileEntry, bytes_: range, remote: str) -> None:
        self.remote = remote
        self.length = len(bytes_)
        self._share = share
        self._at = entry.offset + bytes_.start
        self._left = self.length
        self._making: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Nobody waits for it any more."""
        if self._making is not None:
            self._making.cancel()
        self._share.leave(self)

    def next(self, give: Callable[[bytes], None]) -> None:
        size = self._share.part(self._left)
        self._making = asyncio.get_running_loop().create_task(self._share.make(self._at, size, give))
        self._at += size
        self._left -= size
