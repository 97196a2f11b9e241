"""Some peers at random: everybody as likely as everybody else, in one order with what replies hold."""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minibit.address import PACKED_FOUR, PACKED_SIX
from minibit.tracker.peer_record import PeerRecord
from minibit.tracker.pool import Pool


def record(number: int, ip: str = "10.0.0.1") -> PeerRecord:
    return PeerRecord(f"p{number}", ip, 5000 + number)


def filled(count: int, rng: Random) -> tuple[Pool, list[PeerRecord]]:
    pool, records = Pool(PACKED_FOUR), [record(number) for number in range(count)]
    for each in records:
        pool.add(each, rng)
    return pool, records


def test_every_order_is_as_likely_whoever_came_and_went() -> None:
    rng = Random(7)
    orders: Counter[str] = Counter()
    for _ in range(6000):
        pool, records = filled(4, rng)
        pool.remove(records[1])
        orders[" ".join(each.name for each in pool.records)] += 1
    assert len(orders) == 6
    assert all(880 <= seen <= 1120 for seen in orders.values())


def test_of_one_order_too_everybody_is_drawn_alike() -> None:
    rng = Random(7)
    pool, records = filled(9, rng)
    drawn = Counter(each.name for _ in range(4000) for each in pool.draw(3, rng, records[4]))
    assert set(drawn) == {each.name for each in records} - {"p4"}
    assert all(1380 <= times <= 1620 for times in drawn.values())


@pytest.mark.parametrize("count", [-1, 0])
def test_nobody_is_drawn_if_nobody_is_wanted(count: int) -> None:
    pool, _ = filled(3, Random(7))
    assert pool.draw(count, Random(7)) == []
    assert pool.draw_packed(count, Random(7)) == b""


class Churn(RuleBasedStateMachine):
    """Peers come and go: the pool is a set of them, and its buffer says what its records say."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(PACKED_SIX)
        self.model: dict[int, PeerRecord] = {}
        self.rng = Random(7)

    numbers = st.integers(0, 9)

    @rule(number=numbers)
    def add(self, number: int) -> None:
        if number not in self.model:
            self.model[number] = record(number, "2001:db8::1")
            self.pool.add(self.model[number], self.rng)

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        if number in self.model:
            self.pool.remove(self.model.pop(number))

    @rule(number=numbers, count=st.integers(0, 12), seed=st.integers(0, 99))
    def ask(self, number: int, count: int, seed: int) -> None:
        absent = self.model.get(number, record(number))
        others = {each.name: each for each in self.model.values() if each is not absent}
        drawn = self.pool.draw(count, Random(seed), absent)
        assert {each.name for each in drawn} <= set(others)
        assert len({each.name for each in drawn}) == len(drawn) == min(count, len(others))
        packed = b"".join(each.address.packed for each in drawn)
        assert self.pool.draw_packed(count, Random(seed), absent) == packed

    @invariant()
    def everybody_has_his_place(self) -> None:
        assert sorted(each.name for each in self.pool.records) == sorted(
            each.name for each in self.model.values()
        )
        assert [each.place for each in self.pool.records] == list(range(len(self.model)))


TestChurn = Churn.TestCase
TestChurn.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
