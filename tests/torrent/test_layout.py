"""How a share is cut, by arithmetic that needs no list of blocks."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minibit.torrent.layout import CHUNK_SIZE, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, UNKNOWN, Layout, block_size_for

KIB, MIB = 1 << 10, 1 << 20


@given(st.integers(1, 1 << 40), st.integers(10, 24).map(lambda power: 1 << power))
def test_a_layout_cuts_without_gap_or_overlap(total: int, block_size: int) -> None:
    layout = Layout(total, block_size)
    last = layout.block_count - 1
    assert last * block_size + layout.block_length(last) == total
    assert 0 < layout.block_length(last) <= block_size
    for block in {0, last}:
        chunks = layout.chunk_count(block)
        lengths = [length for _, length in layout.spans(block, (1 << chunks) - 1, 1)]
        assert len(lengths) == chunks
        assert sum(lengths) == layout.block_length(block)
        assert all(0 < length <= CHUNK_SIZE for length in lengths)


SMALL = Layout(11 * CHUNK_SIZE + 100, 7 * CHUNK_SIZE)  # of 7 and 5 chunks, the last one short


@given(st.integers(0, 1), st.integers(0, 127), st.integers(1, 9))
def test_spans_are_the_chunks_in_a_row(block: int, chunks: int, most: int) -> None:
    chunks &= (1 << SMALL.chunk_count(block)) - 1
    spans = list(SMALL.spans(block, chunks, most))
    assert spans == sorted(spans)
    sets = [SMALL.chunks(block, begin, length) for begin, length in spans]
    assert sum(sets) == chunks, "each chunk once"
    assert all(0 < each.bit_count() <= most for each in sets)
    for (begin, length), (following, _), each in zip(spans, spans[1:], sets, strict=False):
        assert begin + length < following or each.bit_count() == most, "as many in a row as there are"


@given(st.integers(0, 1), st.integers(0, 8 * CHUNK_SIZE), st.integers(1, 8 * CHUNK_SIZE))
@example(0, 5, 7 * CHUNK_SIZE - 10)  # as late at its beginning as early at its end
@example(0, 10000, 7 * CHUNK_SIZE - 20000)
@example(1, 5, 4 * CHUNK_SIZE + 90)
def test_bytes_that_are_no_whole_chunks_are_none(block: int, begin: int, length: int) -> None:
    if SMALL.contains(block, begin, length):
        end = begin + length
        whole = begin % CHUNK_SIZE == 0 and (end % CHUNK_SIZE == 0 or end == SMALL.block_length(block))
        assert bool(SMALL.chunks(block, begin, length)) == whole


@given(st.integers(1, 5000), st.integers(-10, 10), st.integers(-10, 2000), st.integers(-10, 2000))
def test_contains_is_membership(total: int, block: int, begin: int, length: int) -> None:
    layout = Layout(total, 1024)
    inside = (
        length > 0
        and block in range(layout.block_count)
        and set(range(begin, begin + length)) <= set(range(layout.block_length(block)))
    )
    assert layout.contains(block, begin, length) == inside


@given(st.integers(1, 5000), st.integers(0, 31))
def test_the_size_of_a_set_is_that_of_its_blocks(total: int, blocks: int) -> None:
    layout = Layout(total, 1024)
    blocks &= (1 << layout.block_count) - 1
    lengths = (layout.block_length(block) for block in range(layout.block_count) if blocks >> block & 1)
    assert layout.size_of(blocks) == sum(lengths)


@given(st.integers(1, 1 << 50))
def test_block_sizes_are_powers_of_two_that_make_few_blocks_and_not_too_few(total: int) -> None:
    size = block_size_for(total)
    count = Layout(total, size).block_count
    assert size & (size - 1) == 0
    assert MIN_BLOCK_SIZE <= size <= MAX_BLOCK_SIZE
    assert count >= 256 or size == MIN_BLOCK_SIZE
    assert count <= 512 or size >= 1 << 20
    assert count <= 2048 or size == MAX_BLOCK_SIZE


@pytest.mark.parametrize(
    ("total", "size", "count"),
    [
        (1, 16 * KIB, 1),
        (4 * MIB - 1, 16 * KIB, 256),
        (8 * MIB - 1, 16 * KIB, 512),
        (8 * MIB, 32 * KIB, 256),
        (256 * MIB - 1, 512 * KIB, 512),
        (256 * MIB, MIB, 256),
        (2048 * MIB, MIB, 2048),
        (2048 * MIB + 1, 2 * MIB, 1025),
        (32 << 30, 16 * MIB, 2048),
        (100 << 30, 16 * MIB, 6400),
    ],
)
def test_the_default_block_sizes(total: int, size: int, count: int) -> None:
    assert block_size_for(total) == size
    assert Layout(total, size).block_count == count


def test_an_unknown_layout_has_nothing() -> None:
    assert (UNKNOWN.block_count, UNKNOWN.size_of(0)) == (0, 0)
    assert not UNKNOWN.contains(0, 0, 1)
