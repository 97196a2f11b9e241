"""Searches in a DHT in memory: of hundreds of honest nodes, of silent ones, of liars without end."""

import hashlib
from collections.abc import Callable
from heapq import nsmallest
from random import Random

import pytest

from minibit.address import Address, PeerAddress
from minibit.dialects import krpc
from minibit.dialects.krpc import Answer, Contact
from minibit.engine.dht import (
    ANSWER_SECONDS,
    AT_ONCE,
    FIRST_PAUSE,
    MAX_FOUND,
    MAX_KNOWN,
    MAX_QUESTIONS,
    NEAREST,
    PAUSE,
    Datagram,
    Dht,
)
from minibit.torrent import bencode

HASH = b"#" * 20
TOKEN = b"token"


def distance(node_id: bytes) -> int:
    return int.from_bytes(node_id, "big") ^ int.from_bytes(HASH, "big")


class World:
    """Nodes in memory, and a client's view of them. Each knows those whose ids are nearest to its own, and a
    few others, as Kademlia's buckets would have it."""

    def __init__(self, count: int, *, silent: int = 0, seed: int = 1) -> None:
        rng = Random(seed)
        self.now = 1000.0
        self.ids: dict[Address, bytes] = {
            (f"10.{i // 250}.{i % 250}.1", 6881): hashlib.sha1(b"%d" % i).digest() for i in range(count)
        }
        self.knows: dict[Address, list[Address]] = {}
        everybody = list(self.ids)
        for place, node_id in self.ids.items():
            near = nsmallest(12, everybody, key=lambda a: _xor(self.ids[a], node_id))
            self.knows[place] = near + rng.sample(everybody, min(30, count))
        self.silent = set(rng.sample(everybody, silent))
        self.peers: dict[Address, list[PeerAddress]] = {}
        self.asked: list[Address] = []
        self.announced: dict[Address, int] = {}
        self.answer: Callable[[Address, dict[bytes, object]], Answer | None] = self._honest
        self.dht = Dht(HASH, 7000, Random(seed), self.now)

    def nearest(self, count: int) -> list[Address]:
        return nsmallest(count, self.ids, key=lambda address: distance(self.ids[address]))

    def run(self, seconds: float) -> None:
        """Let time pass; answers come at once."""
        end = self.now + seconds
        while True:
            self._deliver(self.dht.tick(self.now))
            due = max(self.dht.next_deadline(), self.now + 0.01)
            if due > end:
                self.now = end
                return
            self.now = due

    def _deliver(self, sent: list[Datagram]) -> None:
        waiting = list(sent)
        while waiting:
            assert len(self.dht._open) <= AT_ONCE + NEAREST
            datagram, address = waiting.pop(0)
            said = bencode.decode(datagram)
            assert said[b"ro"] == 1
            arguments = said[b"a"] | {b"t": said[b"t"]}
            if said[b"q"] == b"announce_peer":
                assert arguments[b"token"] == TOKEN
                self.announced[address] = arguments[b"port"]
                answer: Answer | None = Answer(said[b"t"], self.ids.get(address, bytes(20)))
            else:
                self.asked.append(address)
                answer = self.answer(address, arguments)
            if answer is not None:
                waiting += self.dht.received(answer.encode(), address, self.now)

    def _honest(self, address: Address, arguments: dict[bytes, object]) -> Answer | None:
        if address in self.silent or address not in self.ids:
            return None
        assert arguments[b"info_hash"] == HASH
        near = nsmallest(NEAREST, self.knows[address], key=lambda a: distance(self.ids[a]))
        contacts = tuple(Contact(self.ids[each], each) for each in near)
        transaction = arguments[b"t"]
        assert isinstance(transaction, bytes)
        return Answer(transaction, self.ids[address], TOKEN, contacts, tuple(self.peers.get(address, ())))


def _xor(one: bytes, other: bytes) -> int:
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


@pytest.mark.parametrize("seed", range(3))
def test_a_search_ends_at_the_nearest_nodes_finds_peers_and_announces_us(seed: int) -> None:
    world = World(400, seed=seed)
    peer = PeerAddress("", "10.9.9.9", 6000)
    world.peers[world.nearest(1)[0]] = [peer]
    world.dht.learn(next(iter(world.ids)))
    world.run(30.0)
    assert world.dht.take_peers() == [peer]
    assert world.announced == dict.fromkeys(world.nearest(NEAREST), 7000)
    assert len(world.asked) < 60
    assert world.dht.searches == 1


def test_silent_nodes_cost_a_while_and_nothing_else() -> None:
    world = World(300, silent=100)
    awake = [address for address in world.ids if address not in world.silent]
    world.dht.learn(awake[0])
    world.run(120.0)
    nearest = nsmallest(NEAREST, awake, key=lambda address: distance(world.ids[address]))
    assert set(nearest[:4]) <= set(world.announced)
    assert not set(world.announced) & world.silent


