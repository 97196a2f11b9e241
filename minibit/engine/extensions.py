"""The extensions that we speak, by name: one table from BEP 10's name to who hears it.

A side chooses the ids under which it wants to hear each extension; ours follow from the order of the table.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from minibit.address import PeerAddress
from minibit.engine.addresses import AddressBook
from minibit.engine.neighbour import Neighbour
from minibit.engine.standing import Standing
from minibit.wire.extended import ExtendedHandshake
from minibit.wire.messages import Extended


class Say(Struct, frozen=True):
    """Send this body to this neighbour, under the extension's name."""

    key: int
    body: bytes


class Hearsay(Struct, frozen=True):
    """These peers are said to be in the swarm, by somebody who may lie."""

    peers: tuple[PeerAddress, ...]


Wish = Say | Hearsay
"""What a handler wants done. What is for a neighbour that does not speak the extension is not sent."""


class Handler:
    """Who speaks one extension; this one has nothing to say. Its methods return what is to be done.

    `spoken` is whether we want to hear it, which our next hello says. `met` and `hear` may raise
    `RemoteProtocolError`: what came is none of this extension's, and the connection is closed.
    """

    spoken = True

    def hello(self, ours: ExtendedHandshake) -> ExtendedHandshake:
        """Our extended handshake, with what this extension adds to it."""
        return ours

    def met(self, neighbour: Neighbour, theirs: ExtendedHandshake, now: float) -> Iterable[Wish]:
        """A neighbour's extended handshake has come, which may come again."""
        del neighbour, theirs, now
        return ()

    def hear(self, neighbour: Neighbour, body: bytes, now: float) -> Iterable[Wish]:
        """A message has come."""
        del neighbour, body, now
        return ()

    def tick(self, standing: Standing, now: float) -> Iterable[Wish]:
        """About a second has passed."""
        del standing, now
        return ()

    def parted(self, key: int, now: float) -> Iterable[Wish]:
        """This neighbour is gone; it may be one that was never met."""
        del key, now
        return ()

    def private(self) -> None:
        """The share turns out to be private (BEP 27)."""


class Extensions:
    """The table. `addresses` hears of the peers that handlers hear of."""

    def __init__(self, handlers: Mapping[str, Handler], standing: Standing, addresses: AddressBook) -> None:
        self._handlers = dict(handlers)
        self._numbers = {name: number for number, name in enumerate(handlers, start=1)}
        self._by_id = dict(enumerate(handlers, start=1))
        self._standing = standing
        self._addresses = addresses

    def __contains__(self, name: str) -> bool:
        return name in self._handlers

    def hello(self, ours: ExtendedHandshake) -> bytes:
        """`ours` with all that the extensions add to it, encoded."""
        for name, handler in self._handlers.items():
            ours.extensions[name] = self._numbers[name] * handler.spoken
            ours = handler.hello(ours)
        return ours.encode()

    def met(self, neighbour: Neighbour, theirs: ExtendedHandshake, now: float) -> None:
        """A neighbour's extended handshake has come; raises `RemoteProtocolError` if it cannot stay."""
        for name, handler in self._handlers.items():
            self._do(name, handler.met(neighbour, theirs, now), now)

    def hear(self, neighbour: Neighbour, message: Extended, now: float) -> None:
        """Hand a message to who hears it. What is for nobody is passed over (BEP 10)."""
        name = self._by_id.get(message.extension)
        if name is not None:
            self._do(name, self._handlers[name].hear(neighbour, message.body, now), now)

    def tick(self, now: float) -> None:
        """About a second has passed."""
        for name, handler in self._handlers.items():
            self._do(name, handler.tick(self._standing, now), now)

    def parted(self, key: int, now: float) -> None:
        """This neighbour is gone."""
        for name, handler in self._handlers.items():
            self._do(name, handler.parted(key, now), now)

    def private(self) -> None:
        """The share is private: its peers come from its trackers alone (BEP 27)."""
        for handler in self._handlers.values():
            handler.private()

    def _do(self, name: str, wishes: Iterable[Wish], now: float) -> None:
        for wish in wishes:
            match wish:
                case Say(key, body):
                    neighbour = self._standing.neighbours.get(key)
                    theirs = neighbour.extensions.get(name) if neighbour is not None else None
                    if theirs:
                        self._standing.outbox.send(key, Extended(theirs, body))
                case Hearsay(peers):
                    for peer in peers:
                        self._addresses.learn(peer, now, hearsay=True)
