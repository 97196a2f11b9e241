"""BitTorrent's side of the tracker over HTTP: `/announce` and `/scrape`, a query in and bencode out.

Contract: DESIGN's *tracker, BitTorrent side*. A refusal is a BEP 3 *failure reason*, whatever its status.
"""

import logging
from typing import Final

from minibit.address import ip_literal
from minibit.dialects import http_announce
from minibit.dialects.refusal import RequestError
from minibit.serve.exchange import Reply, Request
from minibit.serve.tracker import Tracker

PATHS: Final = ("/announce", "/scrape")
_BROWSERS: Final = frozenset((b"referer", b"sec-fetch-dest"))  # only a page, or a link in one, has these said

_log = logging.getLogger(__name__)


def failure(message: str, status: int = 200) -> Reply:
    """`message` as clients show it; most of them look for it in a 200 only."""
    return Reply(status, http_announce.encode_failure(message), "text/plain", lasting=status == 200)


def answer(tracker: Tracker, request: Request) -> Reply:
    """The answer to a GET of one of `PATHS`; it takes no longer than the tracker's lock."""
    if not _BROWSERS.isdisjoint(request.headers):
        return failure("a browser announces nothing: use a BitTorrent client", 403)
    try:
        if request.path == "/scrape":
            counts = tracker.scrape(http_announce.decode_scrape(request.query))
            return _told(http_announce.encode_counts(counts))
        remote = ip_literal(request.remote)
        if remote is None:
            raise RequestError("the tracker cannot see which address this request comes from")
        announce, form = http_announce.decode_announce(request.query)
        reply = tracker.announce(announce, remote, packed=form.compact)
    except RequestError as error:
        return failure(str(error))
    except Exception:
        _log.exception("%s failed", request.path)
        return failure("the tracker failed to answer this: its log says why; please report it", 500)
    return _told(http_announce.encode_reply(reply, form))


def _told(body: bytes) -> Reply:
    return Reply(200, body, "text/plain", lasting=True)
