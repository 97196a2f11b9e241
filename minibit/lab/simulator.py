"""A whole swarm in virtual time: the engines, the strategies and the tracker that run live, on a heap clock.

Same scenario, same events, on every Python: chance comes from the scenario's seed and names, and nothing
depends on the order of a set of strings.

What is not as it is live: the tracker answers at once and is always there, a connection loses nothing and
takes what is said without a limit of its own, disks are never busy, and a machine has all the time it needs.
"""

from random import Random
from typing import Final

from minibit import bitfield
from minibit.address import Address
from minibit.copies import Copies
from minibit.engine.portrait import figures
from minibit.lab.clock import Clock
from minibit.lab.observer import Observer
from minibit.lab.scenario import Departure, Newcomer, PeerClass, Scenario
from minibit.lab.simulated_peer import PORT, SimulatedPeer
from minibit.snapshot import Figures, Summary, SummaryRow, SwarmStatus
from minibit.text import ORIGIN
from minibit.torrent.layout import CHUNK_SIZE
from minibit.tracker.notices import Granted, Left
from minibit.tracker.swarm import MIN_HEARTBEAT_INTERVAL, Swarm

REPORT_SECONDS: Final = 0.5  # how often the origin tells the tracker how it stands, as live
LOOK_SECONDS: Final = 10.0  # how often to see whether anything moves at all
STILL_SECONDS: Final = 200.0  # without a byte for anybody, before it is said that nobody will finish…
STILL_CHUNKS: Final = 20  # …and the time of so many chunks on the slowest line, up to a day
PATIENCE: Final = 100  # …and how many times the bound a run may take, besides an hour


