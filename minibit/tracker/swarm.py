"""One share's swarm as its tracker knows it: the one writer that every dialect's requests feed.

Requests come parsed, answers are values that each dialect encodes. What a request looks like on a wire,
which address this machine has, a lock and a clock are unknown here. Rules: DESIGN's two tracker contracts.
"""

from collections.abc import Iterable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from minibit import bitfield
from minibit.address import Address, PeerAddress, believed_ip, is_near
from minibit.dialects.announce import DEFAULT_NUMWANT, MAX_NUMWANT, Announce, AnnounceReply, Counts, Event
from minibit.dialects.json_replies import ConflictError, DoubtError, Farewell, Listing, PeerEntry, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, Registration
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures, SwarmRow, SwarmStatus
from minibit.text import ORIGIN
from minibit.torrent.layout import Layout
from minibit.tracker.block_distributor import BlockDistributor, capacity
from minibit.tracker.notices import Granted, Left, Notice
from minibit.tracker.peer_manager import PeerManager, Seen
from minibit.tracker.peer_record import PeerRecord
from minibit.tracker.portrait import row
from minibit.units import count

ANNOUNCE_INTERVAL: Final = 120  # seconds; what foreign clients are asked for, many wait longer
PEERS_PER_SECOND: Final = 16  # heartbeats a second that a full tracker answers: each costs milliseconds
MIN_HEARTBEAT_INTERVAL: Final = 1.0  # and what a newcomer is told: by then the origin may have met others
MAX_HEARTBEAT_INTERVAL: Final = 20.0  # three heartbeats before a peer counts as inactive
SILENT_INTERVALS: Final = 3  # heartbeats that a peer may miss before its name may be inherited
_STOPPED: Final = Event.STOPPED  # which takes Python 3.11 as long as ten other comparisons


