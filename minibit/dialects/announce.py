"""What BitTorrent clients say to a tracker, and what it answers, over HTTP and UDP alike.

Rules: BEP 3 (*tracker requests*), BEP 23 and BEP 7 (compact peers), BEP 48 (counts). These are the values
only: how a request is written is the matter of a dialect's own module.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from minibit.address import PeerAddress

DEFAULT_NUMWANT: Final = 50
MAX_NUMWANT: Final = 200  # what common trackers allow: 200 compact peers are 1.2 KB
MAX_COUNTER: Final = 1 << 62  # bytes that a client may claim; `snapshot` reads no larger number
MAX_REASON: Final = 300  # characters read of a failure's reason
SHORTEST_INTERVAL: Final = 30  # seconds; no tracker makes us announce in a tight loop…
LONGEST_INTERVAL: Final = 2 * 60 * 60  # …nor be silent until it forgets us


class Event(StrEnum):
    """BEP 3's `event`; NONE is one of the announces made at intervals."""

    NONE = ""
    STARTED = "started"
    STOPPED = "stopped"
    COMPLETED = "completed"


class Announce(Struct, frozen=True):
    """One announce. `left` is None when the client does not know it yet; `ip` is a literal that it claims."""

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int = 0
    downloaded: int = 0
    left: int | None = None
    event: Event = Event.NONE
    numwant: int = DEFAULT_NUMWANT
    ip: str | None = None


class AnnounceReply(Struct, frozen=True):
    """The answer to an announce: seconds until the next one, how many seeds and others, some of them.

    `four` and `six` are more of them, IPv4 and IPv6, of whom nothing is told but where they are, as BEP 23
    and BEP 7 pack it: a tracker copies them so from its list. Whoever reads a reply finds all in `peers`.
    """

    interval: int
    complete: int
    incomplete: int
    peers: tuple[PeerAddress, ...]
    four: bytes = b""
    six: bytes = b""


class Counts(Struct, frozen=True):
    """A swarm in three numbers (BEP 48): seeds, downloads completed so far, peers still downloading."""

    complete: int
    downloaded: int
    incomplete: int
