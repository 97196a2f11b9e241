"""One simulated peer: the very engine, and the little that a shell does for it, in virtual time.

It does what `net.node`, `disk` and `peer.peer` do live: it joins by the tracker, beats its heart, dials,
says goodbye. No byte is moved: a chunk is a view of the same zeros every time, a hash is right unless a
liar sent some of the block or the disk is spoilt.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final, Protocol

from minibit import registry
from minibit.address import Address, PeerAddress
from minibit.dialects.announce import DEFAULT_NUMWANT
from minibit.dialects.json_requests import Goodbye, Heartbeat, Registration
from minibit.dialects.refusal import RequestError
from minibit.engine.effects import (
    Announce,
    Dial,
    Discard,
    Effect,
    Finished,
    HangUp,
    Send,
    Store,
    Tell,
    Upload,
    Verify,
)
from minibit.engine.engine import Engine
from minibit.engine.greeting import Identity
from minibit.engine.portrait import figures
from minibit.lab.clock import Clock
from minibit.lab.intake import GRAIN, Came, Intake
from minibit.lab.nap import Nap
from minibit.lab.observer import Observer
from minibit.lab.scenario import PeerClass
from minibit.lab.simulated_disk import LIES, TRUTH, SimulatedDisk, hash_seconds
from minibit.lab.wires import End, Item, Uplink
from minibit.torrent.layout import Layout
from minibit.tracker.notices import Granted
from minibit.tracker.swarm import Swarm
from minibit.wire import messages as m

PORT: Final = 6881
DIAL_SECONDS: Final = 5.0  # how long a dial that nobody answers waits, as live
REFUSED_SECONDS: Final = 8.0  # between two calls of a tracker that says no


class World(Protocol):
    """What a peer knows of the world around it."""

    clock: Clock
    layout: Layout
    info_hash: bytes
    swarm: Swarm
    seed: int
    latency: float
    neighbours: int
    observer: Observer | None
    lies: bool  # whether anybody's data may be wrong
    reachable: bool  # whether the tracker answers

    def at(self, address: Address) -> "SimulatedPeer | None":
        """Who is at this address, dead or alive."""

    def parted(self, one: "SimulatedPeer", other: "SimulatedPeer") -> bool:
        """Whether nothing passes between these two just now."""

    def told(self) -> None:
        """The tracker has been called: what the origin has to hear of waits."""

    def gone(self, peer: "SimulatedPeer") -> None:
        """It has left or been killed."""

    def verified(self, peer: "SimulatedPeer") -> None:
        """It has checked a block: it may be complete now."""


class SimulatedPeer:
    """`kind` is what it is like; `life` counts its restarts."""

    def __init__(
        self,
        world: World,
        name: str,
        address: Address,
        kind: PeerClass,
        *,
        have: int = 0,
        offering: bool = False,
        life: int = 0,
    ) -> None:
        clock = world.clock
        self.world, self.clock = world, clock
        self.name = name
        self.address = address
        self.kind = kind
        self.life = life
        self.alive = True
        self.silent = False
        self.joined_at = clock.now
        self.completed_at: float | None = None
        self.granted = 0
        self.lies = kind.liar
        self.disk = SimulatedDisk(world.layout)
        self.nap = Nap()
        self.uplink = Uplink(clock, kind.uplink) if kind.uplink else None
        self.intake = Intake(clock, kind.download, self._take_in)
        journal = None if world.observer is None else world.observer.journal(name)
        self.engine = Engine(
            Identity(name, hashlib.sha1(f"{world.seed} {name} {life}".encode()).digest(), PORT),
            world.info_hash,
            world.layout,
            have=have,
            picking=registry.picking(kind.picking),
            choking=registry.choking(kind.manners),
            rng=Random(f"{world.seed} {name} {life}"),
            now=clock.now,
            upload_limit=kind.upload,
            download_limit=kind.download,
            offering=offering,
            seeks=None if offering else world.neighbours,
            journal=journal,
        )
        self._ends: dict[int, End] = {}
        self._dirty: dict[int, End] = {}  # those that have data to send
        self._next_key = 0
        self._tick_at = float("inf")
        self._beat = 0  # the number of the heartbeat to come: an earlier one that comes late is none

    @property
    def complete(self) -> bool:
        return self.engine.blocks.complete

    # --- the tracker

    def join(self) -> None:
        """Register with the tracker, and begin."""
        self._register()
        if self.world.observer is not None:
            self.world.observer.joined(self.name, self.address, self.engine, self.granted, self.clock.now)
        self.run(self.engine.tick)

    def _register(self) -> None:
        world, now = self.world, self.clock.now
        if not world.reachable:
            self._beat_after(REFUSED_SECONDS)
            return
        identity = self.engine.identity
        registration = Registration(
            self.name, PORT, None, self.engine.blocks.have, identity.peer_id, replace=self.life > 0
        )
        try:
            welcome = world.swarm.register(registration, self.address[0], now)
        except RequestError:
            world.told()
            self._beat_after(REFUSED_SECONDS)
            return
        world.told()
        self.granted = welcome.granted
        # A moment later: whoever watches is told that it has joined before it dials.
        self.clock.after(0.0, self.run, self.engine.peers_found, [e.address for e in welcome.entries])
        self._beat_after(welcome.interval)

    def _beat_after(self, seconds: float) -> None:
        self._beat += 1
        self.clock.after(seconds, self._heartbeat, self._beat)

    def _heartbeat(self, number: int) -> None:
        if number != self._beat or not self.alive or self.silent or self.nap.holds(self._heartbeat, number):
            return
        listing = self._report()
        if listing is None:
            self._register()
        else:
            self.run(self.engine.peers_found, listing[0])
            self._beat_after(listing[1])

    def _report(self) -> tuple[list[PeerAddress], float] | None:
        """Tell the tracker how we stand; returns whom it names and when to call again, None if it does not
        answer or has forgotten us."""
        world, engine, now = self.world, self.engine, self.clock.now
        if not world.reachable:
            return None
        beat = Heartbeat(engine.identity.peer_id, engine.blocks.have, figures(engine, now, self.granted))
        listing = world.swarm.list_peers(self.name, beat, now, numwant=DEFAULT_NUMWANT)
        world.told()
        if not listing.registered:
            return None
        return [entry.address for entry in listing.entries], listing.interval

    def leave(self) -> None:
        """Say goodbye, and be gone."""
        if not self.alive:
            return
        if not self.silent and self.world.reachable:
            self._report()
            with suppress(RequestError):  # the tracker may have forgotten us
                self.world.swarm.disconnect(
                    Goodbye(self.name, self.engine.identity.peer_id), self.address[0], self.clock.now
                )
            self.world.told()
        self._end("goodbye")

    def kill(self) -> None:
        """Be gone: connections break, and nobody is told."""
        if self.alive:
            self._end("killed")

    def silence(self) -> None:
        """Nothing arrives here any more and nothing leaves, and nobody is told."""
        self.silent = True
        self._observe_left("silent")

    def _end(self, how: str) -> None:
        self.alive = False
        for key in list(self._ends):
            self._hang_up(key)
        self._observe_left(how)
        self.world.gone(self)

    def _observe_left(self, how: str) -> None:
        if self.world.observer is not None:
            self.world.observer.left(self.name, how, self.clock.now)

    def hear(self, notice: Granted) -> None:
        """The tracker granted these blocks to somebody: an origin serves them."""
        self.run(self.engine.granted, notice.peer_id, notice.blocks)

    # --- the engine

    def run(self, happen: Callable[..., list[Effect]], *told: Any, **more: Any) -> None:
        """Let the engine know by `happen(*told, now, **more)`, an input of it, and do what it says."""
        if not self.alive or self.nap.holds(self.run, happen, *told, **more):
            return
        now = self.clock.now
        self._perform(happen(*told, now, **more))
        dirty = self._dirty
        while dirty:
            _, end = dirty.popitem()
            payload = end.pump()
            if payload:
                self._perform(self.engine.flushed(end.key, payload, now))
        due = self.engine.next_deadline(now)
        if due < self._tick_at:
            self._tick_at = due
            self.clock.at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        if due == self._tick_at:
            self._tick_at = float("inf")
            self.run(self.engine.tick)

    def _perform(self, effects: list[Effect]) -> None:
        observer = self.world.observer
        for effect in effects:
            if observer is not None:
                observer.performs(self.name, effect, self.clock.now)
            if isinstance(effect, Send):  # by far the most frequent one
                if (end := self._ends.get(effect.key)) is not None:
                    end.say(effect.messages)
                continue
            match effect:
                case Tell(keys, message):
                    said = (message,)
                    for key in keys:
                        if (end := self._ends.get(key)) is not None:
                            end.say(said)
                case Upload(key, chunks):
                    if (end := self._ends.get(key)) is not None:
                        data = LIES if self.lies else TRUTH
                        end.give(m.Piece(c.index, c.begin, data[: c.length]) for c in chunks)
                        self._dirty[key] = end
                case Store(block, pieces):
                    if self.world.lies:
                        self.disk.store(block, pieces)
                case Verify(block):
                    length = self.world.layout.block_length(block)
                    self.clock.after(hash_seconds(length), self._verified, block)
                case Discard(block):
                    self.disk.discard(block)
                case Dial(address):
                    self.clock.after(self.world.latency, self._dial, address)
                case HangUp(key):
                    self._hang_up(key)
                case Announce():
                    self._beat_after(0.0)
                case Finished():
                    self.completed_at = self.clock.now

    def _verified(self, block: int) -> None:
        if self.alive and not self.nap.holds(self._verified, block):
            self.run(self.engine.block_verified, block, self.disk.right(block))
            self.world.verified(self)

    def rot(self, blocks: int) -> None:
        """The disk has lost these blocks."""
        self.run(self.engine.lost, blocks & self.engine.blocks.have)

    # --- connections

    def _dial(self, address: Address) -> None:
        world, there = self.world, self.world.at(address)
        if not self.alive:
            return
        if self.silent or (there is not None and (there.silent or world.parted(self, there))):
            self.clock.after(DIAL_SECONDS, self._dial_failed, address)
        elif there is None or not there.alive:
            self.clock.after(world.latency, self._dial_failed, address)
        else:
            here, far = self._end_to(there), there._end_to(self)
            here.there, far.there = far, here
            self.clock.after(world.latency, self._dialled, here, address)
            there.run(there.engine.connected, far.key, self.address, outgoing=False)

    def _dialled(self, end: End, address: Address) -> None:
        if end.open:
            self.run(self.engine.connected, end.key, address, outgoing=True)

    def _dial_failed(self, address: Address) -> None:
        self.run(self.engine.dial_failed, address)

    def _end_to(self, there: "SimulatedPeer") -> End:
        key, self._next_key = self._next_key, self._next_key + 1
        end = self._ends[key] = End(self, key, self.clock, self.uplink, self.world.latency)
        end.cut = self.world.parted(self, there)
        return end

    def _hang_up(self, key: int) -> None:
        if (end := self._ends.pop(key, None)) is not None:
            end.close()
            there = end.there
            # Not before what is on its way has come.
            self.clock.at(max(self.clock.now + end.latency, there.last * GRAIN), there.host.lost, there)

    def lost(self, end: End) -> None:
        """The other side has closed this connection."""
        if end.cut or self.silent:
            return
        if self._ends.pop(end.key, None) is not None:
            end.close()
            self.run(self.engine.disconnected, end.key)

    def cut_off(self, other: "SimulatedPeer") -> None:
        """Nothing that `other` says arrives here."""
        for end in self._ends.values():
            end.cut |= end.there.host is other

    def reunite(self, other: "SimulatedPeer") -> None:
        """What `other` said meanwhile arrives here."""
        for end in [end for end in self._ends.values() if end.cut and end.there.host is other]:
            for said, payload in end.mend():
                self._take_in({end.key: (end, list(said), payload)})
            if not end.there.open:
                self.lost(end)

    def clog(self, rate: float) -> None:
        """Our line carries no more than `rate` bytes per second each way; 0 is as at first."""
        most = rate or float("inf")
        self.intake.rate = min(most, self.kind.download or most) if rate else self.kind.download
        if self.uplink is None:
            self.uplink = Uplink(self.clock, rate)
        self.uplink.rate = min(most, self.kind.uplink or most)
        for end in self._ends.values():
            end.uplink = self.uplink

    def ready(self, end: End) -> None:
        """There is room here again."""
        self._dirty[end.key] = end
        self.run(lambda _: [])

    # --- what arrives

    def stirs(self, end: End) -> None:
        """A part of something arrives."""
        if not (end.cut or self.silent or end.there.host.silent or self.nap.holds(self.stirs, end)):
            self.engine.stirred(end.key, self.clock.now)

    def arrives(self, end: End, item: Item, when: float) -> None:
        """This item will be at our door then."""
        self.intake.expect(end, item, when)

    def _take_in(self, came: Came) -> None:
        if self.nap.holds(self._take_in, came):
            return
        batch = []
        for key, (end, said, payload) in came.items():
            if self.silent or end.there.host.silent:
                continue  # lost, and the room that it takes in flight with it
            if end.cut:
                end.held.append((said, payload))
                continue
            if payload:
                end.there.release(payload)
            batch.append((key, said))
        if batch:
            self.run(self.engine.happened, batch)
