"""Whom to dial when, whom never again, and that strangers cannot make the book grow."""

import pytest

from minibit.address import Address, PeerAddress
from minibit.engine.addresses import (
    FOREIGN_SECONDS,
    GREETING_SECONDS,
    LASTING,
    MAX_ADDRESSES,
    MAX_BANS,
    MAX_DIALLING,
    MAX_FAILURES,
    MAX_HEARSAY,
    MAX_HEARSAY_FAILURES,
    AddressBook,
)
from minibit.engine.neighbour import source
from minibit.engine.rates import TokenBucket
from minibit.net.gateway import DIAL_SECONDS, MAX_TRIES, TRIES_PER_SECOND

OWN = b"o" * 20
ANA = PeerAddress("ana", "10.0.0.1", 5001, b"a" * 20)
BIA = PeerAddress("bia", "10.0.0.2", 5002, b"b" * 20)
FOREIGN = PeerAddress("", "10.0.0.3", 5003)


def at(peer: PeerAddress) -> Address:
    return peer.ip, peer.port


def somebody(number: int) -> PeerAddress:
    return PeerAddress("", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 6881)


def book_of(*peers: PeerAddress) -> AddressBook:
    book = AddressBook(OWN)
    for peer in peers:
        book.learn(peer, 0.0)
    return book


def due(
    book: AddressBook, now: float = 0.0, room: int = 50, connected: frozenset[bytes] = frozenset()
) -> list[Address]:
    return book.due(room, set(connected), now)


def test_everybody_we_hear_of_is_dialled_once() -> None:
    book = book_of(ANA, BIA, FOREIGN, ANA)
    assert due(book) == [at(ANA), at(BIA), at(FOREIGN)]
    assert due(book) == []
    assert due(book, float("inf")) == []


def test_no_more_than_there_is_room_for() -> None:
    book = book_of(ANA, BIA, FOREIGN)
    assert due(book, room=-3) == due(book, room=0) == []
    assert due(book, room=2) == [at(ANA), at(BIA)]


def test_a_few_dials_at_a_time() -> None:
    book = book_of(*(somebody(n) for n in range(50)))
    assert len(due(book)) == MAX_DIALLING
    assert due(book) == []
    book.failed(at(somebody(0)), 0.0)
    book.connected(at(somebody(1)), 0.0)
    assert len(due(book)) == 2


def test_who_is_connected_is_not_dialled() -> None:
    book = book_of(ANA, FOREIGN)
    assert due(book, connected=frozenset({b"a" * 20})) == [at(FOREIGN)]
    book.connected(at(FOREIGN), 0.0)
    assert due(book, now=1e6, connected=frozenset({b"a" * 20})) == []


def test_a_foreign_peer_is_known_by_the_id_that_it_showed() -> None:
    book = book_of(FOREIGN)
    due(book)
    book.connected(at(FOREIGN), 0.0)
    book.identified(at(FOREIGN), b"f" * 20)
    book.disconnected(at(FOREIGN), 1e3)
    assert due(book, now=1e6, connected=frozenset({b"f" * 20})) == []
    assert due(book, now=1e6) == [at(FOREIGN)]


def test_failures_wait_longer_each_time_until_the_address_is_forgotten() -> None:
    book = book_of(ANA)
    now = 0.0
    for wait in (2.0, 4.0, 8.0, 16.0, 32.0):
        assert due(book, now) == [at(ANA)]
        book.failed(at(ANA), now)
        assert due(book, now + wait - 0.01) == []
        now += wait
    assert due(book, now) == [at(ANA)]
    book.failed(at(ANA), now)
    assert due(book, now + 1e6) == []
    book.learn(ANA, now)
    assert due(book, now) == [at(ANA)], "somebody told us of it anew"


def test_who_answers_only_to_hang_up_is_not_dialled_for_ever() -> None:
    book = book_of(FOREIGN)
    dials, now = 0, 0.0
    while now < 3600.0:
        for address in due(book, now):
            dials += 1
            book.connected(address, now)
            book.identified(address, b"f" * 20)
            book.disconnected(address, now)
        now += 1.0
    assert dials == MAX_FAILURES


