"""Who is active: every peer that the tracker has heard of lately, by name and by wire id.

It knows nothing of blocks (`block_distributor`) nor of requests and replies. Every operation is O(1), or
O(answer): peers stand in the order in which they were last heard of, so that expiry looks at the oldest
only, and in a list, so that drawing some at random does not walk over all. `now` is Unix time.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from minibit.registration import PeerAddress, RequestError
from minibit.snapshot import Figures

LIFETIME: Final = 60.0  # DESIGN: a peer unheard of for 60 s is inactive
FOREIGN_LIFETIME: Final = 660.0  # libtorrent announces every 300 s at most: two of these and a minute
MAX_PEERS: Final = 5000  # active at once; at 2,048 blocks they cost about 10 MB, and a full listing 50 MB


@dataclass(slots=True)
class PeerRecord:
    """One active peer. `figures` is None until it reports some; `foreign`: it came by an announce."""

    name: str
    ip: str
    port: int
    bt_id: bytes | None = None
    figures: Figures | None = None
    origin: bool = False
    foreign: bool = False
    timestamp: float = 0.0
    place: int = field(default=-1, repr=False)  # in the manager's list

    @property
    def key(self) -> str | bytes:
        """What the peer's blocks and grant are filed under: a name lasts longer than a process's id."""
        return self.bt_id if self.foreign and self.bt_id is not None else self.name

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(self.name, self.ip, self.port, self.bt_id, self.origin)


class PeerManager:
    """The active peers. `len` counts all but the origin, which never expires and is never refused.

    Invariant: every record stands in the name index, in the id index exactly when it has a `bt_id`, and,
    unless it is the origin, in the draw list and in one of the two queues of expiry.
    """

    def __init__(self, limit: int = MAX_PEERS) -> None:
        self._limit = limit
        self._by_name: dict[str, PeerRecord] = {}
        self._by_id: dict[bytes, PeerRecord] = {}
        self._drawable: list[PeerRecord] = []
        self._heard: dict[bool, OrderedDict[str, PeerRecord]] = {False: OrderedDict(), True: OrderedDict()}
        self.origin: PeerRecord | None = None

    def __len__(self) -> int:
        return len(self._drawable)

    def __iter__(self) -> Iterator[PeerRecord]:
        """The origin first, then the others in no particular order."""
        if self.origin is not None:
            yield self.origin
        yield from self._drawable

    def get(self, name: str) -> PeerRecord | None:
        return self._by_name.get(name)

    def by_id(self, bt_id: bytes | None) -> PeerRecord | None:
        return None if bt_id is None else self._by_id.get(bt_id)

    def add(self, record: PeerRecord, now: float) -> None:
        """`record` becomes active; nobody active has its name or its id.

        Raises:
            RequestError: as many peers as the limit allows are active (429).
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
            record.place = len(self._drawable)
            self._drawable.append(record)
        self._by_name[record.name] = record
        if record.bt_id is not None:
            self._by_id[record.bt_id] = record
        self.heard(record, now)

    def heard(self, record: PeerRecord, now: float) -> None:
        """`record` gave a sign of life."""
        record.timestamp = now
        if not record.origin:
            queue = self._heard[record.foreign]
            queue[record.name] = record
            queue.move_to_end(record.name)

    def identify(self, record: PeerRecord, bt_id: bytes | None) -> None:
        """`record` is from now on the process with this wire id, which nobody else active has."""
        if record.bt_id is not None:
            del self._by_id[record.bt_id]
        record.bt_id = bt_id
        if bt_id is not None:
            self._by_id[bt_id] = record

    def remove(self, record: PeerRecord) -> None:
        """`record` is no longer active."""
        if record.bt_id is not None:
            del self._by_id[record.bt_id]
        del self._by_name[record.name]
        if record.origin:
            self.origin = None
            return
        del self._heard[record.foreign][record.name]
        last = self._drawable.pop()
        if last is not record:
            self._drawable[record.place] = last
            last.place = record.place

    def expire(self, now: float) -> list[PeerRecord]:
        """Removes and returns the peers that have not been heard of for their lifetime."""
        gone: list[PeerRecord] = []
        for foreign, lifetime in ((False, LIFETIME), (True, FOREIGN_LIFETIME)):
            queue = self._heard[foreign]
            while queue:
                oldest = next(iter(queue.values()))
                if now - oldest.timestamp < lifetime:
                    break
                self.remove(oldest)
                gone.append(oldest)
        return gone

    def draw(self, count: int, rng: Random, without: PeerRecord | None = None) -> list[PeerRecord]:
        """Up to `count` peers at random, `without` left out; the origin is always among them."""
        drawn = [self.origin] if self.origin is not None and self.origin is not without and count else []
        others = rng.sample(self._drawable, min(count + 1, len(self._drawable)))
        drawn += [record for record in others if record is not without]
        return drawn[:count]
