"""Bencode: everything canonical survives a round trip, everything else is refused before it can hurt."""

import bencode2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import BencodeError
from minibit.torrent import bencode
from minibit.torrent.bencode import MAX_DEPTH

VALUES = st.recursive(
    st.integers(-(2**80), 2**80) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.binary(max_size=10), inner, max_size=6),
    max_leaves=30,
)


@given(VALUES)
def test_every_value_survives(value: object) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_canonical_or_refused(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except BencodeError:
        return
    assert bencode.encode(value) == data


@given(VALUES, st.data())
def test_a_damaged_value_is_canonical_or_refused(value: object, data: st.DataObject) -> None:
    whole = bytearray(bencode.encode(value))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        damaged = bencode.decode(bytes(whole))
    except BencodeError:
        return
    assert bencode.encode(damaged) == whole


@given(VALUES, st.data())
def test_a_truncated_value_is_refused(value: object, data: st.DataObject) -> None:
    whole = bencode.encode(value)
    with pytest.raises(BencodeError):
        bencode.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"e",
        b"ie",
        b"i1",
        b"i-0e",
        b"i00e",
        b"i01e",
        b"i-01e",
        b"i+1e",
        b"i 1e",
        b"i1_0e",
        b"i1.5e",
        b"i--1e",
        b"i\xd9\xa1e",
        b"1:",
        b"01:a",
        b"-1:a",
        b"+1:a",
        b"1 :a",
        b"5:abc",
        b"99999999999999999999:a",
        b"l",
        b"li1e",
        b"d",
        b"d1:ae",
        b"di1ei2ee",
        b"dle1:ae",
        b"d1:bi1e1:ai1ee",
        b"d1:ai1e1:ai2ee",
        b"i1ei2e",
        b"i1e\n",
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(BencodeError, match="not valid bencode"):
        bencode.decode(data)


@pytest.mark.parametrize(("opening", "closing"), [(b"l", b"e"), (b"d1:a", b"e")])
def test_depth_is_bounded(opening: bytes, closing: bytes) -> None:
    deepest = opening * (MAX_DEPTH - 1) + b"le" + closing * (MAX_DEPTH - 1)
    assert bencode.encode(bencode.decode(deepest)) == deepest
    with pytest.raises(BencodeError, match="nested deeper than 100"):
        bencode.decode(opening + deepest + closing)


@pytest.mark.parametrize("data", [b"l" * 1_000_000, b"l" * 500_000 + b"e" * 500_000, b"d1:a" * 200_000])
def test_depth_that_would_end_the_process_is_refused(data: bytes) -> None:
    with pytest.raises(BencodeError, match="nested deeper than 100"):
        bencode.decode(data)


@pytest.mark.parametrize("data", [b"i" + b"9" * 1_000_000 + b"e", b"9" * 1_000_000 + b":a"])
def test_absurd_numbers_are_refused(data: bytes) -> None:
    with pytest.raises(BencodeError):
        bencode.decode(data)


def test_size_is_bounded_before_anything_is_parsed() -> None:
    assert bencode.decode(b"4:abcd", max_bytes=6) == b"abcd"
    with pytest.raises(BencodeError, match="7 bytes exceeds the limit of 6"):
        bencode.decode(b"?" * 7, max_bytes=6)


def test_dictionaries_are_written_sorted_by_raw_bytes() -> None:
    assert bencode.encode({"b": 1, "a": 2, b"\xff": 3}) == b"d1:ai2e1:bi1e1:\xffi3ee"


def attacks(items: int) -> list[bytes]:
    """Few bytes that would be many objects: `items` of them and one more."""
    return [
        b"l" + b"le" * items + b"e",
        b"l" + b"de" * items + b"e",
        b"l" + b"i0e" * items + b"e",
        b"l" + b"0:" * items + b"e",
        b"d" + b"".join(b"4:%04di0e" % key for key in range(items // 2)) + b"e" + b"i0e",
        b"l" + b"le" * items,  # and it need not even be bencode
    ]


@pytest.mark.parametrize("data", attacks(1000), ids=lambda data: repr(data[:8]))
def test_two_bytes_for_each_empty_list_build_nothing(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[bytes] = []
    monkeypatch.setattr(bencode2, "bdecode", built.append)
    with pytest.raises(BencodeError, match="more than 1000 values"):
        bencode.decode(data, max_items=1000)
    assert built == []


def test_sixty_megabytes_of_empty_lists_are_refused() -> None:
    with pytest.raises(BencodeError, match="more than 1500000 values"):
        bencode.decode(b"l" + b"le" * 30_000_000 + b"e")


@given(VALUES)
def test_as_many_values_as_are_allowed_pass(value: object) -> None:
    data, count = bencode.encode(value), number_of_values(value)
    assert bencode.decode(data, max_items=count) == value
    with pytest.raises(BencodeError, match="values"):
        bencode.decode(data, max_items=count - 1)


def number_of_values(value: object) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(number_of_values, value.values()))
    return 1 + sum(map(number_of_values, value)) if isinstance(value, list) else 1
