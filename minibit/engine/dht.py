"""The peers of one share, sought in the DHT (BEP 5), and ourselves announced there; sans I/O.

A search asks nodes for peers and for nodes whose ids are nearer to the info hash, the nearest first, a few
at a time, until the nearest known ones have all answered; these are then told where we listen. It is made
again and again: soon if nobody was found, and beginning with the nodes that answered last time. We answer
nobody (BEP 43), so nobody can have us send anything large, and since there is one target there are no
buckets: the routing table is the nearest nodes. Nodes are strangers: what they may name is bounded, in
number, by search and by place.
"""

from random import Random
from typing import Final

from msgspec import Struct

from minibit.address import Address, PeerAddress, credible
from minibit.dialects import krpc
from minibit.dialects.krpc import AnnouncePeer, Answer, GetPeers

NEAREST: Final = 8  # nodes that hold the peers of a share (BEP 5's K)
AT_ONCE: Final = 4  # questions that are open
ANSWER_SECONDS: Final = 2.0
MAX_QUESTIONS: Final = 150  # of one search; Kademlia needs a few dozen
MAX_KNOWN: Final = 200  # nodes of one search
MAX_FOUND: Final = 200  # peers of one search
FIRST_PAUSE: Final = 15.0  # s between two searches that find nobody, doubled each time…
PAUSE: Final = 15 * 60.0  # …up to this, which is right for all others

Datagram = tuple[bytes, Address]


class Node(Struct):
    """A node of this search; its id is unknown while only its address is. `token`: it has answered."""

    node_id: bytes | None
    asked: bool = False
    token: bytes | None = None


class Question(Struct):
    """What was asked of whom."""

    address: Address
    end: float
    announces: bool = False


class Dht:
    """One peer of one share as the DHT sees it.

    Args:
        port: where we listen for peers.
        now: when the first search begins.
    """

    def __init__(self, info_hash: bytes, port: int, rng: Random, now: float) -> None:
        self.searches = 0  # that came to an end…
        self.answered = 0  # …and how many nodes answered in the last of them
        self._info_hash = info_hash
        self._target = int.from_bytes(info_hash, "big")
        self._port = port
        self._rng = rng
        self._own_id = rng.randbytes(20)
        self._roots: dict[Address, bytes | None] = {}
        self._nodes: dict[Address, Node] = {}
        self._open: dict[bytes, Question] = {}
        self._found: dict[Address, PeerAddress] = {}
        self._fresh: list[PeerAddress] = []
        self._questions = 0
        self._searching = False
        self._pause = FIRST_PAUSE
        self._next = now

    def learn(self, address: Address) -> None:
        """There is a node at this address: searches may begin with it."""
        self._roots.setdefault(address, None)

    @property
    def found(self) -> int:
        """How many peers this search, or the last one, has found."""
        return len(self._found)

    def take_peers(self) -> list[PeerAddress]:
        """The peers that were found since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def next_deadline(self) -> float:
        """When `tick` is to be called next."""
        if self._open:
            return min(question.end for question in self._open.values())
        return self._next

    def tick(self, now: float) -> list[Datagram]:
        """Time has passed; the datagrams to send."""
        for transaction in [each for each, question in self._open.items() if question.end <= now]:
            question = self._open.pop(transaction)
            if not question.announces:
                del self._nodes[question.address]  # it is silent
        if not self._searching and now >= self._next:
            self._begin()
        return self._go_on(now)

    def received(self, datagram: bytes, address: Address, now: float) -> list[Datagram]:
        """A datagram has come; the ones to send. What answers no question of ours is nobody's."""
        said = krpc.decode(datagram)
        question = None if said is None else self._open.get(said.transaction)
        if said is None or question is None or question.address != address:
            return []
        del self._open[said.transaction]
        if question.announces:
            return self._go_on(now)
        if isinstance(said, Answer):
            self._answered(self._nodes[address], said, address[0])
        else:
            del self._nodes[address]
        return self._go_on(now)

    # --- one search

    def _begin(self) -> None:
        self._searching = True
        self._questions = 0
        self._found.clear()
        self._nodes = {address: Node(node_id) for address, node_id in self._roots.items()}

    def _answered(self, node: Node, answer: Answer, teller: str) -> None:
        node.node_id, node.token = answer.node_id, answer.token
        for peer in answer.peers:
            where = peer.ip, peer.port
            if where not in self._found and len(self._found) < MAX_FOUND and credible(peer, teller):
                self._found[where] = peer
                self._fresh.append(peer)
        for contact in answer.nodes:
            place = PeerAddress("", *contact.address)
            if contact.node_id != self._own_id and credible(place, teller):
                self._nodes.setdefault(contact.address, Node(contact.node_id))
        if len(self._nodes) > MAX_KNOWN:
            idle = [each for each in self._nodes.items() if not each[1].asked]
            idle.sort(key=lambda each: self._distance(each[1]), reverse=True)
            for address, _ in idle[: len(self._nodes) - MAX_KNOWN]:
                del self._nodes[address]

    def _go_on(self, now: float) -> list[Datagram]:
        """Ask the nearest that were not asked; when all of them have answered, announce, and end."""
        if not self._searching:
            return []
        nearest = sorted(self._nodes.items(), key=lambda each: self._distance(each[1]))[:NEAREST]
        sent: list[Datagram] = []
        for address, node in nearest:
            if not node.asked and len(self._open) < AT_ONCE and self._questions < MAX_QUESTIONS:
                node.asked = True
                self._questions += 1
                transaction = self._ask(address, now)
                sent.append((GetPeers(transaction, self._own_id, self._info_hash).encode(), address))
        if not self._open:
            sent += self._end(now)
        return sent

    def _end(self, now: float) -> list[Datagram]:
        """Nobody is left to ask: tell the nearest of us, and remember them."""
        self._searching = False
        self.searches += 1
        answered = [each for each in self._nodes.items() if each[1].token is not None]
        answered.sort(key=lambda each: self._distance(each[1]))
        self.answered = len(answered)
        for address, node in answered[: 2 * NEAREST]:
            self._roots.pop(address, None)
            self._roots[address] = node.node_id
        while len(self._roots) > 4 * NEAREST:
            del self._roots[next(iter(self._roots))]
        self._nodes = {}
        self._next = now + (PAUSE if self._found else self._pause)
        self._pause = FIRST_PAUSE if self._found else min(2 * self._pause, PAUSE)
        sent: list[Datagram] = []
        for address, node in answered[:NEAREST]:
            if node.token:
                transaction = self._ask(address, now, announces=True)
                said = AnnouncePeer(transaction, self._own_id, self._info_hash, self._port, node.token)
                sent.append((said.encode(), address))
        return sent

    def _ask(self, address: Address, now: float, *, announces: bool = False) -> bytes:
        """The number of a question; nobody who cannot see it can answer it."""
        transaction = self._rng.randbytes(4)
        self._open[transaction] = Question(address, now + ANSWER_SECONDS, announces)
        return transaction

    def _distance(self, node: Node) -> int:
        """From the share, by XOR; whose id is unknown is asked first."""
        return 0 if node.node_id is None else int.from_bytes(node.node_id, "big") ^ self._target
