"""What is at an address on the web that a stranger wrote, fetched with bounds."""

from msgspec import Struct

from minibit.peer.calls import PART, Calls, bounded
from minibit.peer.web_rules import Rule, shown


class Fetched(Struct, frozen=True):
    """What came, whatever its status; `ip` is who answered in the end."""

    status: int
    body: bytes
    ip: str


async def fetch(url: str, *, rule: Rule, limit: int, seconds: float) -> Fetched:
    """What is at `url`, at most `limit` bytes, within so many seconds; redirections are followed a few times.

    Raises:
        TrackerUnreachableError: nobody answers, or not within these bounds.
        UsageError: it, or where it redirects to, may not be called.
    """
    calls = Calls(shown(url))
    try:
        return await calls.within(seconds, lambda: _whole(url, rule, limit, seconds))
    finally:
        calls.close()


def _whole(url: str, rule: Rule, limit: int, seconds: float) -> Fetched:
    # Here, in the thread: to read that library takes a tenth of a second, and most peers never need it.
    from minibit.peer.web_session import GuardedSession

    with GuardedSession(rule) as session, session.reached(url) as response:
        encoding = response.headers.get("Content-Encoding")
        body = bounded(response.iter_content(PART), encoding, limit, seconds)
        return Fetched(response.status_code, body, session.ip)
