"""Bencode as others write it: everything that the strict one says, and what is written carelessly."""

from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minibit.errors import BencodeError
from minibit.torrent import bencode
from minibit.torrent.lenient import MAX_DEPTH, decode

values = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def careless(value: Any, rng: Random) -> bytes:
    """`value` with its keys in any order, some twice, and zeros before numbers."""
    zeros = b"0" * rng.randrange(3)
    match value:
        case int():
            return b"i%s%s%de" % (b"-" * (value < 0), zeros, abs(value))
        case bytes():
            return b"%s%d:%s" % (zeros, len(value), value)
        case list():
            return b"l%se" % b"".join(careless(each, rng) for each in value)
    entries = list(value.items())
    rng.shuffle(entries)
    entries += [(key, b"too late") for key, _ in entries[: rng.randrange(2)]]
    return b"d%se" % b"".join(careless(key, rng) + careless(each, rng) for key, each in entries)


@given(values, st.integers(), st.binary(max_size=8))
def test_what_is_meant_is_taken_however_it_is_written(value: Any, seed: int, behind: bytes) -> None:
    data = careless(value, Random(seed))
    assert decode(data + behind) == (value, len(data))


@given(values)
def test_what_the_strict_one_accepts_means_the_same(value: Any) -> None:
    data = bencode.encode(value)
    assert decode(data) == (bencode.decode(data), len(data))


@given(st.text("dlei0123456789:-ab", max_size=40).map(str.encode) | st.binary(max_size=40))
@example(b"")
@example(b"5:cut")
@example(b"i+1e")
@example(b"i-e")
@example(b"d1:a")
@example(b"di1ei2ee")
@example(b"l" * 2000)
@example(b"9999999999:")
def test_nonsense_is_refused_in_one_way(data: bytes) -> None:
    try:
        _, used = decode(data)
    except BencodeError:
        return
    assert 0 < used <= len(data)


def test_depth_and_number_of_values_are_bounded() -> None:
    deepest = b"l" * MAX_DEPTH + b"i1e" + b"e" * MAX_DEPTH
    decode(deepest)
    with pytest.raises(BencodeError):
        decode(b"l" + deepest + b"e")
    decode(b"l" + b"le" * 9 + b"e", max_items=10)
    with pytest.raises(BencodeError):
        decode(b"l" + b"le" * 10 + b"e", max_items=10)
    with pytest.raises(BencodeError):
        decode(b"i" + b"1" * 5000 + b"e")