class Swarm:
    """The swarm of one share; no two of them share anything.

    `now` is the only time there is: seconds on a clock that only grows. Every `timestamp` in an answer is of
    that clock; its caller makes Unix time of it. `remote` is the address that a request's socket shows, as a
    canonical IP literal. One call at a time: a lock is the caller's matter. What the origin has to hear of
    waits in an outbox; `take_notices` empties it, and is called after every call, refused ones too.
    """

    def __init__(
        self,
        name: str,
        info_hash: bytes,
        layout: Layout,
        *,
        rng: Random,
        now: float,
        grant: tuple[float, float] = (0.3, 0.5),
        heartbeat: float = MIN_HEARTBEAT_INTERVAL,
    ) -> None:
        self._name = name
        self._info_hash = info_hash
        self._layout = layout
        limit = capacity(layout.block_count)
        self._peers = PeerManager(rng, limit)
        self._blocks = BlockDistributor(layout.block_count, *grant, remembered=limit)
        self._deal = rng.getrandbits(64)  # of the grants: by name, so that whoever comes first changes none
        self._started = now
        self._heartbeat = heartbeat  # seconds between those of a peer, at least
        self._downloads = 0
        self._notices: list[Notice] = []

    def take_notices(self) -> list[Notice]:
        """What happened since the last time, in order."""
        notices = self._notices
        if notices:
            self._notices = []
        return notices

    def register(
        self, registration: Registration, remote: str, now: float, *, absent: Address | None = None
    ) -> Welcome:
        """A peer joins, or says again where it is and what it holds. Nobody answers at `absent`.

        Raises:
            ConflictError: another process is active under that name; a `DoubtError` if nothing but its
                silence speaks for it.
            RequestError: 429 if the tracker is full, 403 for the origin's id, or if it would move or end
                a peer of another machine.
        """
        self._expire(now)
        ip = believed_ip(registration.ip, remote)
        record = self._incumbent(registration, ip, remote, now, absent)
        returning = record is not None
        if record is None:
            record = PeerRecord(registration.name, ip, registration.port, registration.bt_id, source=remote)
            self._peers.add(record, now)
        else:
            self._peers.heard(record, now)
        if registration.blocks is not None or not returning:
            self._hold(record, registration.blocks or 0, newcomer=not returning)
        new = self._grant(record)
        granted = self._blocks.granted(record.key)
        said = "is registered again" if returning else "is registered"
        all_blocks = count(self._layout.block_count, "block")
        return Welcome(
            f"{record.name} {said}: {granted.bit_count()} of {all_blocks} granted",
            granted,
            new,
            self._entries(self._peers.draw(DEFAULT_NUMWANT, record)),
            self._interval() if returning else MIN_HEARTBEAT_INTERVAL,
            record.ip,
        )

    def list_peers(
        self,
        name: str | None,
        heartbeat: Heartbeat,
        now: float,
        *,
        numwant: int | None = None,
        remote: str = "127.0.0.1",
    ) -> Listing:
        """Who is active, `name` left out: at most `numwant` of them at random, or all.

        It is also `name`'s heartbeat, unless another process (a different wire id) has that name, or
        `remote` does not speak for it: as far as the asker goes, it is then not registered.
        """
        self._expire(now)
        record = self._peers.get(name) if name else None
        own = record is not None and record.obeys(remote)
        registered = record is not None and own and heartbeat.bt_id in (None, record.bt_id)
        if record is not None and own and not record.origin and heartbeat.bt_id == record.bt_id:
            self._peers.heard(record, now)
            if heartbeat.blocks is not None:
                self._hold(record, heartbeat.blocks)
            record.figures = heartbeat.figures or record.figures
        if numwant is None:
            chosen = [other for other in self._peers if other is not record]
        else:
            chosen = self._peers.draw(numwant, record)
        total = self._peers.everyone - (record is not None)
        return Listing(registered, total, self._entries(chosen), self._interval())

    def disconnect(self, goodbye: Goodbye, remote: str, now: float) -> Farewell:
        """A peer says goodbye.

        Raises:
            RequestError: nobody of that name is active (404), it is another process than the one
                that says goodbye (409), or somebody else speaks for it (403).
        """
        self._expire(now)
        record = self._peers.get(goodbye.name)
        if record is None:
            raise RequestError("no active peer has that name: there is nothing to disconnect", status=404)
        if record.origin or goodbye.bt_id not in (None, record.bt_id):
            raise RequestError(f"{record.name} is now another process: it stays active", status=409)
        if not record.obeys(remote):
            raise RequestError(
                f"{record.name} stays active: its goodbye must come from its own address", status=403
            )
        self._leave(record)
        return Farewell(f"{record.name} is disconnected")

    def announce(
        self, announce: Announce, remote: str, now: float, *, packed: bool = False, seen: Seen | None = None
    ) -> AnnounceReply:
        """A BitTorrent client announces itself; the caller has found this swarm by its `info_hash`.

        With `packed`, peers may be told by nothing but their addresses. `seen`, if it is on another machine,
        makes of this machine's addresses those that it can dial, so that who has one is told by himself.

        Which blocks it holds is not said in an announce: all of them if nothing is `left`, and otherwise
        those that the origin sees (`report_origin`). A new id at an address is the client there, restarted.
        What is told is told to anybody, but an announce alters and ends only what came by announce: any web
        page can make a browser send one.

        Raises:
            RequestError: the origin's id (403), or the tracker is full (429).
        """
        peers = self._peers
        self._expire(now)
        record = peers.by_id(announce.peer_id)
        if record is not None and record.origin:
            raise RequestError("that peer_id is the origin's: restart your client to get its own", status=403)
        told: tuple[PeerAddress, ...] = ()
        four = six = b""
        if announce.event is not _STOPPED:
            record = self._announced(record, announce, remote, now)
            if packed and (seen is None or not peers.nowhere):
                four, six = peers.draw_packed(announce.numwant, record, seen=seen)
            else:
                drawn = [other.address for other in peers.draw(announce.numwant, record)]
                told = tuple(drawn if seen is None else map(seen, drawn))
        elif record is not None and record.foreign and record.obeys(remote):
            self._leave(record)
        complete = self._blocks.complete
        incomplete = peers.everyone - complete
        return AnnounceReply(ANNOUNCE_INTERVAL, complete, incomplete, told, four, six)

    def counts(self, now: float) -> Counts:
        """The swarm in three numbers."""
        self._expire(now)
        complete = self._blocks.complete
        return Counts(complete, self._downloads, self._peers.everyone - complete)

    def status(self, now: float) -> SwarmStatus:
        """The whole swarm, the origin first, then by name."""
        self._expire(now)
        layout = self._layout
        return SwarmStatus(
            share=self._name,
            total_size=layout.total_size,
            block_size=layout.block_size,
            block_count=layout.block_count,
            info_hash=self._info_hash.hex(),
            uptime=now - self._started,
            rarest_copies=self._blocks.rarest_copies if len(self._peers) else 0,
            rows=tuple(sorted(map(self._row, self._peers), key=lambda row: (not row.origin, row.name))),
        )

    def report_origin(
        self,
        address: Address,
        blocks: int,
        figures: Figures,
        bt_id: bytes,
        now: float,
        *,
        met: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        """The origin, in this process, says where it is and what it is doing; peers are told to dial it.

        `met`: those that are connected to it, by wire id, and the blocks that they have told it of. They
        exist; of others only a request says so. A foreign client tells its blocks nowhere else.
        """
        self._expire(now)
        record = self._peers.origin
        if record is None:
            record = PeerRecord(ORIGIN, *address, bt_id, origin=True)
            self._peers.add(record, now)
        elif record.bt_id != bt_id:
            self._peers.identify(record, bt_id)
        self._peers.move(record, *address, record.source)
        record.figures = figures
        self._peers.heard(record, now)
        self._blocks.hold(record.key, blocks, counted=False)
        for peer_id, seen in met.items():
            if (peer := self._peers.by_id(peer_id)) is not None:
                self._peers.meet(peer)
                if peer.announced is not None and peer.announced.left != 0:
                    self._hold(peer, seen)

    def needy(self, now: float) -> tuple[PeerAddress, ...]:
        """Some peers that lack blocks: the origin dials those who do not come by themselves."""
        self._expire(now)
        full = bitfield.full(self._layout.block_count)
        drawn = self._peers.draw(MAX_NUMWANT, self._peers.origin)
        return tuple([other.address for other in drawn if self._blocks.held(other.key) != full])

    # --- who stays, who goes

    def _expire(self, now: float) -> None:
        for record in self._peers.expire(now) if now >= self._peers.lasting else ():
            self._blocks.drop(record.key)
            self._gone(record.bt_id)

    def _incumbent(
        self, registration: Registration, ip: str, remote: str, now: float, absent: Address | None
    ) -> PeerRecord | None:
        """The active record that `registration` refreshes, brought up to date; None if it is a newcomer."""
        bt_id, address = registration.bt_id, (ip, registration.port)
        namesake = self._peers.by_id(bt_id)
        if namesake is not None and namesake.origin:
            raise RequestError("that bt_id is the origin's: choose a random one", status=403)
        record = self._peers.get(registration.name)
        if record is not None:
            moved = (record.ip, record.port) != address
            if bt_id is not None and bt_id != record.bt_id and moved and not registration.replace:
                raise ConflictError(record.taken, self._entries([record])[0])
            if not record.obeys(remote):
                self._doubt(record, registration, remote, now, absent)
        if namesake is not None and namesake is not record:
            namesake.guard(remote)
            self._leave(namesake)  # the same process under a new name
        if record is None or record.foreign:
            if record is not None:
                self._leave(record)
            return None
        if bt_id != record.bt_id and (bt_id is not None or moved):
            self._gone(record.bt_id)
            self._peers.identify(record, bt_id)
        self._peers.move(record, *address, remote)
        return record

    def _doubt(
        self,
        record: PeerRecord,
        registration: Registration,
        remote: str,
        now: float,
        absent: Address | None,
    ) -> None:
        """Lets an heir have the name of `record`, which is silent and which nobody answers for any more.

        A private network's machines get new addresses, so near ones may inherit; a claimed address was never
        seen, and asking there could be made to knock at any door.

        Raises:
            RequestError: it may not (403), or not yet (409).
        """
        if not (registration.replace and is_near(remote) and record.ip == record.source):
            record.guard(remote)
        at = (record.ip, record.port)
        if now - record.timestamp < SILENT_INTERVALS * self._interval():
            raise ConflictError(record.taken, self._entries([record])[0])
        if absent != at:
            raise DoubtError(record.taken, self._entries([record])[0], at)

    def _announced(
        self, record: PeerRecord | None, announce: Announce, remote: str, now: float
    ) -> PeerRecord:
        said = announce.port, announce.ip, remote, announce.left == 0
        if record is not None and record.said == said:  # clients announce often, and mostly nothing is new
            self._peers.heard(record, now)
            record.announced = announce
            return record
        ip, newcomer = believed_ip(announce.ip, remote), record is None
        if record is None:
            self._succeed(ip, announce.port, remote)
            name = self._peers.name_for(announce.peer_id)
            record = PeerRecord(name, ip, announce.port, announce.peer_id, foreign=True, source=remote)
            self._peers.add(record, now)
        elif not record.obeys(remote):
            # No refusal: a client with IPv4 and IPv6 announces itself from both.
            return record
        else:
            self._peers.heard(record, now)
        if record.foreign:
            self._foreign(record, announce, ip, remote, newcomer=newcomer)
            record.said = said
        return record

    def _foreign(
        self, record: PeerRecord, announce: Announce, ip: str, remote: str, *, newcomer: bool
    ) -> None:
        """Files what a foreign client says of itself."""
        if (record.ip, record.port) != (ip, announce.port):
            self._succeed(ip, announce.port, remote)
        self._peers.move(record, ip, announce.port, remote)
        before, record.announced = record.announced, announce
        complete = announce.left == 0
        if before is not None and complete == (before.left == 0):
            return
        self._hold(record, bitfield.full(self._layout.block_count) if complete else 0, newcomer=newcomer)
        if not complete:
            self._grant(record)

    def _succeed(self, ip: str, port: int, remote: str) -> None:
        """Whoever listened there does no more: two programs do not share a port.

        Raises:
            RequestError: `remote` does not speak for who listens there (403).
        """
        predecessor = self._peers.foreign_at(ip, port)
        if predecessor is not None:
            predecessor.guard(remote)
            self._leave(predecessor)

    def _leave(self, record: PeerRecord) -> None:
        self._peers.remove(record)
        self._blocks.drop(record.key)
        self._gone(record.bt_id)

    def _gone(self, bt_id: bytes | None) -> None:
        if bt_id is not None:
            self._notices.append(Left(bt_id))

    # --- blocks, and what is told

    def _grant(self, record: PeerRecord) -> int:
        new = self._blocks.grant(record.key, Random(f"{self._deal} {record.key!r}"))
        if record.bt_id is not None:
            # Said again on every registration: the origin may be newer than the grant, the id too.
            self._notices.append(Granted(record.bt_id, self._blocks.granted(record.key)))
        return new

    def _hold(self, record: PeerRecord, blocks: int, *, newcomer: bool = False) -> None:
        before = self._blocks.complete
        self._blocks.hold(record.key, blocks)
        # Who arrives complete has downloaded nothing here; BEP 48 counts those who became so.
        self._downloads += not newcomer and self._blocks.complete > before

    def _interval(self) -> float:
        return min(max(len(self._peers) / PEERS_PER_SECOND, self._heartbeat), MAX_HEARTBEAT_INTERVAL)

    def _entries(self, records: Iterable[PeerRecord]) -> tuple[PeerEntry, ...]:
        held = self._blocks.held
        return tuple(PeerEntry(record.address, record.timestamp, held(record.key)) for record in records)

    def _row(self, record: PeerRecord) -> SwarmRow:
        blocks, granted = self._blocks.held(record.key), self._blocks.granted(record.key)
        return row(record, blocks, granted, complete=blocks == bitfield.full(self._layout.block_count))
