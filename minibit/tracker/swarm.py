"""The swarm as the tracker knows it: the one writer that JSON, HTTP announces and UDP announces all feed.

Requests come parsed (`registration`, `announce`), with the socket's address beside them; answers are
values that each dialect encodes. One lock makes every call atomic, and nothing slow happens under it.
What a request looks like on a wire, and Flask, are unknown here. Rules: DESIGN's two tracker contracts.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from threading import Lock
from typing import Final

from minibit import bitfield
from minibit.address import believed_ip, is_loopback, is_near, is_nowhere
from minibit.dialects.http_announce import DEFAULT_NUMWANT, Announce, AnnounceReply, Counts, Event
from minibit.dialects.json_calls import Heartbeat, PeerEntry, Registration, RequestError, seen_ip
from minibit.snapshot import Figures, State, SwarmRow, SwarmStatus
from minibit.text import ORIGIN
from minibit.torrent.metainfo import Metainfo
from minibit.tracker.block_distributor import BlockDistributor
from minibit.tracker.peer_manager import MAX_PEERS, PeerManager, PeerRecord

ANNOUNCE_INTERVAL: Final = 120  # seconds; what foreign clients are asked for, many wait longer
PEERS_PER_SECOND: Final = 50  # heartbeats a second that a full tracker should have to answer
MAX_INTERVAL: Final = 20.0  # three heartbeats before a peer counts as inactive
HOLDINGS_BUDGET: Final = (
    256 * 1024 * 1024
)  # bytes for bitfields: blocks, grant and a remembered grant per peer


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to a registration: blocks granted in all and just now (bitfields), peers to dial."""

    granted: int
    new: int
    returning: bool
    entries: tuple[PeerEntry, ...]
    interval: float


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a heartbeat: does the tracker know the asker, and who else is active."""

    registered: bool
    entries: tuple[PeerEntry, ...]
    total: int
    interval: float


def own_address_towards(ip: str) -> str | None:
    """This machine's address as `ip` would reach it, or None; connecting UDP sends no packet."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _ignore(*_: object) -> None:
    """What is done about an event that nobody asked to hear of."""


