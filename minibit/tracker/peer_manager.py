"""Who is active: every peer that the tracker has heard of lately, by name and by wire id.

It knows nothing of blocks (`block_distributor`) nor of requests and replies. Every operation is O(1), or
O(answer): peers stand in the order in which they were last heard of, so that expiry looks at the oldest
only, and in pools, from which some at random are slices. `now` is seconds on a clock that only grows: a
corrected wall clock ends no peer. A `source` is a canonical IP literal.
"""

import hashlib
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from minibit.address import PACKED_FOUR, PACKED_SIX, Address, PeerAddress, is_loopback
from minibit.dialects.refusal import RequestError
from minibit.tracker.peer_record import PeerRecord
from minibit.tracker.pool import Pool
from minibit.wire.clients import client_of

LIFETIME: Final = 60.0  # DESIGN: a peer unheard of for 60 s is inactive
FOREIGN_LIFETIME: Final = 660.0  # libtorrent announces every 300 s at most: two of these and a minute
MAX_ACTIVE: Final = 10_000  # peers at once; at 2,048 blocks they cost about 20 MB, and a full listing 100 MB
MAX_ACTIVE_PER_SOURCE: Final = 200  # from one address, behind which a school may stand
MAX_ACTIVE_FROM_HERE: Final = 500  # from this machine, where a whole swarm may live
MET_SHARE: Final = 0.75  # of a list: the rest is for peers that nobody has seen yet, who may be real too

Seen = Callable[[PeerAddress], PeerAddress]
"""An address as an asker of another machine has to dial it."""


