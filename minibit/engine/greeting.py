"""Who we are and who they are: handshakes (BEP 3), extended handshakes (BEP 10), and the names of both.

It decides who may be a neighbour at all; what neighbours then do for each other is unknown here.
"""

from dataclasses import dataclass
from typing import Final

from minibit import __version__, bitfield
from minibit.engine.addresses import AddressBook
from minibit.engine.extensions import Extensions
from minibit.engine.neighbour import Neighbour
from minibit.engine.offers import Offers
from minibit.engine.standing import Standing
from minibit.engine.uploads import MAX_QUEUED
from minibit.errors import RemoteProtocolError
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake

CLIENT: Final = f"MiniBit {__version__}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a peer is: its name among people, its 20-byte wire id, the port it listens on."""

    name: str
    peer_id: bytes
    port: int


class Greeting:
    """What we say first, and what we make of what others say first. `ours` is our handshake."""

    def __init__(
        self,
        standing: Standing,
        identity: Identity,
        info_hash: bytes,
        addresses: AddressBook,
        extensions: Extensions,
        offers: Offers | None,
    ) -> None:
        self._standing = standing
        self._outbox = standing.outbox
        self._identity = identity
        self._addresses = addresses
        self._extensions = extensions
        self._offers = offers
        self.ours = m.Handshake(info_hash, identity.peer_id)

    def handshake(self, neighbour: Neighbour, theirs: m.Handshake) -> Neighbour | None:
        """A neighbour says who it is. Returns the older connection to the same peer that yields to this one.

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
        if self._addresses.banned(neighbour.address, peer_id):
            raise RemoteProtocolError("banned")
        twin = next((n for n in self._standing.neighbours.values() if n.peer_id == peer_id), None)
        if twin is not None:
            # Two connections at once: both sides keep the one that the lower peer id dialled.
            ours_first = self._identity.peer_id < peer_id
            if neighbour.outgoing == twin.outgoing or neighbour.outgoing != ours_first:
                raise RemoteProtocolError("a second connection to the same peer")
        neighbour.peer_id = peer_id
        neighbour.fast, neighbour.extended = theirs.fast, theirs.extended
        self.name(neighbour)
        if not neighbour.outgoing:
            self._outbox.send(neighbour.key, self.ours)
        self._tell_blocks(neighbour)
        if neighbour.extended:
            hello = ExtendedHandshake(
                extensions=self._extensions.ids,
                client=CLIENT,
                port=self._identity.port,
                queue=MAX_QUEUED,
                name=self._identity.name,
            )
            self._outbox.send(neighbour.key, m.Extended(0, hello.encode()))
        return twin

    def introduced(self, neighbour: Neighbour, hello: ExtendedHandshake) -> None:
        """A neighbour says which client it is and what it speaks."""
        neighbour.client = hello.client
        neighbour.minibit = hello.name is not None
        neighbour.name = hello.name or neighbour.name
        for name, number in hello.extensions.items():
            if name in self._extensions.ids:  # hellos may be repeated for ever, with other names each time
                neighbour.extensions[name] = number
        neighbour.supply.queue_limit = hello.queue or neighbour.supply.queue_limit

    def name(self, neighbour: Neighbour) -> None:
        """What a tracker says of this peer, if it says anything."""
        told = self._addresses.who(neighbour.peer_id)
        if told is not None:
            neighbour.expected |= told.ip == neighbour.address[0]
            neighbour.name = told.name or neighbour.name
            neighbour.origin = told.origin

    def _tell_blocks(self, neighbour: Neighbour) -> None:
        blocks, have = self._standing.blocks, self._standing.blocks.have
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