class Tracker:
    """The swarm of one share. Every method may be called from any thread.

    `clock` gives seconds that only grow, by which peers expire; `unix` gives Unix time, which is told to
    others. `on_grant(wire id, blocks)` and `on_leave(wire id)` are called in the order of
    events, inside the lock: they must neither block nor call back. `remote` is always the address that a
    request's socket shows.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        *,
        clock: Callable[[], float],
        unix: Callable[[], float],
        rng: Random,
        grant: tuple[float, float] = (0.3, 0.5),
        on_grant: Callable[[bytes, int], None] = _ignore,
        on_leave: Callable[[bytes], None] = _ignore,
        own_address: Callable[[str], str | None] = own_address_towards,
    ) -> None:
        self.metainfo = metainfo
        self.block_count = metainfo.layout.block_count
        limit = capacity(self.block_count)
        self._peers = PeerManager(limit)
        self._blocks = BlockDistributor(self.block_count, *grant, remembered=limit)
        self._clock = clock
        self._unix = unix
        self._rng = rng
        self._on_grant = on_grant
        self._on_leave = on_leave
        self._own_address = own_address
        self._started = clock()
        self._downloads = 0
        self._lock = Lock()

    def register(self, registration: Registration, remote: str) -> Welcome:
        """A peer joins, or says again where it is and what it holds.

        Raises:
            RequestError: 409 if another process is active under that name, 429 if the tracker is full,
                403 for the origin's id, or if it would move or end a peer of another machine.
        """
        ip = believed_ip(registration.ip, seen_ip(remote))
        with self._lock:
            now = self._begin()
            record = self._settle(registration, ip, remote)
            returning = record is not None
            if record is None:
                record = PeerRecord(registration.name, ip, registration.port, registration.bt_id)
                record.source = seen_ip(remote)
                self._peers.add(record, now)
            self._hear(record, now)
            if registration.blocks is not None or not returning:
                self._hold(record, registration.blocks or 0, newcomer=not returning)
            new = self._grant(record)
            granted = self._blocks.granted(record.key)
            entries = _entries(self._peers.draw(DEFAULT_NUMWANT, self._rng, record), self._blocks)
            interval = self._interval()
        return Welcome(granted, new, returning, self._as_seen_from(remote, entries), interval)

    def list_peers(
        self, name: str | None, heartbeat: Heartbeat, remote: str, *, numwant: int | None = None
    ) -> Listing:
        """Who is active, `name` left out: at most `numwant` of them at random, or all.

        It is also `name`'s heartbeat, unless another process (a different wire id) has that name.
        """
        with self._lock:
            now = self._begin()
            record = self._peers.get(name) if name else None
            registered = record is not None and heartbeat.bt_id in (None, record.bt_id)
            if record is not None and not record.origin and heartbeat.bt_id == record.bt_id:
                self._hear(record, now)
                if heartbeat.blocks is not None:
                    self._hold(record, heartbeat.blocks)
                record.figures = heartbeat.figures or record.figures
            if numwant is None:
                chosen = [other for other in self._peers if other is not record]
            else:
                chosen = self._peers.draw(numwant, self._rng, record)
            total = len(self._peers) + (self._peers.origin is not None) - (record is not None)
            entries = _entries(chosen, self._blocks)
            interval = self._interval()
        return Listing(registered, self._as_seen_from(remote, entries), total, interval)

    def disconnect(self, name: str, bt_id: bytes | None, remote: str) -> None:
        """`name` says goodbye.

        Raises:
            RequestError: nobody of that name is active (404), it is another process than the one
                that says goodbye (409), or somebody else speaks for it (403).
        """
        with self._lock:
            self._begin()
            record = self._peers.get(name)
            if record is None:
                raise RequestError("no active peer has that name: there is nothing to disconnect", status=404)
            if record.origin or (bt_id is not None and bt_id != record.bt_id):
                raise RequestError(f"{name} is now another process: it stays active", status=409)
            if not record.obeys(remote):
                raise RequestError(
                    f"{name} stays active: its goodbye must come from its own address", status=403
                )
            self._leave(record)

    def announce(self, announce: Announce, remote: str) -> AnnounceReply:
        """A BitTorrent client announces itself.

        Which blocks it holds is not said in an announce: all of them if nothing is `left`, and otherwise
        none count until the client is complete.

        Raises:
            RequestError: another share, the origin's id, or the tracker is full.
        """
        if announce.info_hash != self.metainfo.info_hash:
            raise RequestError("this tracker does not share that torrent: get the one it shares at /torrent")
        ip = believed_ip(announce.ip, seen_ip(remote))
        with self._lock:
            now = self._begin()
            record = self._peers.by_id(announce.peer_id)
            if record is not None and record.origin:
                raise RequestError(
                    "that peer_id is the origin's: restart your client to get its own", status=403
                )
            if announce.event is Event.STOPPED:
                if record is not None and record.obeys(remote):
                    self._leave(record)
                drawn: list[PeerRecord] = []
            else:
                record = self._announced(record, announce, ip, remote, now)
                drawn = self._peers.draw(announce.numwant, self._rng, record)
            counts = self._counts()
            entries = _entries(drawn, self._blocks)
        peers = tuple(entry.address for entry in self._as_seen_from(remote, entries))
        return AnnounceReply(ANNOUNCE_INTERVAL, counts.complete, counts.incomplete, peers)

    def scrape(self, info_hashes: Sequence[bytes]) -> dict[bytes, Counts]:
        """Counts for those of `info_hashes` that are shared here; for every share if none is named."""
        with self._lock:
            self._begin()
            counts = self._counts()
        ours = self.metainfo.info_hash
        return {ours: counts} if not info_hashes or ours in info_hashes else {}

    def status(self) -> SwarmStatus:
        """The whole swarm, the origin first, then by name."""
        with self._lock:
            now = self._begin()
            rows = [self._row(record) for record in self._peers]
            rarest = self._blocks.rarest_copies if len(self._peers) else 0
        layout = self.metainfo.layout
        return SwarmStatus(
            share=self.metainfo.name,
            total_size=layout.total_size,
            block_size=layout.block_size,
            block_count=self.block_count,
            info_hash=self.metainfo.info_hash.hex(),
            uptime=max(0.0, now - self._started),
            rarest_copies=rarest,
            rows=tuple(sorted(rows, key=lambda row: (not row.origin, row.name))),
        )

    def report_origin(
        self, port: int, blocks: int, figures: Figures, bt_id: bytes, ip: str = "127.0.0.1"
    ) -> None:
        """The origin, in this process, says what it is doing; peers are told to dial it."""
        with self._lock:
            now = self._begin()
            record = self._peers.origin
            if record is None:
                record = PeerRecord(ORIGIN, ip, port, bt_id, origin=True)
                self._peers.add(record, now)
            elif record.bt_id != bt_id:
                self._peers.identify(record, bt_id)
            record.ip, record.port, record.figures = ip, port, figures
            self._hear(record, now)
            self._blocks.hold(record.key, blocks, counted=False)

    # Below, the lock is held.

    def _begin(self) -> float:
        now = self._clock()
        for record in self._peers.expire(now):
            self._blocks.drop(record.key)
            self._gone(record.bt_id)
        return now

    def _hear(self, record: PeerRecord, now: float) -> None:
        self._peers.heard(record, now)
        record.timestamp = self._unix()

    def _settle(self, registration: Registration, ip: str, remote: str) -> PeerRecord | None:
        """The active record that `registration` refreshes, brought up to date; None if it is a newcomer."""
        bt_id, address = registration.bt_id, (ip, registration.port)
        namesake = self._peers.by_id(bt_id)
        if namesake is not None and namesake.origin:
            raise RequestError("that bt_id is the origin's: choose a random one", status=403)
        record = self._peers.get(registration.name)
        if record is not None:
            moved = (record.ip, record.port) != address
            if bt_id is not None and bt_id != record.bt_id and moved and not registration.replace:
                raise RequestError(
                    f"the name {record.name!r} is active at {record.ip}:{record.port}: choose another name, "
                    "or wait a minute if that peer is gone",
                    status=409,
                    peer=self._as_seen_from(remote, _entries([record], self._blocks))[0],
                )
            if ip != record.ip and not (registration.replace and is_near(remote)):
                record.guard(remote)
        if namesake is not None and namesake is not record:
            if ip != namesake.ip:
                namesake.guard(remote)
            self._leave(namesake)  # the same process under a new name
        if record is None or record.foreign:
            if record is not None:
                self._leave(record)
            return None
        if bt_id != record.bt_id and (bt_id is not None or moved):
            self._gone(record.bt_id)
            self._peers.identify(record, bt_id)
        self._peers.move(record, *address, seen_ip(remote))
        return record

    def _announced(
        self, record: PeerRecord | None, announce: Announce, ip: str, remote: str, now: float
    ) -> PeerRecord:
        newcomer = record is None
        if record is None:
            name = self._peers.name_for(announce.peer_id)
            record = PeerRecord(name, ip, announce.port, announce.peer_id, foreign=True)
            record.source = seen_ip(remote)
            self._peers.add(record, now)
        elif not record.obeys(remote):
            # No refusal: a client with IPv4 and IPv6 announces itself from both.
            return record
        self._hear(record, now)
        if record.foreign:
            self._peers.move(record, ip, announce.port, seen_ip(remote))
            complete = announce.left == 0
            state = State.COMPLETE if complete else State.DOWNLOADING
            record.figures = Figures(state, downloaded=announce.downloaded, uploaded=announce.uploaded)
            self._hold(record, bitfield.full(self.block_count) if complete else 0, newcomer=newcomer)
            if not complete:
                self._grant(record)
        return record

    def _grant(self, record: PeerRecord) -> int:
        new = self._blocks.grant(record.key, self._rng)
        if record.bt_id is not None:
            # Said again on every registration: the origin may be newer than the grant, the id too.
            self._on_grant(record.bt_id, self._blocks.granted(record.key))
        return new

    def _hold(self, record: PeerRecord, blocks: int, *, newcomer: bool = False) -> None:
        before = self._blocks.complete
        self._blocks.hold(record.key, blocks)
        # Who arrives complete has downloaded nothing here; BEP 48 counts those who became so.
        self._downloads += not newcomer and self._blocks.complete > before

    def _leave(self, record: PeerRecord) -> None:
        self._peers.remove(record)
        self._blocks.drop(record.key)
        self._gone(record.bt_id)

    def _gone(self, bt_id: bytes | None) -> None:
        if bt_id is not None:
            self._on_leave(bt_id)

    def _counts(self) -> Counts:
        everyone = len(self._peers) + (self._peers.origin is not None)
        return Counts(self._blocks.complete, self._downloads, everyone - self._blocks.complete)

    def _interval(self) -> float:
        return min(max(len(self._peers) / PEERS_PER_SECOND, 1.0), MAX_INTERVAL)

    def _row(self, record: PeerRecord) -> SwarmRow:
        blocks = self._blocks.held(record.key)
        complete = blocks == bitfield.full(self.block_count)
        return SwarmRow(
            name=record.name,
            ip=record.ip,
            port=record.port,
            timestamp=record.timestamp,
            blocks=blocks,
            given=self._blocks.granted(record.key).bit_count(),
            origin=record.origin,
            figures=record.figures or Figures(State.COMPLETE if complete else State.DOWNLOADING),
        )

    # Above, the lock is held.

    def _as_seen_from(self, remote: str, entries: tuple[PeerEntry, ...]) -> tuple[PeerEntry, ...]:
        """`entries` with addresses that `remote` can dial: "here" means this machine, not the asker's."""
        if is_loopback(remote) or not any(is_nowhere(entry.address.ip) for entry in entries):
            return entries
        here = self._own_address(remote)
        return tuple(
            replace(entry, address=replace(entry.address, ip=here))
            if here is not None and is_nowhere(entry.address.ip)
            else entry
            for entry in entries
        )


def capacity(block_count: int) -> int:
    """How many peers may be active in a share of `block_count` blocks."""
    per_peer = 3 * (block_count // 8 + 1)
    return min(MAX_PEERS, HOLDINGS_BUDGET // per_peer)


def _entries(records: Sequence[PeerRecord], blocks: BlockDistributor) -> tuple[PeerEntry, ...]:
    return tuple(PeerEntry(record.address, record.timestamp, blocks.held(record.key)) for record in records)
