"""Peer exchange (BEP 11): neighbours tell each other whom they are connected to, so a swarm needs no tracker.

What we tell: who is our neighbour and where it can be dialled, in a first message soon after a neighbour came
and then, if anything has changed, once a minute. What we hear is hearsay: the address book has few places for
it, asks it last, and here it is bounded by message, by neighbour and by what a teller may speak of at all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from minibit.address import Address, PeerAddress, credible, is_far
from minibit.engine.extensions import Handler, Hearsay, Say, Wish
from minibit.engine.neighbour import Neighbour
from minibit.engine.rates import TokenBucket
from minibit.engine.standing import Standing
from minibit.errors import RemoteProtocolError
from minibit.wire import pex
from minibit.wire.extended import ExtendedHandshake
from minibit.wire.pex import Exchange

FIRST_SECONDS: Final = 3.0  # after which a neighbour is told whom else we know
PAUSE: Final = 60.0  # between two messages to it
MAX_TOLD: Final = 50  # peers that are added in one message, and so many that are dropped
HEARD_BURST: Final = 6  # messages of one neighbour that are borne at once…
HEARD_PER_SECOND: Final = 1 / 30  # …and in the long run, where one a minute is right


class Partner(Struct):
    """A neighbour that exchanges peers: when it is told of some next, and whom it believes us to know."""

    due: float
    words: TokenBucket
    told: set[Address] = field(default_factory=set)


class Pex(Handler):
    """One peer's."""

    def __init__(self) -> None:
        self._partners: dict[int, Partner] = {}

    def met(self, neighbour: Neighbour, theirs: ExtendedHandshake, now: float) -> Iterable[Wish]:
        del theirs
        if neighbour.extensions.get(pex.NAME) and neighbour.key not in self._partners:
            words = TokenBucket(HEARD_PER_SECOND, HEARD_BURST, now)
            self._partners[neighbour.key] = Partner(now + FIRST_SECONDS, words)
        return ()

    def hear(self, neighbour: Neighbour, body: bytes, now: float) -> Iterable[Wish]:
        partner = self._partners.get(neighbour.key)
        if partner is None or not self.spoken:
            return ()
        if not partner.words.ready(now):
            raise RemoteProtocolError("exchanges peers too often")
        partner.words.take(1)
        teller = neighbour.address[0]
        peers: dict[Address | str, PeerAddress] = {}
        for peer, _ in pex.decode(body).added:
            if credible(peer, teller):
                # One machine on the internet is one peer; behind nearer addresses there may be many.
                peers.setdefault(peer.ip if is_far(peer.ip) else (peer.ip, peer.port), peer)
        return (Hearsay(tuple(peers.values())[: pex.MAX_ADDED]),)

    def tick(self, standing: Standing, now: float) -> Iterable[Wish]:
        due = [(key, each) for key, each in self._partners.items() if each.due <= now]
        if not due or not self.spoken:
            return ()
        full = standing.blocks.full
        here = {n.listens: _flags(n, full) for n in standing.neighbours.values() if n.listens and n.greeted}
        wishes: list[Wish] = []
        for key, partner in due:
            own = standing.neighbours[key].listens
            gone = [address for address in partner.told if address not in here][:MAX_TOLD]
            come = [each for each in here if each not in partner.told and each != own][:MAX_TOLD]
            partner.due = now + (PAUSE if gone or come else FIRST_SECONDS)
            if gone or come:
                partner.told.difference_update(gone)
                partner.told.update(come)
                added = tuple((PeerAddress("", *each), here[each]) for each in come)
                dropped = tuple(PeerAddress("", *each) for each in gone)
                wishes.append(Say(key, Exchange(added, dropped).encode()))
        return wishes

    def parted(self, key: int, now: float) -> Iterable[Wish]:
        del now
        self._partners.pop(key, None)
        return ()

    def private(self) -> None:
        self.spoken = False


def _flags(neighbour: Neighbour, full: int) -> int:
    seeds = neighbour.early.everything or neighbour.holds_all(full)
    return pex.SEED * seeds | pex.REACHABLE * neighbour.outgoing