def test_a_connection_that_lasted_is_dialled_again_soon() -> None:
    book = book_of(ANA)
    for attempt in range(4):
        now = 100.0 * attempt
        due(book, now)
        book.failed(at(ANA), now)
    due(book, 1000.0)
    book.connected(at(ANA), 1000.0)
    book.disconnected(at(ANA), 1000.0 + LASTING)
    assert due(book, 1000.0 + LASTING + 1.99) == []
    assert due(book, 1000.0 + LASTING + 2.0) == [at(ANA)]


def test_somebody_new_at_an_old_address_gets_a_fresh_start() -> None:
    book = book_of(ANA)
    due(book)
    book.failed(at(ANA), 0.0)
    assert due(book, 1.0) == []
    book.learn(PeerAddress("ana", ANA.ip, ANA.port, b"A" * 20), 1.0)
    assert due(book, 1.0) == [at(ANA)]


def test_what_is_heard_of_an_address_again_does_not_hurry_a_retry() -> None:
    book = book_of(ANA)
    due(book)
    book.failed(at(ANA), 0.0)
    book.learn(ANA, 0.1)
    book.learn(PeerAddress("", ANA.ip, ANA.port), 0.2)
    assert due(book, 1.0) == []


def test_our_own_address_is_dropped_for_good() -> None:
    ours = PeerAddress("", "10.0.0.9", 5009)
    book = book_of(PeerAddress("me", "10.0.0.8", 5008, OWN), ours)
    assert due(book) == [at(ours)]
    book.connected(at(ours), 0.0)
    book.identified(at(ours), OWN)
    book.disconnected(at(ours), 0.0)
    book.learn(ours, 1.0)
    assert due(book, 1e6) == []


def test_who_somebody_is() -> None:
    book = book_of(ANA, FOREIGN)
    assert book.who(ANA.bt_id) == ANA
    assert book.who(None) is None
    assert book.who(b"?" * 20) is None
    renamed = PeerAddress("anna", ANA.ip, ANA.port, ANA.bt_id, origin=True)
    book.learn(renamed, 1.0)
    assert book.who(ANA.bt_id) == renamed


def test_the_unheard_of_do_no_harm() -> None:
    book = AddressBook(OWN)
    book.failed(at(ANA), 0.0)
    book.connected(at(ANA), 0.0)
    book.identified(at(ANA), b"a" * 20)
    book.disconnected(at(ANA), 0.0)
    assert due(book) == []


# --- bans


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "fe80::1", "::1"])
def test_behind_a_private_address_it_is_the_peer_that_is_banned(ip: str) -> None:
    guilty, honest = PeerAddress("x", ip, 1, b"x" * 20), PeerAddress("y", ip, 2, b"y" * 20)
    book = book_of(guilty, honest)
    assert book.ban(source((ip, 1), b"x" * 20, outgoing=True))
    assert book.banned((ip, 1))
    assert not book.banned((ip, 2))
    assert not book.banned((ip, 99), b"x" * 20), "to say its id proves nothing"
    assert not book.ban(source((ip, 1), b"z" * 20, outgoing=True)), "that is no news"
    book.learn(guilty, 1.0)
    assert due(book, 1.0) == [at(honest)]


def test_who_dialled_us_is_banned_by_the_id_that_it_said_from_where_it_said_it() -> None:
    book = book_of(ANA)
    book.ban(source(("10.0.0.66", 40000), b"a" * 20, outgoing=False))
    assert book.banned(("10.0.0.66", 40001), b"a" * 20)
    assert not book.banned(("10.0.0.66", 40001), b"b" * 20)
    assert not book.banned(("10.0.0.1", 40001), b"a" * 20), "whose id it is, is not guilty"
    assert due(book) == [at(ANA)]


@pytest.mark.parametrize("ip", ["8.8.8.8", "2001:4860:4860::8888"])
@pytest.mark.parametrize("outgoing", [True, False])
def test_on_the_internet_it_is_the_address_that_is_banned(ip: str, outgoing: bool) -> None:
    book = book_of(PeerAddress("x", ip, 1, b"x" * 20), PeerAddress("y", ip, 2, b"y" * 20), ANA)
    book.ban(source((ip, 1), b"x" * 20, outgoing=outgoing))
    assert book.banned((ip, 2), b"z" * 20)
    assert book.banned((ip, 3))
    assert not book.banned(("9.9.9.9", 3), b"x" * 20)
    assert due(book) == [at(ANA)]


# --- bounds


