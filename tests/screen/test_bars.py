from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from minibit import bitfield
from minibit.screen import bars

COUNTS = st.integers(1, 300)
CELLS = st.integers(1, 120)


def styles(text: Text) -> str:
    """The style of each character, by its first letter."""
    marks = [" "] * len(text)
    for start, end, style in text.spans:
        marks[start:end] = str(style)[0] * (end - start)
    return "".join(marks)


@given(COUNTS, CELLS)
def test_cells_cover_all_blocks_in_order_and_none_is_blind(count: int, cells: int) -> None:
    spans = [bars.span(cell, cells, count) for cell in range(cells)]
    assert spans[0][0] == 0
    assert spans[-1][1] == count
    assert all(start < stop for start, stop in spans)
    assert all(left[1] in (right[0], right[0] + 1) for left, right in pairwise(spans))


@given(COUNTS, CELLS, st.data())
def test_a_cell_is_full_iff_all_of_it_is_held_and_empty_iff_none_is(
    count: int, cells: int, data: st.DataObject
) -> None:
    blocks = data.draw(st.integers(0, bitfield.full(count)))
    held = set(bitfield.indices(blocks))
    line = bars.bar(blocks, count, cells).plain
    assert len(line) == cells
    for cell, glyph in enumerate(line):
        covered = set(range(*bars.span(cell, cells, count)))
        assert (glyph == "█") == (covered <= held)
        assert (glyph == "·") == (not covered & held)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_blocks_are_never_a_lighter_shade(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bars.SHADES.index(bars.shade(low)) <= bars.SHADES.index(bars.shade(high))


def test_shades() -> None:
    assert "".join(map(bars.shade, (0, 0.01, 0.4, 0.99, 1))) == "·░▒▓█"


def test_a_complete_bar_has_a_colour_of_its_own() -> None:
    assert bars.bar(0b1111, 4, 4).spans[0].style == bars.WHOLE
    assert bars.bar(0b0111, 4, 4).spans[0].style == bars.HELD
    assert bars.bar(0b1111, 4, 4, "yellow").spans[0].style == "yellow"


def test_a_share_of_no_blocks_is_an_empty_bar() -> None:
    assert bars.bar(0, 0, 5).plain == "·····"
    assert bars.block_map(0, 0, 0, 0, 5, 3).plain == "·····"


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 62), CELLS)
def test_a_split_fills_its_width(first: int, second: int, cells: int) -> None:
    line = bars.split(first, second, cells, ("yellow", "cyan")).plain
    assert len(line) == cells
    if first + second:
        assert abs(line.count("▒") - cells * first / (first + second)) <= 0.5001
    else:
        assert line == "·" * cells


def test_a_map_tells_traded_granted_arriving_and_missing_blocks_apart() -> None:
    #            block 0: traded, 1: granted and held, 2: granted, not held, 3: in flight, 4: missing
    picture = bars.block_map(0b00011, 0b01000, 0b00110, 5, 5, 1)
    assert picture.plain == "█■·▁·"
    assert styles(picture) == "cbbyb"
    assert [str(span.style) for span in picture.spans] == ["cyan", "bright_blue", "yellow", "bright_black"]


def test_a_shared_cell_that_gets_more_keeps_its_shade_and_takes_the_arriving_colour() -> None:
    picture = bars.block_map(0b0001, 0b0010, 0, 4, 2, 1)
    assert picture.plain == "▒·"
    assert picture.spans[0].style == bars.IN_FLIGHT


@given(st.integers(1, 2000), st.integers(10, 120), st.integers(1, 4))
def test_a_map_fits_its_room_and_gives_each_block_a_cell_if_it_can(count: int, width: int, most: int) -> None:
    lines = bars.block_map(bitfield.full(count), 0, 0, count, width, most).plain.split("\n")
    assert len(lines) <= most
    assert max(map(len, lines)) <= width
    assert sum(map(len, lines)) >= min(count, width * most)
    assert set("".join(lines)) == {"█"}


def test_the_legend_names_every_glyph_of_the_map() -> None:
    assert [entry.plain for entry in bars.legend()] == [
        "█ have",
        "■ have, granted",
        "▁ in flight",
        "· missing",
    ]
