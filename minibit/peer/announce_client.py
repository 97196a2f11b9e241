"""One announce to one tracker of any kind, by its URL (BEP 3): out goes an `Announce`, back comes its reply.

A tracker is a stranger, and so is whoever wrote its URL: replies are bounded, and `web` says whom we call.
"""

from random import Random
from typing import Final

from msgspec import Struct

from minibit.address import FIRST_USER_PORT, PeerAddress, is_loopback
from minibit.dialects import http_announce
from minibit.dialects.announce import Announce, AnnounceReply
from minibit.dialects.http_announce import MAX_REPLY, Form
from minibit.dialects.refusal import ReplyError
from minibit.errors import TrackerRefusedError, TrackerUnreachableError
from minibit.peer import udp_tracker
from minibit.peer.web import fetch
from minibit.peer.web_rules import ANNOUNCES

ANNOUNCE_SECONDS: Final = 15.0


class Answer(Struct, frozen=True):
    """A tracker's, which is at `ip`. `peers` are those in it that we dial: a tracker elsewhere does not aim
    us at programs of this machine, nor any tracker at the ports of other services, mail, shells, the web."""

    reply: AnnounceReply
    peers: tuple[PeerAddress, ...]
    ip: str


async def announce(url: str, said: Announce, rng: Random, *, seconds: float = ANNOUNCE_SECONDS) -> Answer:
    """Tell the tracker at `url`, and hear what it says.

    Raises:
        TrackerUnreachableError: no answer, or not a tracker's.
        TrackerRefusedError: the answer was no; the message is the tracker's own.
        UsageError: it may not be called.
    """
    if url.startswith("udp:"):
        reply, ip = await udp_tracker.announce(url, said, rng, seconds=seconds)
        return _answer(reply, ip)
    query = http_announce.encode_announce(said, Form()).decode()
    asked = f"{url}{'&' if '?' in url else '?'}{query}"
    fetched = await fetch(asked, rule=ANNOUNCES, limit=MAX_REPLY, seconds=seconds)
    try:
        reply = http_announce.decode_reply(fetched.body)
    except ReplyError as error:
        if error.refused:
            raise TrackerRefusedError(f"the tracker refused us: {error}") from None
        if fetched.status != 200:
            raise TrackerUnreachableError(f"the tracker failed with {fetched.status}") from None
        raise TrackerUnreachableError(str(error)) from None
    return _answer(reply, fetched.ip)


def _answer(reply: AnnounceReply, ip: str) -> Answer:
    return Answer(reply, tuple(peer for peer in reply.peers if _dialable(peer, ip)), ip)


def _dialable(peer: PeerAddress, tracker: str) -> bool:
    here = is_loopback(peer.ip) and is_loopback(tracker)
    return peer.port >= FIRST_USER_PORT and (here or not peer.is_nowhere)
