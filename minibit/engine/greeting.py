"""Who we are and who they are: handshakes (BEP 3), extended handshakes (BEP 10), and the names of both.

It decides who may be a neighbour at all; what neighbours then do for each other is unknown here.
"""

from typing import Final

from msgspec import Struct

from minibit import __version__, bitfield
from minibit.address import Address
from minibit.engine.addresses import GREETING_SECONDS, AddressBook
from minibit.engine.extensions import Extensions
from minibit.engine.neighbour import Neighbour, source
from minibit.engine.offers import Offers
from minibit.engine.places import Places
from minibit.engine.standing import Standing
from minibit.engine.uploads import MAX_QUEUED
from minibit.errors import RemoteProtocolError
from minibit.wire import messages as m
from minibit.wire.extended import MAX_SPAN, ExtendedHandshake

CLIENT: Final = f"MiniBit {__version__}"
SECOND: Final = "a second connection to the same peer"
HANDSHAKE_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 180.0
PROBE_SECONDS: Final = 5.0  # how long a neighbour has to answer when another one claims to be it
MUTE_SECONDS: Final = 30.0  # …and how long one that nothing obliges to answer may have been silent
CROSSED_SECONDS: Final = 3.0  # how soon after one of two is given up the other may be given up too…
AGAIN_SECONDS: Final = (0.1, 0.5)  # …and when we dial then: at random, lest both sides do so at once again


class Identity(Struct, frozen=True):
    """Who a peer is: its name among people, its 20-byte wire id, the port it listens on; `ip` if that is at
    one address of its machine only."""

    name: str
    peer_id: bytes
    port: int
    ip: str | None = None


