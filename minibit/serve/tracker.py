"""A share's swarm for many threads: behind a lock, on a real clock, told which address this machine has.

What is decided is decided by the `Swarm`; nothing slow happens under the lock: the system may be asked there
which address of ours leads to a client, which sends nothing. The `Swarm` counts time on a clock that only
grows; what others are told is Unix time.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from random import Random
from threading import BoundedSemaphore, Lock
from types import MappingProxyType, TracebackType
from typing import Final

from msgspec.structs import replace

from minibit.address import KNOWN, Address, PeerAddress, is_loopback
from minibit.dialects.announce import Announce, AnnounceReply, Counts
from minibit.dialects.json_replies import ConflictError, DoubtError, Farewell, Listing, PeerEntry, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, SwarmStatus
from minibit.torrent.metainfo import Metainfo
from minibit.tracker.notices import Notice
from minibit.tracker.peer_manager import Seen
from minibit.tracker.swarm import Swarm

ASK_SECONDS: Final = 2.0  # to reach a silent peer whose name somebody else wants
MAX_ASKED: Final = 2  # at once; whoever is one too many is refused, and asks again
ROUTE_SECONDS: Final = 10.0  # that this machine's address towards somebody is taken for what it was
MAX_DRIFT: Final = 1.0  # seconds between Unix time and the swarm's clock that nobody is told of


def growing_clock() -> Callable[[], float]:
    """A clock that starts as Unix time and only grows, whatever becomes of the machine's clock meanwhile.

    It falls behind while the machine sleeps.
    """
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


def own_address_towards(ip: str) -> str | None:
    """This machine's address as `ip` would reach it, or None; connecting UDP sends no packet."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def answers(address: Address) -> bool:
    """Whether somebody takes a TCP connection there; nothing is sent. Blocks for `ASK_SECONDS` at most."""
    try:
        with socket.create_connection(address, ASK_SECONDS):
            return True
    except OSError:
        return False


@lru_cache(KNOWN)
def _moved(peer: PeerAddress, ip: str) -> PeerAddress:
    """`peer` at `ip`: mostly the origin, which everybody is told of."""
    return replace(peer, ip=ip)


class Turn:
    """Holds the lock and gives the time; passes the notices on, even if the call was refused."""

    def __init__(self, swarm: Swarm, clock: Callable[[], float], notify: Callable[[Notice], None]) -> None:
        self._swarm = swarm
        self._clock = clock
        self._notify = notify
        self._lock = Lock()

    def __enter__(self) -> float:
        self._lock.acquire()
        return self._clock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for notice in self._swarm.take_notices():
                self._notify(notice)
        finally:
            self._lock.release()


