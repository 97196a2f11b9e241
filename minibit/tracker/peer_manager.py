"""Who is active: every peer that the tracker has heard of lately, by name and by wire id.

It knows nothing of blocks (`block_distributor`) nor of requests and replies. Every operation is O(1), or
O(answer): peers stand in the order in which they were last heard of, so that expiry looks at the oldest
only, and in a list without any order, so that drawing some at random is cutting a slice. `now` is seconds
on a clock that only grows: a corrected wall clock ends no peer. A `source` or `remote` is a canonical IP
literal.
"""

import hashlib
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from minibit.address import Address, PeerAddress, is_loopback
from minibit.dialects.announce import Announce
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures
from minibit.wire.clients import client_of

LIFETIME: Final = 60.0  # DESIGN: a peer unheard of for 60 s is inactive
FOREIGN_LIFETIME: Final = 660.0  # libtorrent announces every 300 s at most: two of these and a minute
MAX_ACTIVE: Final = 10_000  # peers at once; at 2,048 blocks they cost about 20 MB, and a full listing 100 MB
MAX_ACTIVE_PER_SOURCE: Final = 200  # from one address, behind which a school may stand
MAX_ACTIVE_FROM_HERE: Final = 500  # from this machine, where a whole swarm may live
MET_SHARE: Final = 0.75  # of a list: the rest is for peers that nobody has seen yet, who may be real too


@dataclass(slots=True)
class PeerRecord:
    """One active peer. `figures` is None until it reports some; `foreign`: it came by an announce.

    `source` is the socket address that said where it is, which `ip` need not be; `timestamp` is when it was
    last heard of. `announced`: what a foreign one said last. `met`: a process with its wire id was seen to
    connect, so it is more than a registration. `address` follows from the rest: many are told of it.
    """

    name: str
    ip: str
    port: int
    bt_id: bytes | None = None
    figures: Figures | None = None
    origin: bool = False
    foreign: bool = False
    source: str = ""
    timestamp: float = 0.0
    met: bool = False
    announced: Announce | None = None
    place: int = field(default=-1, repr=False)  # in the manager's list
    address: PeerAddress = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.locate(self.ip, self.port, self.bt_id)

    def locate(self, ip: str, port: int, bt_id: bytes | None) -> None:
        """From now on it is there, under that id. Only its manager, which has indexes, says so."""
        self.ip, self.port, self.bt_id = ip, port, bt_id
        self.address = PeerAddress(self.name, ip, port, bt_id, self.origin)

    @property
    def key(self) -> str | bytes:
        """What the peer's blocks and grant are filed under: a name lasts longer than a process's id."""
        return self.bt_id if self.foreign and self.bt_id is not None else self.name

    def obeys(self, remote: str) -> bool:
        """Whether a request from the socket address `remote` may speak for this peer.

        Names and wire ids are public in every list: only its own machine speaks for a peer, and this one.
        """
        return remote in (self.ip, self.source) or is_loopback(remote)

    def guard(self, remote: str) -> None:
        """Lets nothing pass that this peer does not obey.

        Raises:
            RequestError: `remote` does not speak for it (403).
        """
        if not self.obeys(remote):
            raise RequestError(
                f"{self.name} is active at another address: only its own machine may move or end it; "
                "choose another name, or wait a minute if that peer is gone",
                status=403,
            )


class PeerManager:
    """The active peers. `len` counts all but the origin, which never expires and is never refused.

    Invariant: every record stands in the name index, in the id index exactly when it has a `bt_id`, and,
    unless it is the origin, in one draw list, in one queue of expiry and in its source's count. No two
    foreign ones listen at one address.
    """

    def __init__(self, limit: int = MAX_ACTIVE) -> None:
        self._limit = limit
        self._by_name: dict[str, PeerRecord] = {}
        self._by_id: dict[bytes, PeerRecord] = {}
        self._foreign_at: dict[Address, PeerRecord] = {}
        self._drawable: dict[bool, list[PeerRecord]] = {True: [], False: []}  # by `met`
        self._from: Counter[str] = Counter()
        self._heard: dict[bool, OrderedDict[str, PeerRecord]] = {False: OrderedDict(), True: OrderedDict()}
        self._lasting = 0.0  # until then nobody can have been silent for his lifetime
        self.origin: PeerRecord | None = None

    def __len__(self) -> int:
        return len(self._drawable[True]) + len(self._drawable[False])

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
        if record.bt_id is not None:
            self._by_id[record.bt_id] = record
        if record.foreign:
            self._foreign_at[record.ip, record.port] = record
        self.heard(record, now)

    def heard(self, record: PeerRecord, now: float) -> None:
        """`record` gave a sign of life."""
        record.timestamp = now
        if not record.origin:
            queue = self._heard[record.foreign]
            queue[record.name] = record
            queue.move_to_end(record.name)

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
            record.locate(ip, port, record.bt_id)

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
        if now < self._lasting:
            return gone
        self._lasting = now + LIFETIME  # of whoever comes next
        for foreign, lifetime in ((False, LIFETIME), (True, FOREIGN_LIFETIME)):
            queue = self._heard[foreign]
            while queue:
                oldest = next(iter(queue.values()))
                if now - oldest.timestamp < lifetime:
                    self._lasting = min(self._lasting, oldest.timestamp + lifetime)
                    break
                self.remove(oldest)
                gone.append(oldest)
        return gone

    def draw(self, count: int, rng: Random, asker: PeerRecord | None = None) -> list[PeerRecord]:
        """Up to `count` peers at random, `asker` left out; the origin is always among them.

        Those that were met come first. They have `MET_SHARE` of the places at least, and all that the
        others do not fill: invented peers are many, and whoever is new has yet to be met.
        """
        origin = [self.origin] if self.origin is not None and self.origin is not asker and count else []
        room = count - len(origin)
        if asker is not None and not asker.origin:
            self._shuffle_in(asker, rng)
        met, others = self._slice(True, room, rng, asker), self._slice(False, room, rng, asker)
        if len(met) + len(others) <= room:
            return origin + met + others
        kept = min(len(met), max(room - len(others), math.ceil(MET_SHARE * room)))
        return origin + met[:kept] + others[: room - kept]

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

    def _shuffle_in(self, record: PeerRecord, rng: Random) -> None:
        """Changes places with one drawn by lot. Newcomers stand last and then ask, so the order is as random
        as shuffling makes it (Fisher and Yates), and every later request stirs it."""
        known = self._drawable[record.met]
        place = int(rng.random() * len(known))
        other = known[place]
        known[record.place], other.place = other, record.place
        known[place], record.place = record, place

    def _slice(self, met: bool, count: int, rng: Random, asker: PeerRecord | None) -> list[PeerRecord]:
        """Up to `count` of a list without order from a place by lot on, as if its end met its beginning."""
        known = self._drawable[met]
        if not known or count <= 0:
            return []
        start = int(rng.random() * len(known))
        drawn = known[start : start + count + 1]
        if len(drawn) <= count:
            drawn += known[: min(start, count + 1 - len(drawn))]
        if asker is not None and asker.met == met and not asker.origin:
            at = (asker.place - start) % len(known)
            if at < len(drawn):
                del drawn[at]
        del drawn[count:]
        return drawn

    def _place(self, record: PeerRecord) -> None:
        known = self._drawable[record.met]
        record.place = len(known)
        known.append(record)

    def _displace(self, record: PeerRecord) -> None:
        known = self._drawable[record.met]
        last = known.pop()
        if last is not record:
            known[record.place] = last
            last.place = record.place

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