class PeerManager:
    """The active peers. `len` counts all but the origin, which never expires and is never refused.

    Invariant: every record stands in the name index, in the id index exactly when it has a `bt_id`, and,
    unless it is the origin, in one pool, in one queue of expiry and in its source's count. No two foreign
    ones listen at one address.
    """

    def __init__(self, rng: Random, limit: int = MAX_ACTIVE) -> None:
        self._rng = rng
        self._limit = limit
        self._by_name: dict[str, PeerRecord] = {}
        self._by_id: dict[bytes, PeerRecord] = {}
        self._foreign_at: dict[Address, PeerRecord] = {}
        self._pools = tuple(map(Pool, 2 * (PACKED_FOUR, PACKED_SIX)))  # those that were met, then the others
        self._filled: list[Pool] = []  # those that are not empty: mostly one or two
        self.everyone = 0  # how many are active, the origin too
        self.nowhere = 0  # peers in the pools that another machine cannot dial where they are
        self._from: Counter[str] = Counter()
        self._heard: dict[bool, OrderedDict[str, PeerRecord]] = {False: OrderedDict(), True: OrderedDict()}
        self.lasting = 0.0  # until then nobody can have been silent for his lifetime
        self.origin: PeerRecord | None = None

    def __len__(self) -> int:
        return len(self._by_name) - (self.origin is not None)

    def __iter__(self) -> Iterator[PeerRecord]:
        """The origin first, then as they came."""
        if self.origin is not None:
            yield self.origin
        yield from (record for record in self._by_name.values() if not record.origin)

    def get(self, name: str) -> PeerRecord | None:
        return self._by_name.get(name)

    def by_id(self, bt_id: bytes | None) -> PeerRecord | None:
        return None if bt_id is None else self._by_id.get(bt_id)

    def foreign_at(self, ip: str, port: int) -> PeerRecord | None:
        """The foreign client that listens there."""
        return self._foreign_at.get((ip, port))

    def add(self, record: PeerRecord, now: float) -> None:
        """`record` becomes active; nobody active has its name, its id or, if it is foreign, its address.

        Raises:
            RequestError: as many peers as the limit allows are active, in all or from one address (429).
        """
        if record.origin:
            self.origin = record
        elif len(self) >= self._limit:
            raise RequestError(
                f"{self._limit} peers are active, which is this tracker's limit: try again in a minute, "
                "or start a second tracker",
                status=429,
            )
        else:
            self._check_room(record.source)
            self._from[record.source] += 1
            self._place(record)
        self._by_name[record.name] = record
        self.everyone += 1
        if record.bt_id is not None:
            self._by_id[record.bt_id] = record
        if record.foreign:
            self._foreign_at[record.ip, record.port] = record
        if not record.origin:
            self._heard[record.foreign][record.name] = record
        record.timestamp = now

    def heard(self, record: PeerRecord, now: float) -> None:
        """`record`, which is active, gave a sign of life."""
        record.timestamp = now
        if not record.origin:
            self._heard[record.foreign].move_to_end(record.name)

    def move(self, record: PeerRecord, ip: str, port: int, source: str) -> None:
        """`record` is from now on at `ip` and `port`, as `source` said; no other foreign one is there.

        Raises:
            RequestError: as many peers as may be are active from `source` (429).
        """
        if source != record.source:
            if not record.origin:
                self._check_room(source)
                self._leave(record.source)
                self._from[source] += 1
            record.source = source
        if (ip, port) != (record.ip, record.port):
            if record.foreign:
                del self._foreign_at[record.ip, record.port]
                self._foreign_at[ip, port] = record
            if record.origin:
                record.locate(ip, port, record.bt_id)
                return
            self._displace(record)
            record.locate(ip, port, record.bt_id)
            self._place(record)

    def identify(self, record: PeerRecord, bt_id: bytes | None) -> None:
        """`record` is from now on the process with this wire id, which nobody else active has."""
        if record.bt_id is not None:
            del self._by_id[record.bt_id]
        record.locate(record.ip, record.port, bt_id)
        if bt_id is not None:
            self._by_id[bt_id] = record
        if record.met:
            self._displace(record)
            record.met = False
            self._place(record)

    def meet(self, record: PeerRecord) -> None:
        """A process with the wire id of `record` was seen to connect."""
        if not record.met and not record.origin:
            self._displace(record)
            record.met = True
            self._place(record)

    def remove(self, record: PeerRecord) -> None:
        """`record` is no longer active."""
        if record.bt_id is not None:
            del self._by_id[record.bt_id]
        del self._by_name[record.name]
        self.everyone -= 1
        if record.foreign:
            del self._foreign_at[record.ip, record.port]
        if record.origin:
            self.origin = None
            return
        self._leave(record.source)
        del self._heard[record.foreign][record.name]
        self._displace(record)

    def expire(self, now: float) -> list[PeerRecord]:
        """Removes and returns the peers that have not been heard of for their lifetime."""
        gone: list[PeerRecord] = []
        self.lasting = now + LIFETIME  # of whoever comes next
        for foreign, lifetime in ((False, LIFETIME), (True, FOREIGN_LIFETIME)):
            queue = self._heard[foreign]
            while queue:
                oldest = next(iter(queue.values()))
                if now - oldest.timestamp < lifetime:
                    self.lasting = min(self.lasting, oldest.timestamp + lifetime)
                    break
                self.remove(oldest)
                gone.append(oldest)
        return gone

    def draw(self, count: int, asker: PeerRecord | None = None) -> list[PeerRecord]:
        """Up to `count` peers at random, `asker` left out; the origin is always among them.

        Those that were met come first. They have `MET_SHARE` of the places at least, and all that the
        others do not fill: invented peers are many, and whoever is new has yet to be met.
        """
        drawn = [self.origin] if self.origin is not None and self.origin is not asker and count else []
        for pool, room in self._rooms(count - len(drawn), asker):
            drawn += pool.draw(room, self._rng, asker)
        return drawn

    def draw_packed(
        self, count: int, asker: PeerRecord | None = None, *, seen: Seen | None = None
    ) -> tuple[bytes, bytes]:
        """The addresses of up to `count` peers as `draw` has them, IPv4 and IPv6.

        Only the origin's is told as it is `seen`; nobody else's may need it.
        """
        four = six = b""
        if self.origin is not None and self.origin is not asker and count > 0:
            count -= 1
            address = self.origin.address if seen is None else seen(self.origin.address)
            if len(address.packed) == PACKED_FOUR:
                four = address.packed
            else:
                six = address.packed
        rooms = ((self._filled[0], count),) if len(self._filled) == 1 else self._rooms(count, asker)
        for pool, room in rooms:
            if pool.size == PACKED_FOUR:
                four += pool.draw_packed(room, self._rng, asker)
            else:
                six += pool.draw_packed(room, self._rng, asker)
        return four, six

    def name_for(self, peer_id: bytes) -> str:
        """A name that nobody active has: the client's kind, and as much of a digest as that takes.

        Raises:
            RequestError: peers took every such name (409).
        """
        kind = client_of(peer_id) or "client"
        digest = hashlib.sha1(peer_id).hexdigest()
        for length in range(4, 25, 4):
            if (name := f"{kind} {digest[:length]}") not in self._by_name:
                return name
        raise RequestError("every name for that peer_id is taken: restart your client", status=409)

    def _rooms(self, count: int, asker: PeerRecord | None) -> Iterable[tuple[Pool, int]]:
        """Which pools have peers, and up to how many of each make `count` without `asker`."""
        own = None if asker is None else asker.pool
        met_four, met_six, four, six = [len(pool.records) - (pool is own) for pool in self._pools]
        met, others = met_four + met_six, four + six
        if met + others > count:
            met = met and min(met, max(count - others, math.ceil(MET_SHARE * count)))
            others = count - met
        met_six = met_six and self._of_six(met, met_four, met_six)
        six = six and self._of_six(others, four, six)
        return zip(self._pools, (met - met_six, met_six, others - six, six), strict=True)

    def _of_six(self, count: int, four: int, six: int) -> int:
        """How many of `count` are IPv6, where so many are: their part, rounded by lot."""
        share = int(count * six / (four + six) + self._rng.random())
        return min(max(share, count - four), six)

    def _place(self, record: PeerRecord) -> None:
        self._pool(record).add(record, self._rng)
        self.nowhere += record.address.is_nowhere
        self._filled = [pool for pool in self._pools if pool.records]

    def _displace(self, record: PeerRecord) -> None:
        self._pool(record).remove(record)
        self.nowhere -= record.address.is_nowhere
        self._filled = [pool for pool in self._pools if pool.records]

    def _pool(self, record: PeerRecord) -> Pool:
        return self._pools[(0 if record.met else 2) + (":" in record.ip)]

    def _check_room(self, source: str) -> None:
        limit = MAX_ACTIVE_FROM_HERE if is_loopback(source) else MAX_ACTIVE_PER_SOURCE
        if self._from[source] >= limit:
            raise RequestError(
                f"{limit} peers from your address are active: stop some, or try again in a minute",
                status=429,
            )

    def _leave(self, source: str) -> None:
        self._from[source] -= 1
        if not self._from[source]:
            del self._from[source]