def test_it_searches_again_soon_if_nobody_was_found_and_else_rarely() -> None:
    world = World(50)
    world.dht.learn(next(iter(world.ids)))
    world.run(FIRST_PAUSE * 7.5)  # 0, 15, 45 and 105 s
    assert world.dht.searches == 4
    world.peers[world.nearest(1)[0]] = [PeerAddress("", "10.9.9.9", 6000)]
    world.run(FIRST_PAUSE * 8.5)
    assert world.dht.searches == 5
    world.run(PAUSE + 5)
    assert world.dht.searches == 6


def test_later_searches_begin_with_the_nodes_that_answered() -> None:
    world = World(200)
    root = next(iter(world.ids))
    world.dht.learn(root)
    world.run(5.0)
    world.silent = {root}
    world.asked.clear()
    world.run(FIRST_PAUSE + 5)
    assert world.dht.answered >= NEAREST
    assert len(world.asked) < 30


def test_without_any_node_it_waits() -> None:
    world = World(1)
    world.run(100.0)
    assert (world.dht.searches, world.dht.answered, world.asked) == (3, 0, [])


def test_liars_that_name_ever_nearer_nodes_come_to_an_end() -> None:
    world = World(1)
    numbers = iter(range(1, 1 << 30))

    def lie(_: Address, arguments: dict[bytes, object]) -> Answer:
        fresh = [next(numbers) for _ in range(30)]
        nodes = tuple(
            Contact(
                HASH[:17] + number.to_bytes(3, "big"), (f"10.1.{number // 250 % 250}.{number % 250}", 6881)
            )
            for number in fresh
        )
        peers = tuple(PeerAddress("", "10.2.0.1", 1024 + number % 60_000) for number in fresh)
        transaction = arguments[b"t"]
        assert isinstance(transaction, bytes)
        return Answer(transaction, nodes[0].node_id, TOKEN, nodes, peers)

    world.answer = lie
    world.dht.learn(("10.0.0.1", 6881))
    world.run(5.0)
    assert len(world.asked) == MAX_QUESTIONS
    assert world.dht.searches == 1
    assert len(world.dht.take_peers()) == MAX_FOUND
    world.dht._begin()
    assert len(world.dht._nodes) <= MAX_KNOWN


def test_nodes_elsewhere_aim_us_at_nobody_here() -> None:
    world = World(1)
    bad: list[Address] = [("127.0.0.1", 6881), ("192.168.0.1", 6881), ("9.9.9.9", 53), ("0.0.0.0", 6881)]

    def lie(_: Address, arguments: dict[bytes, object]) -> Answer:
        transaction = arguments[b"t"]
        assert isinstance(transaction, bytes)
        nodes = tuple(Contact(HASH, each) for each in bad)
        return Answer(transaction, bytes(20), b"", nodes, tuple(PeerAddress("", *each) for each in bad))

    world.answer = lie
    world.dht.learn(("8.8.8.8", 6881))
    world.run(5.0)
    assert world.asked == [("8.8.8.8", 6881)]
    assert world.dht.take_peers() == []
    assert world.announced == {}, "it gave no token"


def test_what_nobody_asked_for_is_nobodys() -> None:
    dht = Dht(HASH, 7000, Random(1), 0.0)
    dht.learn(("10.0.0.1", 6881))
    ((question, address),) = dht.tick(0.0)
    transaction = bencode.decode(question)[b"t"]
    peer = PeerAddress("", "10.0.0.9", 6000)
    for datagram, place in (
        (Answer(transaction, bytes(20), TOKEN, (), (peer,)).encode(), ("10.0.0.2", 6881)),
        (Answer(b"????", bytes(20), TOKEN, (), (peer,)).encode(), address),
        (b"garbage", address),
    ):
        assert dht.received(datagram, place, 0.1) == []
    assert dht.take_peers() == []
    dht.received(b"d1:eli203e2:noe1:t4:" + transaction + b"1:y1:ee", address, 0.2)
    assert (dht.searches, dht.answered) == (1, 0), "it cannot answer"


def test_an_answer_that_comes_late_is_nobodys() -> None:
    dht = Dht(HASH, 7000, Random(1), 0.0)
    dht.learn(("10.0.0.1", 6881))
    ((question, address),) = dht.tick(0.0)
    assert dht.next_deadline() == ANSWER_SECONDS
    dht.tick(ANSWER_SECONDS)
    late = Answer(bencode.decode(question)[b"t"], bytes(20), TOKEN)
    assert dht.received(late.encode(), address, ANSWER_SECONDS + 0.1) == []
    assert isinstance(krpc.decode(late.encode()), Answer)
    assert dht.answered == 0
