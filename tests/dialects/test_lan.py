"""Local discovery's datagrams (BEP 14): as the BEP shows them, and whatever else may be shouted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.dialects import lan
from minibit.dialects.lan import MAX_DATAGRAM, MAX_HASHES, Search

HASH = bytes(range(20))


def test_a_search_looks_as_in_the_bep() -> None:
    assert Search(6881, (HASH,), "abc").encode(4) == (
        b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n"
        b"Infohash: 000102030405060708090a0b0c0d0e0f10111213\r\ncookie: abc\r\n\r\n\r\n"
    )
    assert b"Host: [ff15::efc0:988f]:6771\r\n" in Search(6881, (HASH,)).encode(6)


@given(st.integers(1, 65535), st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=5))
def test_every_search_survives(port: int, hashes: list[bytes]) -> None:
    said = Search(port, tuple(hashes), "c00k1e")
    assert lan.decode(said.encode(4)) == said


def test_other_spellings_and_unknown_headers() -> None:
    datagram = (
        f"BT-SEARCH * HTTP/1.1\r\nhost: x\r\nPORT:6881\r\nX: y\r\nINFOHASH: {HASH.hex().upper()}\r\n\r\n"
    )
    assert lan.decode(datagram.encode()) == Search(6881, (HASH,))


def test_no_more_hashes_are_read_than_so_many() -> None:
    said = lan.decode(Search(1, (HASH,) * (MAX_HASHES + 3)).encode(4))
    assert said is not None
    assert len(said.info_hashes) == MAX_HASHES


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\xff" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\n\r\n\r\n",
        Search(0, (HASH,)).encode(4),
        Search(65536, (HASH,)).encode(4),
        Search(1, (HASH[:19],)).encode(4),
        Search(1, (HASH,)).encode(4) + b"x" * MAX_DATAGRAM,
    ],
)
def test_what_is_none(datagram: bytes) -> None:
    assert lan.decode(datagram) is None


@given(st.binary(max_size=200))
def test_anything_may_be_shouted(datagram: bytes) -> None:
    lan.decode(b"BT-SEARCH * HTTP/1.1\r\n" + datagram)
