"""Who is active: indexes that agree, expiry by kind, a bound, and fair draws."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minibit.address import PACKED_FOUR, PACKED_SIX, PeerAddress, compact_peers
from minibit.dialects.refusal import RequestError
from minibit.tracker.peer_manager import FOREIGN_LIFETIME, LIFETIME, PeerManager
from minibit.tracker.peer_record import PeerRecord


def record(
    name: str, bt_id: bytes | None = None, *, origin: bool = False, foreign: bool = False
) -> PeerRecord:
    port = 5000 + sum(name.encode())
    return PeerRecord(name, "127.0.0.1", port, bt_id, origin=origin, foreign=foreign)


def with_peers(*names: str, now: float = 0.0) -> PeerManager:
    manager = PeerManager(Random(7))
    for name in names:
        manager.add(record(name), now)
    return manager


def test_a_peer_is_found_by_name_and_by_id() -> None:
    manager = PeerManager(Random(7))
    ana = record("ana", bt_id=b"a" * 20)
    manager.add(ana, 5.0)
    assert ana.timestamp == 5.0
    assert manager.get("ana") is manager.by_id(b"a" * 20) is ana
    manager.identify(ana, b"b" * 20)
    assert manager.by_id(b"a" * 20) is None
    assert manager.by_id(b"b" * 20) is ana
    manager.remove(ana)
    assert manager.get("ana") is manager.by_id(b"b" * 20) is manager.by_id(None) is None
    assert list(manager) == []


def test_a_silent_peer_expires_and_one_that_spoke_does_not() -> None:
    manager = with_peers("ana", "bia", "caio")
    ana = manager.get("ana")
    assert ana is not None
    manager.heard(ana, 30.0)
    assert manager.expire(LIFETIME - 0.001) == []
    assert [gone.name for gone in manager.expire(LIFETIME)] == ["bia", "caio"]
    assert list(manager) == [ana]
    assert [gone.name for gone in manager.expire(30.0 + LIFETIME)] == ["ana"]


def test_a_foreign_client_lives_as_long_as_its_announces_are_apart() -> None:
    manager = with_peers("ana")
    manager.add(record("LT2110-3fa9", bt_id=b"x" * 20, foreign=True), 0.0)
    assert [gone.name for gone in manager.expire(FOREIGN_LIFETIME - 1)] == ["ana"]
    assert [gone.name for gone in manager.expire(FOREIGN_LIFETIME)] == ["LT2110-3fa9"]


def test_expiry_looks_at_nobody_but_the_oldest() -> None:
    """A clock that counts how often it is read when a peer was heard."""

    class Watched(PeerRecord):
        reads = 0

        def __getattribute__(self, name: str) -> object:
            if name == "timestamp":
                Watched.reads += 1
            return super().__getattribute__(name)

    manager = PeerManager(Random(7))
    for number in range(1000):
        manager.add(
            Watched(f"p{number}", "127.0.0.1", 5000, source=f"10.0.{number // 100}.1"), float(number) / 100
        )
    Watched.reads = 0
    assert manager.expire(20.0) == []
    assert Watched.reads <= 2


def test_the_origin_never_expires_counts_for_nobody_and_is_always_drawn() -> None:
    manager = with_peers("ana", "bia")
    origin = record("origin", origin=True)
    manager.add(origin, 0.0)
    assert len(manager) == 2
    assert next(iter(manager)) is origin
    assert all(origin in manager.draw(1) for _ in range(5))
    assert manager.draw(0) == []
    manager.expire(10_000.0)
    assert list(manager) == [origin]
    manager.remove(origin)
    assert list(manager) == []


def test_one_more_than_the_limit_is_refused() -> None:
    manager = PeerManager(Random(7), limit=2)
    manager.add(record("origin", origin=True), 0.0)
    manager.add(record("ana"), 0.0)
    manager.add(record("bia"), 0.0)
    with pytest.raises(RequestError, match="limit") as caught:
        manager.add(record("caio"), 0.0)
    assert caught.value.status == 429
    assert manager.get("caio") is None
    manager.expire(LIFETIME)
    manager.add(record("caio"), LIFETIME)
    assert len(manager) == 1


def test_a_draw_leaves_the_asker_out_and_is_fair() -> None:
    manager = with_peers(*(f"p{number}" for number in range(10)))
    asker = manager.get("p3")
    seen = [drawn.name for _ in range(900) for drawn in manager.draw(1, asker)]
    assert "p3" not in seen
    assert all(60 <= seen.count(f"p{number}") <= 140 for number in range(10) if number != 3)
    assert len(manager.draw(50, asker)) == 9


def test_who_was_met_is_drawn_first_and_a_few_of_the_others_too() -> None:
    manager = with_peers(*(f"p{number}" for number in range(200)))
    known = {f"p{number}" for number in range(40)}
    for name in known:
        met = manager.get(name)
        assert met is not None
        manager.meet(met)
    drawn = [peer.name for peer in manager.draw(20, manager.get("p0"))]
    assert (sum(name in known for name in drawn), len(drawn)) == (15, 20)
    assert all(name in known for name in drawn[:15])
    assert known < {peer.name for peer in manager.draw(199)}
    for number in range(40, 200):
        silent = manager.get(f"p{number}")
        assert silent is not None
        manager.remove(silent)
    assert {peer.name for peer in manager.draw(40)} == known, "who was met fills every place"


def test_another_process_under_a_name_has_yet_to_be_met() -> None:
    manager = with_peers("bia")
    ana = record("ana", bt_id=b"a" * 20)
    manager.add(ana, 0.0)
    manager.meet(ana)
    manager.meet(ana)
    assert {manager.draw(1)[0].name for _ in range(20)} == {"ana"}
    manager.identify(ana, b"b" * 20)
    assert {manager.draw(1)[0].name for _ in range(20)} == {"ana", "bia"}


SIZES = (PACKED_FOUR, PACKED_SIX)


def sorted_of(packed: bytes, size: int) -> list[bytes]:
    return sorted(packed[at : at + size] for at in range(0, len(packed), size))


def test_either_family_has_its_part_of_a_draw() -> None:
    manager = with_peers(*(f"p{number}" for number in range(30)))
    for number in range(10):
        six = PeerRecord(f"six{number}", "2001:db8::1", 5000 + number)
        manager.add(six, 0.0)
    drawn = [manager.draw_packed(20) for _ in range(300)]
    assert all(len(four) // PACKED_FOUR + len(six) // PACKED_SIX == 20 for four, six in drawn)
    assert 4.9 <= sum(len(six) for _, six in drawn) / PACKED_SIX / 300 <= 5.1


class Churn(RuleBasedStateMachine):
    """Peers come, speak, change ids and go in any order: the indexes agree with a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = PeerManager(Random(7), limit=6)
        self.model: dict[str, PeerRecord] = {}
        self.now = 0.0

    names = st.sampled_from("abcdefghij")

    @rule(name=names, foreign=st.booleans())
    def add(self, name: str, foreign: bool) -> None:
        if name in self.model:
            return
        fresh = record(name, foreign=foreign, bt_id=name.encode() * 20)
        try:
            self.manager.add(fresh, self.now)
        except RequestError:
            assert len(self.model) == 6
        else:
            self.model[name] = fresh

    @rule(name=names)
    def hear(self, name: str) -> None:
        if name in self.model:
            self.manager.heard(self.model[name], self.now)

    @rule(name=names)
    def remove(self, name: str) -> None:
        if name in self.model:
            self.manager.remove(self.model.pop(name))

    @rule(name=names)
    def meet(self, name: str) -> None:
        if name in self.model:
            self.manager.meet(self.model[name])

    @rule(name=names)
    def become_another_process(self, name: str) -> None:
        if name in self.model:
            self.manager.identify(self.model[name], name.upper().encode() * 20)
            assert not self.model[name].met

    @rule(name=names, port=st.integers(1, 9), source=st.sampled_from(["10.0.0.1", "2001:db8::1", "::1"]))
    def move(self, name: str, port: int, source: str) -> None:
        if name in self.model and self.manager.foreign_at(source, port) is None:
            self.manager.move(self.model[name], source, port, source)

    @rule(name=names, count=st.integers(0, 8))
    def ask(self, name: str, count: int) -> None:
        asker = self.model.get(name)
        drawn = {peer.name for peer in self.manager.draw(count, asker)}
        assert drawn <= set(self.model) - {name}
        assert len(drawn) == min(count, len(self.model) - (asker is not None))
        four, six = self.manager.draw_packed(count, asker)
        assert len(four) // PACKED_FOUR + len(six) // PACKED_SIX == len(drawn)

    @rule(step=st.floats(0, 400))
    def pass_time(self, step: float) -> None:
        self.now += step
        gone = {peer.name for peer in self.manager.expire(self.now)}
        for name, peer in list(self.model.items()):
            late = self.now - peer.timestamp >= (FOREIGN_LIFETIME if peer.foreign else LIFETIME)
            assert (name in gone) == late
            if late:
                del self.model[name]

    @invariant()
    def indexes_agree(self) -> None:
        assert {peer.name for peer in self.manager} == set(self.model)
        assert len(self.manager) == self.manager.everyone == len(self.model)
        for name, peer in self.model.items():
            assert self.manager.get(name) is self.manager.by_id(peer.bt_id) is peer
            assert (self.manager.foreign_at(peer.ip, peer.port) is peer) == peer.foreign
            assert peer.address == PeerAddress(name, peer.ip, peer.port, peer.bt_id)
        assert {p.name for p in self.manager.draw(10)} == set(self.model)
        packed = compact_peers(p.address for p in self.model.values())
        assert tuple(map(sorted_of, self.manager.draw_packed(10), SIZES)) == tuple(
            map(sorted_of, packed, SIZES)
        )
        assert self.manager.nowhere == sum(p.address.is_nowhere for p in self.model.values())


TestChurn = Churn.TestCase
TestChurn.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