class Greeting:
    """What we say first, and what we make of what others say first. `ours` is our handshake."""

    def __init__(
        self,
        standing: Standing,
        identity: Identity,
        info_hash: bytes,
        addresses: AddressBook,
        places: Places,
        extensions: Extensions,
        offers: Offers | None,
    ) -> None:
        self._standing = standing
        self._outbox = standing.outbox
        self._identity = identity
        self._addresses = addresses
        self._places = places
        self._extensions = extensions
        self._offers = offers
        self.ours = m.Handshake(info_hash, identity.peer_id)

    def handshake(
        self, neighbour: Neighbour, theirs: m.Handshake, now: float
    ) -> tuple[Neighbour, str] | None:
        """A neighbour says who it is. Returns who yields to it, if anybody, and why.

        It stays ungreeted if we have dialled ourselves: our other end is to learn that, and to hang up.

        Raises:
            RemoteProtocolError: it cannot be our neighbour.
        """
        peer_id = theirs.peer_id
        if neighbour.outgoing:
            self._addresses.identified(neighbour.address, peer_id)
        if theirs.info_hash != self.ours.info_hash:
            raise RemoteProtocolError("asks for another share")
        if peer_id == self._identity.peer_id:
            if neighbour.outgoing:
                raise RemoteProtocolError("that is ourselves")
            self._outbox.send(neighbour.key, self.ours)
            return None
        if self._addresses.banned(neighbour.address, None if neighbour.outgoing else peer_id):
            raise RemoteProtocolError("banned")
        twin = next((n for n in self._standing.neighbours.values() if n.peer_id == peer_id), None)
        if twin is not None and not self._succeeds(neighbour, twin, peer_id, now):
            _keep(twin, neighbour, now)
            self._probe(twin, now)
            raise RemoteProtocolError(SECOND)
        neighbour.peer_id = peer_id
        neighbour.source = source(neighbour.address, peer_id, outgoing=neighbour.outgoing)
        neighbour.fast, neighbour.extended = theirs.fast, theirs.extended
        self.name(neighbour)
        yielding = None
        if twin is not None:
            _keep(neighbour, twin, now)
            yielding = twin, SECOND
        if twin is None and (other := self._places.yielding(neighbour, now)) is not None:
            yielding = other, "we are full"
            if other is neighbour:
                raise RemoteProtocolError("we are full")
        if not neighbour.outgoing:
            self._outbox.send(neighbour.key, self.ours)
        self._tell_blocks(neighbour)
        if neighbour.extended:
            self._outbox.send(neighbour.key, m.Extended(0, self._hello()))
        return yielding

    def learned(self, *, private: bool) -> list[Neighbour]:
        """The metainfo has come, so what we say of ourselves has changed: it is said again (BEP 10).

        Returns those whom we may not know, because the share is private and only hearsay led us there.
        """
        rumoured = set()
        if private:
            self._extensions.private()
            rumoured = self._addresses.forget_hearsay()
        outsiders = []
        for neighbour in self._standing.neighbours.values():
            if neighbour.outgoing and neighbour.address in rumoured:
                outsiders.append(neighbour)
            elif neighbour.greeted and neighbour.extended:
                self._outbox.send(neighbour.key, m.Extended(0, self._hello()))
        return outsiders

    def _hello(self) -> bytes:
        ours = ExtendedHandshake(
            client=CLIENT,
            port=self._identity.port,
            queue=MAX_QUEUED,
            name=self._identity.name,
            span=MAX_SPAN,
        )
        return self._extensions.hello(ours)

    def _succeeds(self, newcomer: Neighbour, twin: Neighbour, peer_id: bytes, now: float) -> bool:
        """Whether `newcomer`, which says that it is who `twin` is, takes its place.

        A wire id is no secret, so to claim one proves nothing. Where a tracker lists it counts: whom we have
        dialled there, or who comes from that IP address. An origin's is proved by nothing but our dial.
        """
        told = self._addresses.who(peer_id)
        if newcomer.outgoing != twin.outgoing:
            if told is not None and told.origin:
                return newcomer.outgoing
            # Two dials at once: both sides keep the one that the lower peer id made. But one that is in
            # use is not given up for who has only just dialled us.
            ours_first = self._identity.peer_id < peer_id
            return newcomer.outgoing == ours_first and (newcomer.outgoing or not twin.traded)
        if told is not None and newcomer.address[0] == told.ip != twin.address[0]:
            return True
        same = newcomer.address[0] == twin.address[0] and not twin.fast
        return same and now - twin.last_received >= MUTE_SECONDS

    def _probe(self, twin: Neighbour, now: float) -> None:
        """Make a neighbour speak, if it still can: its cable may be cut, and that be its successor.

        By BEP 6 a request is always answered, if only by a rejection; that is why one byte is asked for.
        """
        silent = twin.probed_at is None and now > twin.last_received
        if silent and twin.fast and self._standing.layout.block_count:
            twin.probed_at = now
            self._outbox.send(twin.key, m.Request(0, 0, 1))

    def overdue(self, neighbour: Neighbour, now: float) -> str:
        """Why this neighbour has been silent for too long, or ""."""
        silent = now - neighbour.last_received
        if not neighbour.greeted and now - neighbour.connected_at > HANDSHAKE_SECONDS:
            return "no handshake"
        return f"silent for {silent:.0f} s" if silent > SILENCE_SECONDS or self._dead(neighbour, now) else ""

    def _dead(self, neighbour: Neighbour, now: float) -> bool:
        """Whether this neighbour was made to speak and did not."""
        if neighbour.probed_at is None:
            return False
        if neighbour.last_received > neighbour.probed_at:
            neighbour.probed_at = None
            return False
        return now - neighbour.probed_at >= PROBE_SECONDS

    def due(self, now: float, *, starving: bool) -> list[Address]:
        """Whom to dial now, noted as dialling."""
        here = self._standing.neighbours.values()
        met = {
            n.peer_id for n in here if n.peer_id is not None and (n.outgoing or not self._claims_origin(n))
        }
        if not self._standing.blocks.complete:
            return self._addresses.due(self._places.room(now, starving=starving), met, now)
        reached = {n.listens for n in here if n.listens is not None}
        coming = {
            n.address[0]
            for n in here
            if not (n.outgoing or n.introduced) and now - n.connected_at < GREETING_SECONDS
        }
        return self._addresses.needy(self._places.spare(), met, reached, coming, now)

    def parted(self, neighbour: Neighbour, now: float) -> None:
        """A neighbour is gone."""
        if neighbour.listens is not None and neighbour.holds_all(self._standing.blocks.full):
            self._addresses.seeds(neighbour.listens, now)
        if neighbour.outgoing:
            self._addresses.disconnected(neighbour.address, now)
        if neighbour.crossed is not None:
            # We gave up one and they the other: clients differ in which, and some keep what came first.
            dialled, kept_at = neighbour.crossed
            if now - kept_at < CROSSED_SECONDS:
                self._addresses.again(dialled, now + self._standing.rng.uniform(*AGAIN_SECONDS))

    def introduced(self, neighbour: Neighbour, hello: ExtendedHandshake, now: float) -> None:
        """A neighbour says which client it is and what it speaks.

        Raises:
            RemoteProtocolError: what it says for an extension makes no sense.
        """
        neighbour.client = hello.client
        if hello.port is not None and not neighbour.outgoing:
            neighbour.listens = neighbour.address[0], hello.port
        neighbour.minibit = hello.name is not None
        neighbour.name = hello.name or neighbour.name
        neighbour.span = max(neighbour.span, hello.span)  # what is cut stays so, whatever it says next
        for name, number in hello.extensions.items():
            if name in self._extensions:  # hellos may be repeated for ever, with other names each time
                neighbour.extensions[name] = number
        neighbour.supply.queue_limit = hello.queue or neighbour.supply.queue_limit
        self._extensions.met(neighbour, hello, now)

    def name(self, neighbour: Neighbour) -> None:
        """What a tracker says of this peer, if it says anything."""
        neighbour.expected |= neighbour.peer_id in self._standing.grants
        told = self._addresses.who(neighbour.peer_id)
        if told is not None and not self._claims_origin(neighbour):
            neighbour.expected |= told.ip == neighbour.address[0]
            neighbour.name = told.name or neighbour.name
            neighbour.origin = told.origin

    def _claims_origin(self, neighbour: Neighbour) -> bool:
        """Whether this neighbour says that it is an origin, which is believed of those whom we dialled."""
        told = self._addresses.who(neighbour.peer_id)
        return told is not None and told.origin and not neighbour.outgoing

    def _tell_blocks(self, neighbour: Neighbour) -> None:
        blocks, have = self._standing.blocks, self._standing.blocks.have
        neighbour.told = have
        if self._offers is not None and self._offers.lacking(self._standing.copies.held):
            self._offers.greet(neighbour.key)
            have = 0
        if neighbour.fast and not have:
            self._outbox.send(neighbour.key, m.HaveNone())
        elif neighbour.fast and have == blocks.full:
            self._outbox.send(neighbour.key, m.HaveAll())
        elif have:
            wire = bitfield.to_wire(have, self._standing.layout.block_count)
            self._outbox.send(neighbour.key, m.Bitfield(wire))


def _keep(kept: Neighbour, other: Neighbour, now: float) -> None:
    """Of two connections to one peer this one is kept; if we had dialled one of them, two dials crossed."""
    if kept.outgoing != other.outgoing:
        kept.crossed = (kept.address if kept.outgoing else other.address), now
