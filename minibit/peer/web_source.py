"""A share's bytes from one HTTP server (BEP 19): the ranges of files that lie under a range of the share."""

from collections.abc import Iterator

import requests

from minibit.disk.spans import Spans
from minibit.errors import TrackerUnreachableError
from minibit.peer.web_rules import Rule
from minibit.peer.web_session import GuardedSession
from minibit.torrent.layout import CHUNK_SIZE
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.web_paths import address_of


class WebSource:
    """The web seed `url`, for one thread; only `abort` may be called in another."""

    def __init__(self, url: str, share: Metainfo, rule: Rule) -> None:
        self._url = url
        self._share = share
        self._spans = Spans(share)
        self._session = GuardedSession(rule)
        # A server is asked for one range after another, and to connect again each time costs a round trip.
        self._session.headers["Connection"] = "keep-alive"

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """These bytes, in pieces as they come; padding is known without asking.

        Raises:
            TrackerUnreachableError: the server does not answer, or not with these bytes.
            UsageError: it may not be called.
        """
        for index, at, size in self._spans.under(offset, length):
            if index is None:
                yield bytes(size)
            else:
                yield from self._file(index, at, size)

    def _file(self, index: int, at: int, size: int) -> Iterator[bytes]:
        entry = self._share.files[index]
        # The same for all of a file: some servers send their files without regard to ranges.
        asked = f"bytes={at}-{at + size - 1}"
        with self._session.reached(address_of(self._url, self._share, entry), {"Range": asked}) as response:
            fault = _fault(response, at, size, entry.length)
            if fault:
                raise TrackerUnreachableError(fault)
            left = size
            for piece in response.iter_content(CHUNK_SIZE):
                yield piece[:left]
                left -= min(left, len(piece))
                if not left:
                    break  # whatever else it sends is not read
            if left:
                raise TrackerUnreachableError(f"its answer broke off {left} bytes before the end")

    def abort(self) -> None:
        self._session.abort()

    def close(self) -> None:
        self._session.close()


def _fault(response: requests.Response, at: int, size: int, length: int) -> str:
    """Why these are not the bytes that were asked for; "" if they are."""
    status, headers = response.status_code, response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        return "it sends compressed what was not to be"
    if status == requests.codes.partial:
        said = headers.get("Content-Range", "")
        return "" if said == f"bytes {at}-{at + size - 1}/{length}" else "it sends another range or file"
    if status == requests.codes.ok:
        whole = size == length and headers.get("Content-Length") == str(length)
        return "" if whole else "it does not send ranges of files"
    return f"it answered {status}"