class Simulation:
    """One run of `scenario`, watched by `observer`.

    Call `run` until it is `over`. Faults are methods: each happens now. The tracker hears of each peer every
    `heartbeat` seconds, or less often if there are many.
    """

    def __init__(
        self,
        scenario: Scenario,
        observer: Observer | None = None,
        *,
        heartbeat: float = MIN_HEARTBEAT_INTERVAL,
    ) -> None:
        self.scenario = scenario
        self._heartbeat = heartbeat
        self.observer = observer
        self.clock = Clock()
        self.layout = scenario.layout
        self.info_hash = scenario.info_hash
        self.seed = scenario.seed
        self.latency = scenario.latency
        self.neighbours = scenario.neighbours
        self.lies = any(kind.liar for kind in scenario.classes)
        self.peers: dict[str, SimulatedPeer] = {}
        self._awaited: dict[str, None] = {}  # the peers that are to stay and are not complete
        self.stuck = False
        slow = min(STILL_CHUNKS * CHUNK_SIZE / scenario.slowest, 86400.0)
        self._still = STILL_SECONDS + slow  # a chunk on its way is no standstill
        self._moved = (0, 0.0)  # bytes that all have received, and when that was last more than before
        self._by_address: dict[Address, SimulatedPeer] = {}
        self._parted: set[frozenset[str]] = set()
        self.swarm, self.origin = self._opened(0)
        self.reachable = True
        self._begin_origin()
        if scenario.origin.leave_seconds:
            self.clock.at(scenario.origin.leave_seconds, self._end_origin)
        self.newcomers = scenario.newcomers()
        for number, newcomer in enumerate(self.newcomers, start=1):
            if newcomer.kind.stays:
                self._awaited[newcomer.name] = None
            self.clock.at(newcomer.arrives, self._join, newcomer, number)
        self._last_arrival = self.newcomers[-1].arrives
        self.clock.after(LOOK_SECONDS, self._look)

    def _opened(self, life: int) -> tuple[Swarm, SimulatedPeer]:
        """A tracker that knows nobody, and its origin."""
        scenario, line = self.scenario, self.scenario.origin
        swarm = Swarm(
            scenario.name,
            self.info_hash,
            self.layout,
            rng=Random(f"{scenario.seed} tracker" + f" {life}" * (life > 0)),
            now=self.now,
            grant=scenario.grant,
            heartbeat=self._heartbeat,
        )
        kind = PeerClass(ORIGIN, upload=line.upload, uplink=line.uplink, choking=line.choking)
        full = bitfield.full(self.layout.block_count)
        return swarm, SimulatedPeer(self, ORIGIN, _address(0), kind, have=full, offering=True, life=life)

    def _begin_origin(self) -> None:
        origin = self._by_address[self.origin.address] = self.origin
        if self.observer is not None:
            self.observer.joined(ORIGIN, origin.address, origin.engine, 0, self.now)
        self._report_origin(origin.life)
        origin.run(origin.engine.tick)

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.clock.now

    @property
    def over(self) -> bool:
        """Whether everybody who was to stay is complete, or it is clear that somebody never will be."""
        return not self._awaited or self.stuck

    @property
    def lacking(self) -> str:
        """Who lacks what, for people; empty if nobody does."""
        short = [self.peers[name] for name in self._awaited if name in self.peers]
        if not short:
            return ""
        first = short[0]
        blocks = self.layout.block_count - first.engine.blocks.have.bit_count()
        held = 0
        for peer in (self.origin, *self.peers.values()):
            if peer.alive and not peer.silent:
                held |= peer.engine.blocks.have
        gone = (self.origin.engine.blocks.full & ~held).bit_count()
        others = f" and {len(short) - 1} more lack some" if len(short) > 1 else ""
        where = f"nobody there holds {gone} of them" if gone else "somebody there holds each of them"
        return f"{first.name} lacks {blocks} of {self.layout.block_count} blocks{others}; {where}"

    def run(self, until: float, most: int = 1 << 62) -> bool:
        """Let time pass until `until`, for at most `most` events, or until it is over.

        Returns whether `until` came.
        """
        return self.clock.run(until, most, lambda: self.over)

    def status(self) -> SwarmStatus:
        """The swarm as its tracker knows it."""
        return self.swarm.status(self.now)

    @property
    def progress(self) -> tuple[int, int]:
        """Blocks held, of all that everybody is to hold."""
        held = sum(peer.engine.blocks.have.bit_count() for peer in self.peers.values())
        return held, self.layout.block_count * len(self.newcomers)

    def holdings(self) -> list[int]:
        """What each peer that is there holds, the origin left out."""
        return [peer.engine.blocks.have for peer in self.peers.values() if peer.alive and not peer.silent]

    def summary(self) -> Summary:
        """How it came out."""
        rows = []
        for newcomer in self.newcomers:
            peer = self.peers.get(newcomer.name)
            if peer is None:
                rows.append(SummaryRow(newcomer.name, None, 0, 0, 0, 0, stays=newcomer.kind.stays))
                continue
            downloads = peer.engine.downloads
            after = None if peer.completed_at is None else peer.completed_at - peer.joined_at
            rows.append(
                SummaryRow(
                    name=peer.name,
                    completed_after=after,
                    downloaded=downloads.total,
                    from_origin=downloads.from_origin,
                    given=peer.granted.bit_count(),
                    given_by_origin=(peer.granted & downloads.by_origin).bit_count(),
                    verified=peer.engine.blocks.have.bit_count(),
                    stays=newcomer.kind.stays,
                )
            )
        return Summary(
            share=self.scenario.name,
            total_size=self.layout.total_size,
            block_size=self.layout.block_size,
            block_count=self.layout.block_count,
            info_hash=self.info_hash.hex(),
            elapsed=max((p.completed_at or 0.0 for p in self.peers.values()), default=0.0),
            origin_uploaded=self.origin.engine.uploads.total,
            rows=tuple(rows),
            simulated=True,
        )

    # --- faults

    def kill(self, name: str) -> None:
        """Its process dies: connections break, nobody is told."""
        self._peer(name).kill()

    def silence(self, name: str) -> None:
        """Nothing reaches it any more and nothing leaves it, and nobody is told."""
        self._peer(name).silence()

    def cut(self, one: str, other: str) -> None:
        """Nothing passes between these two: what is said waits. Until `heal`."""
        self._parted.add(frozenset((one, other)))
        a, b = self._peer(one), self._peer(other)
        a.cut_off(b)
        b.cut_off(a)

    def heal(self, one: str, other: str) -> None:
        """What waited between these two arrives."""
        self._parted.discard(frozenset((one, other)))
        a, b = self._peer(one), self._peer(other)
        a.reunite(b)
        b.reunite(a)

    def clog(self, name: str, rate: float) -> None:
        """From now on its line carries no more than `rate` bytes per second each way; 0 is as at first."""
        self._peer(name).clog(rate)

    def spoil(self, name: str, blocks: int) -> None:
        """Its disk keeps none of these blocks right: their hashes fail, whoever sent them; 0 mends it."""
        self._peer(name).disk.spoilt = blocks

    def rot(self, name: str, blocks: int) -> None:
        """Its disk has lost these blocks, and it finds out."""
        self._peer(name).rot(blocks)

    def lie(self, name: str) -> None:
        """From now on what it sends is wrong."""
        self.lies = True
        self._peer(name).lies = True

    def nap(self, name: str) -> None:
        """Its process stands still until `wake`, as on a machine that is suspended."""
        self._peer(name).nap.begin()

    def wake(self, name: str) -> None:
        """It goes on, and finds that time has jumped."""
        self._peer(name).nap.end()

    def close_tracker(self) -> None:
        """The tracker's process dies, and its origin with it: nobody answers there."""
        self.reachable = False
        self.origin.kill()

    def open_tracker(self) -> None:
        """It is started again, and knows nobody."""
        old = self.origin
        self.swarm, self.origin = self._opened(old.life + 1)
        _inherit(self.origin, old)
        self.reachable = True
        self._begin_origin()

    def restart(self, name: str, *, keep_disk: bool = True) -> None:
        """A peer, not the origin, comes back after it ended; without `keep_disk` it holds nothing.

        Raises:
            ValueError: it is alive.
        """
        old = self.peers[name]
        if old.alive:
            raise ValueError(f"{name} has not ended")
        have = old.engine.blocks.have if keep_disk else 0
        peer = SimulatedPeer(self, name, old.address, old.kind, have=have, life=old.life + 1)
        _inherit(peer, old)
        self.peers[name] = self._by_address[old.address] = peer
        if old.kind.stays and not peer.complete:
            self._awaited[name] = None
        peer.join()

    # --- the world that peers know

    def at(self, address: Address) -> SimulatedPeer | None:
        return self._by_address.get(address)

    def parted(self, one: SimulatedPeer, other: SimulatedPeer) -> bool:
        return bool(self._parted) and frozenset((one.name, other.name)) in self._parted

    def told(self) -> None:
        for notice in self.swarm.take_notices():
            match notice:
                case Granted():
                    self.clock.after(0.0, self.origin.hear, notice)
                case Left(peer_id):
                    self.origin.engine.revoked(peer_id)

    def gone(self, peer: SimulatedPeer) -> None:
        self._awaited.pop(peer.name, None)

    def verified(self, peer: SimulatedPeer) -> None:
        if peer.complete:
            self._awaited.pop(peer.name, None)
            if peer.kind.leave is Departure.WHEN_COMPLETE:
                self.clock.after(0.0, peer.leave)

    def _look(self) -> None:
        received = sum(peer.engine.downloads.total for peer in self.peers.values())
        if received > self._moved[0] or self.now < self._last_arrival:
            self._moved = (received, self.now)
        too_long = self._last_arrival + PATIENCE * self.scenario.bound + 3600
        self.stuck = self.now - self._moved[1] > self._still or self.now > too_long
        self.clock.after(LOOK_SECONDS, self._look)

    def _join(self, newcomer: Newcomer, number: int) -> None:
        peer = SimulatedPeer(self, newcomer.name, _address(number), newcomer.kind)
        self.peers[newcomer.name] = self._by_address[peer.address] = peer
        peer.join()
        kind = newcomer.kind
        if kind.leave is Departure.AFTER:
            self.clock.after(kind.leave_seconds, peer.leave)
        elif kind.leave is Departure.KILLED:
            self.clock.after(kind.leave_seconds, peer.kill)
        elif kind.leave is Departure.SILENT:
            self.clock.after(kind.leave_seconds, peer.silence)

    def _report_origin(self, life: int) -> None:
        origin = self.origin
        engine = origin.engine
        if not origin.alive or origin.life != life:
            return
        copies = self.scenario.origin.copies
        if copies and self._copies_out() >= copies:
            self._end_origin()
            return
        met = {each.peer_id: each.blocks for each in engine.neighbours.values() if each.peer_id is not None}
        own, identity = figures(engine, self.now), engine.identity
        self.swarm.report_origin(origin.address, engine.blocks.have, own, identity.peer_id, self.now, met=met)
        self.told()
        self.clock.after(REPORT_SECONDS, self._report_origin, life)

    def _copies_out(self) -> int:
        """How many copies there are, the origin's left out, of the block of which there are fewest."""
        copies = Copies(self.layout.block_count)
        for blocks in self.holdings():
            copies.add(blocks)
        return copies.rarest(self.origin.engine.blocks.full)[0]

    def _end_origin(self) -> None:
        """The origin leaves; the tracker stays, and lists it with nothing."""
        origin = self.origin
        origin.leave()
        self.swarm.report_origin(origin.address, 0, Figures(), origin.engine.identity.peer_id, self.now)

    def _peer(self, name: str) -> SimulatedPeer:
        return self.origin if name == ORIGIN else self.peers[name]


def _inherit(peer: SimulatedPeer, old: SimulatedPeer) -> None:
    """The line is the machine's, and is as it was; what its last process had still to send died with that."""
    peer.uplink, peer.intake.rate = old.uplink, old.intake.rate
    if peer.uplink is not None:
        peer.uplink.drop()


def _address(number: int) -> Address:
    """Each peer has a machine of its own, on a private network."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", PORT