class Tracker:
    """The swarm of `metainfo`. Every method may be called from any thread, and does what `Swarm`'s does.

    Each takes a `turn`, but for `announced` and `scraped`: whoever calls them has it.

    Args:
        notify: told what the origin has to hear of, in the order of events and inside the lock: it must
            neither block nor call back.
        clock: seconds that only grow.
        unix: Unix time, which may be set forward and back.
        own_address: this machine's address as another one reaches it, None if it cannot be told.
        answers: whether somebody is still at an address; it may block a moment.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        *,
        rng: Random,
        grant: tuple[float, float] = (0.3, 0.5),
        notify: Callable[[Notice], None] = lambda _: None,
        clock: Callable[[], float] | None = None,
        unix: Callable[[], float] = time.time,
        own_address: Callable[[str], str | None] = own_address_towards,
        answers: Callable[[Address], bool] = answers,
    ) -> None:
        self.metainfo = metainfo
        self._info_hash = metainfo.info_hash
        self._clock = clock or growing_clock()
        self._unix = unix
        # Everybody asks, and each time it is a socket; routes change seldom.
        self._own_address = lru_cache(KNOWN)(lambda remote, _: own_address(remote))
        self._answers = answers
        self._six = False  # whether the origin's address is of IPv6
        self._asking = BoundedSemaphore(MAX_ASKED)
        self._swarm = Swarm(
            metainfo.name, metainfo.info_hash, metainfo.layout, rng=rng, now=self._clock(), grant=grant
        )
        self.turn = Turn(self._swarm, self._clock, notify)

    def register(self, registration: Registration, remote: str) -> Welcome:
        try:
            try:
                with self.turn as now:
                    welcome = self._swarm.register(registration, remote, now)
            except DoubtError as doubt:
                if not self._deserted(doubt.at):
                    raise
                with self.turn as now:
                    welcome = self._swarm.register(registration, remote, now, absent=doubt.at)
        except ConflictError as error:
            (error.peer,) = self._told(remote, (error.peer,))
            raise
        return replace(welcome, entries=self._told(remote, welcome.entries))

    def list_peers(self, query: ListingQuery, heartbeat: Heartbeat, remote: str) -> Listing:
        with self.turn as now:
            listing = self._swarm.list_peers(query.name, heartbeat, now, numwant=query.numwant, remote=remote)
        return replace(listing, entries=self._told(remote, listing.entries))

    def disconnect(self, goodbye: Goodbye, remote: str) -> Farewell:
        with self.turn as now:
            return self._swarm.disconnect(goodbye, remote, now)

    def announce(self, announce: Announce, remote: str, *, packed: bool = False) -> AnnounceReply:
        """As `Swarm`'s; another share's announce is refused with a `RequestError` too."""
        with self.turn as now:
            return self.announced(announce, remote, now, packed=packed)

    def announced(self, announce: Announce, remote: str, now: float, *, packed: bool) -> AnnounceReply:
        """As `announce`, for whoever has the `turn`, and asks more than once in it; `now` is what it gave."""
        if announce.info_hash != self._info_hash:
            raise RequestError("this tracker does not share that torrent: get the one it shares at /torrent")
        seen = None if self._as_it_stands(remote) else self._seen_from(remote)
        return self._swarm.announce(announce, remote, now, packed=packed, seen=seen)

    def scrape(self, info_hashes: Sequence[bytes]) -> dict[bytes, Counts]:
        """Counts for those of `info_hashes` that are shared here; for every share if none is named."""
        with self.turn as now:
            return self.scraped(info_hashes, now)

    def scraped(self, info_hashes: Sequence[bytes], now: float) -> dict[bytes, Counts]:
        """As `scrape`, for whoever has the `turn`."""
        if info_hashes and self._info_hash not in info_hashes:
            return {}
        return {self._info_hash: self._swarm.counts(now)}

    def status(self) -> SwarmStatus:
        with self.turn as now:
            status = self._swarm.status(now)
        if not (drift := self._drift()):
            return status
        return replace(
            status, rows=tuple(replace(row, timestamp=row.timestamp + drift) for row in status.rows)
        )

    def report_origin(
        self,
        address: Address,
        blocks: int,
        figures: Figures,
        bt_id: bytes,
        *,
        met: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        self._six = ":" in address[0]
        with self.turn as now:
            self._swarm.report_origin(address, blocks, figures, bt_id, now, met=met)

    def needy(self) -> tuple[PeerAddress, ...]:
        with self.turn as now:
            return self._swarm.needy(now)

    def _deserted(self, address: Address) -> bool:
        """Whether nobody answers there; called outside the lock. Not said while too many are asked."""
        if not self._asking.acquire(blocking=False):
            return False
        try:
            return not self._answers(address)
        finally:
            self._asking.release()

    def _drift(self) -> float:
        """How far Unix time is ahead of the swarm's clock; 0 for what makes no difference."""
        drift = self._unix() - self._clock()
        return drift if abs(drift) > MAX_DRIFT else 0.0

    def _told(self, remote: str, entries: tuple[PeerEntry, ...]) -> tuple[PeerEntry, ...]:
        """`entries` with addresses that `remote` can dial, and with Unix time."""
        drift = self._drift()
        if self._as_it_stands(remote) and not drift:
            return entries  # a full listing is long
        seen = self._seen_from(remote)
        return tuple(
            replace(entry, address=seen(entry.address), timestamp=entry.timestamp + drift)
            for entry in entries
        )

    def _seen_from(self, remote: str) -> Seen:
        """Gives an address that `remote` can dial: "here" means this machine, not the asker's."""
        here, period = is_loopback(remote), int(self._clock() // ROUTE_SECONDS)

        def seen(peer: PeerAddress) -> PeerAddress:
            if not peer.is_nowhere:
                return peer
            if here:
                # Who came over IPv4 came to a host for both families, which is the origin's too.
                return _moved(peer, remote) if peer.origin and ":" in peer.ip else peer
            ip = self._own_address(remote, period)
            return peer if ip is None else _moved(peer, ip)

        return seen

    def _as_it_stands(self, remote: str) -> bool:
        """Whether `remote` can dial every address as it is listed: it is on this machine, as we see it."""
        return is_loopback(remote) and (":" in remote or not self._six)
