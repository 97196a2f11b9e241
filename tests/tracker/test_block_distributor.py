"""Grants rule by rule, and copies that agree with counting one by one."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.errors import UsageError
from minibit.tracker.block_distributor import BlockDistributor, capacity
from minibit.tracker.peer_manager import MAX_ACTIVE


@given(st.integers(1, 400), st.integers(0, 2**32))
def test_a_grant_is_between_30_and_50_percent(count: int, seed: int) -> None:
    granted = BlockDistributor(count).grant("ana", Random(seed))
    assert granted >> count == 0
    size = granted.bit_count()
    assert size == 1 if count == 1 else 0.3 * count <= size <= 0.5 * count


def test_every_size_and_every_block_is_dealt_alike() -> None:
    rng = Random(5)
    sizes: Counter[int] = Counter()
    blocks: Counter[int] = Counter()
    for number in range(4000):
        granted = BlockDistributor(20).grant(number.to_bytes(4, "big"), rng)
        sizes[granted.bit_count()] += 1
        blocks.update(bitfield.indices(granted))
    assert set(sizes) == {6, 7, 8, 9, 10}
    assert all(700 <= times <= 900 for times in sizes.values())
    assert all(1450 <= blocks[block] <= 1750 for block in range(20))


@pytest.mark.parametrize(
    ("count", "low", "high", "sizes"),
    [
        (100, 0.55, 0.55, {55}),
        (10, 0.33, 0.34, {3}),
        (10, 1.0, 1.0, {10}),
        (10, 0.0, 0.0, {0}),
        (10, 0.0, 0.2, {1, 2}),
        (1, 0.3, 0.5, {1}),
    ],
)
def test_a_grant_is_rounded_into_its_bounds(count: int, low: float, high: float, sizes: set[int]) -> None:
    seen = {BlockDistributor(count, low, high).grant("a", Random(seed)).bit_count() for seed in range(40)}
    assert seen == sizes


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.3), (-0.1, 0.5), (0.3, 1.1), (float("nan"), 0.5)])
def test_an_impossible_grant_is_the_users_mistake(low: float, high: float) -> None:
    with pytest.raises(UsageError):
        BlockDistributor(10, low, high)


def test_a_second_grant_is_nothing_new() -> None:
    distributor = BlockDistributor(40)
    rng = Random(1)
    first = distributor.grant("ana", rng)
    assert distributor.grant("ana", rng) == 0
    assert distributor.granted("ana") == first
    assert distributor.granted("bia") == 0


def test_a_peer_that_returns_keeps_its_grant() -> None:
    distributor = BlockDistributor(40)
    rng = Random(1)
    first = distributor.grant("ana", rng)
    distributor.drop("ana")
    assert distributor.granted("ana") == 0
    assert distributor.grant("ana", rng) == 0
    assert distributor.granted("ana") == first
    distributor.drop("nobody")
    assert distributor.grant("nobody", rng) != 0


def test_only_so_many_departed_grants_are_remembered() -> None:
    distributor = BlockDistributor(40, remembered=2)
    rng = Random(1)
    for name in "abc":
        distributor.grant(name, rng)
    for name in "abc":
        distributor.drop(name)
    assert [bool(distributor.grant(name, rng)) for name in "abc"] == [True, False, False]


def test_the_origin_is_complete_but_its_copies_do_not_count() -> None:
    distributor = BlockDistributor(3)
    distributor.hold("origin", 0b111, counted=False)
    distributor.hold("ana", 0b101)
    assert [distributor.copies(block) for block in range(3)] == [1, 0, 1]
    assert (distributor.rarest_copies, distributor.complete) == (0, 1)
    distributor.hold("ana", 0b111)
    assert (distributor.rarest_copies, distributor.complete) == (1, 2)
    distributor.drop("origin")
    assert (distributor.rarest_copies, distributor.complete) == (1, 1)


COUNT = 12
steps = st.lists(
    st.tuples(st.sampled_from("abcdefghijklmnop"), st.none() | st.integers(0, bitfield.full(COUNT))),
    max_size=60,
)


@given(steps)
def test_copies_agree_with_counting(history: list[tuple[str, int | None]]) -> None:
    distributor = BlockDistributor(COUNT)
    model: dict[str, int] = {}
    for name, blocks in history:
        if blocks is None:
            distributor.drop(name)
            model.pop(name, None)
        else:
            distributor.hold(name, blocks)
            model[name] = blocks
    counts = [sum(held >> block & 1 for held in model.values()) for block in range(COUNT)]
    assert [distributor.copies(block) for block in range(COUNT)] == counts
    assert distributor.rarest_copies == min(counts)
    assert distributor.complete == sum(held == bitfield.full(COUNT) for held in model.values())
    assert all(distributor.held(name) == model.get(name, 0) for name in "abcdefghijklmnop")


def test_a_huge_share_has_fewer_places() -> None:
    assert capacity(2048) == MAX_ACTIVE
    assert 100 < capacity(1 << 21) < 500