def test_strangers_cannot_make_the_book_grow() -> None:
    book = AddressBook(OWN)
    for number in range(3 * MAX_ADDRESSES):
        peer = somebody(number)
        book.learn(PeerAddress("n", peer.ip, peer.port, number.to_bytes(20, "big")), 0.0)
        book.identified(at(peer), OWN if number % 2 else b"q" * 20)
    assert len(book._entries) <= MAX_ADDRESSES
    assert len(book._who) <= MAX_ADDRESSES
    assert len(book._mine) <= MAX_ADDRESSES


def test_who_was_heard_of_last_is_remembered_longest() -> None:
    book = book_of(ANA, BIA, ANA)
    for number in range(MAX_ADDRESSES - 1):
        peer = somebody(number)
        book.learn(PeerAddress("n", peer.ip, peer.port, number.to_bytes(20, "big")), 0.0)
    assert book.who(ANA.bt_id) == ANA
    assert book.who(BIA.bt_id) is None


def test_bans_are_bounded_and_the_oldest_goes_first() -> None:
    book = AddressBook(OWN)
    for number in range(MAX_BANS + 1):
        book.ban(source(("10.0.0.1", 1), number.to_bytes(20, "big"), outgoing=False))
    assert not book.banned(("10.0.0.1", 1), (0).to_bytes(20, "big"))
    assert book.banned(("10.0.0.1", 1), MAX_BANS.to_bytes(20, "big"))


def test_hearsay_comes_last_and_takes_no_place_from_what_trackers_say() -> None:
    book = AddressBook(OWN)
    for number in range(MAX_ADDRESSES):
        book.learn(somebody(number), 0.0, hearsay=True)
    assert book.known == MAX_HEARSAY
    book.learn(ANA, 0.0)
    assert due(book)[0] == at(ANA)


@pytest.mark.parametrize("seed", [False, True])
def test_who_tries_what_we_do_not_speak_and_never_answers_keeps_us_from_nobody(seed: bool) -> None:
    book = AddressBook(OWN)
    tries = TokenBucket(TRIES_PER_SECOND, MAX_TRIES, 0.0)
    vain: list[tuple[float, Address]] = []
    waiting: dict[Address, float] = {}
    waited: list[float] = []
    for number in range(4000):
        now = number / 10
        while vain and vain[0][0] <= now:
            book.failed(vain.pop(0)[1], now)
        if tries.ready(now):
            tries.take(1)
            book.learn(somebody(number), now, hearsay=True)
        if number % 100 == 0:
            told = PeerAddress("", f"192.0.2.{number // 100}", 6881)
            book.learn(told, now)
            waiting[at(told)] = now
        for address in book.needy(50, set(), set(), set(), now) if seed else due(book, now):
            if address in waiting:
                waited.append(now - waiting.pop(address))
                book.connected(address, now)
            else:
                vain.append((now + DIAL_SECONDS, address))
        assert book.known < len(waited) + len(waiting) + MAX_HEARSAY / 10
    assert len(waited) == 40
    assert max(waited) < 1.0


def test_whom_a_seed_waits_for_at_an_address_it_does_not_wait_for_long() -> None:
    book = book_of(FOREIGN)
    coming = {FOREIGN.ip}
    assert book.needy(50, set(), set(), coming, FOREIGN_SECONDS) == []
    assert book.needy(50, set(), set(), coming, FOREIGN_SECONDS + GREETING_SECONDS) == [at(FOREIGN)]


def test_who_is_known_by_hearsay_alone_is_given_up_sooner() -> None:
    book = AddressBook(OWN)
    book.learn(FOREIGN, 0.0, hearsay=True)
    for _ in range(MAX_HEARSAY_FAILURES):
        assert due(book, 1e9) == [at(FOREIGN)]
        book.failed(at(FOREIGN), 0.0)
    assert book.known == 0


def test_what_a_tracker_confirms_is_hearsay_no_more_and_never_becomes_it() -> None:
    book = AddressBook(OWN)
    book.learn(FOREIGN, 0.0, hearsay=True)
    book.learn(BIA, 0.0, hearsay=True)
    book.learn(FOREIGN, 0.0)
    book.learn(ANA, 0.0)
    book.learn(ANA, 0.0, hearsay=True)
    assert book.forget_hearsay() == {at(BIA)}
    assert due(book) == [at(FOREIGN), at(ANA)]
