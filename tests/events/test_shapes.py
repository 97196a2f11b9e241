"""Shapes by themselves, where a round trip of events does not reach."""

import pytest

from minibit import bitfield
from minibit.events.shapes import Blocks, Number, Shape, shapes_of


def shape(annotated: object) -> Shape:
    found = annotated.__metadata__[0]  # type: ignore[attr-defined]
    assert isinstance(found, Shape)
    return found


@pytest.mark.parametrize(("blocks", "written"), [(0, ""), (1, "80"), (0b1000_0000_1, "8080"), (0xFF, "ff")])
def test_blocks_are_hex_in_wire_order_without_zeros_at_the_end(blocks: int, written: str) -> None:
    both = shape(Blocks)
    assert both.write is not None
    assert both.write(blocks) == written
    assert both.read(written) == blocks
    assert both.read(written + "00" * 5) == blocks


@pytest.mark.parametrize("value", ["0", "xy", 7, None, "00" * ((1 << 18) + 1)])
def test_what_is_no_set_of_blocks(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        shape(Blocks).read(value)


def test_the_largest_share_fits() -> None:
    full = bitfield.full(1 << 21)
    both = shape(Blocks)
    assert both.write is not None
    assert both.read(both.write(full)) == full


def test_numbers_are_the_same_bytes_everywhere() -> None:
    write = shape(Number).write
    assert write is not None
    assert [write(each) for each in (1, 0.1 + 0.2, 1234567.891234)] == [1.0, 0.3, 1234567.891]


def test_a_class_tells_its_shapes_in_order() -> None:
    class Pair:
        first: Number
        second: Blocks

    assert list(shapes_of(Pair)) == ["first", "second"]
