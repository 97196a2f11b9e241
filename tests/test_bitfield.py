"""Bitfields against the plain sets that they stand for."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.errors import RemoteProtocolError

SETS = st.integers(1, 600).flatmap(
    lambda count: st.tuples(st.sets(st.integers(0, count - 1)), st.just(count)),
)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (0, "none"),
        (0b1, "1 (0)"),
        (0b1110_1001, "5 (0, 3, 5–7)"),
        (sum(1 << 2 * run for run in range(8)), "8 (0, 2, 4, 6, 8, 10, 12, 14)"),
        (sum(1 << 2 * run for run in range(5000)), "5000 (0, 2, 4, 6, 8, 10, 12, 14, …)"),
    ],
)
def test_blocks_are_listed_as_far_as_a_line_has_room(blocks: int, said: str) -> None:
    assert bitfield.listed(blocks) == said


@given(SETS)
def test_a_set_survives(case: tuple[set[int], int]) -> None:
    blocks, count = case
    bits = bitfield.from_indices(blocks, count)
    assert bits == sum(1 << block for block in blocks)
    assert list(bitfield.indices(bits)) == sorted(blocks)


@given(SETS)
def test_the_wire_carries_every_set(case: tuple[set[int], int]) -> None:
    blocks, count = case
    bits = bitfield.from_indices(blocks, count)
    data = bitfield.to_wire(bits, count)
    assert len(data) == (count + 7) // 8
    assert {i for i in range(count) if data[i // 8] >> (7 - i % 8) & 1} == blocks  # BEP 3's own words
    assert bitfield.from_wire(data, count) == bits


@given(SETS)
def test_nth_is_the_place_in_the_sorted_set(case: tuple[set[int], int]) -> None:
    blocks, count = case
    bits = bitfield.from_indices(blocks, count)
    assert [bitfield.nth(bits, rank) for rank in range(len(blocks))] == sorted(blocks)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 4096])
def test_full_is_every_block(count: int) -> None:
    assert list(bitfield.indices(bitfield.full(count))) == list(range(count))
    assert bitfield.from_wire(bitfield.to_wire(bitfield.full(count), count), count) == bitfield.full(count)


def test_the_first_block_is_the_highest_bit() -> None:
    assert bitfield.to_wire(0b1, 9) == b"\x80\x00"
    assert bitfield.to_wire(1 << 8, 9) == b"\x00\x80"


def test_nothing_is_the_empty_set() -> None:
    assert bitfield.full(0) == 0
    assert list(bitfield.indices(0)) == []
    assert bitfield.from_indices([], 5) == 0


@pytest.mark.parametrize("index", [-1, 8, 1 << 70])
def test_a_block_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="is not in 0–7"):
        bitfield.from_indices([0, index], 8)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00\x00"])
def test_a_bitfield_of_the_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="for 9 blocks"):
        bitfield.from_wire(data, 9)


@pytest.mark.parametrize("spare", range(1, 8))
def test_spare_bits_are_refused(spare: int) -> None:
    with pytest.raises(RemoteProtocolError, match="spare bits"):
        bitfield.from_wire(bytes([0, 1 << (spare - 1)]), 16 - spare)


def test_choose_is_fair_and_repeats_with_its_seed() -> None:
    bits = bitfield.from_indices([2, 3, 500, 511], 600)
    rng = Random(7)
    drawn = [bitfield.choose(bits, rng) for _ in range(4000)]
    counts = Counter(drawn)
    assert set(counts) == {2, 3, 500, 511}
    assert all(850 < count < 1150 for count in counts.values())
    again = Random(7)
    assert drawn == [bitfield.choose(bits, again) for _ in range(4000)]


@given(SETS, st.integers(0, 600))
def test_the_lowest_are_the_first(case: tuple[set[int], int], count: int) -> None:
    blocks, _ = case
    assert list(bitfield.indices(bitfield.lowest(bitfield.union(blocks), count))) == sorted(blocks)[:count]
