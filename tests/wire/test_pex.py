"""Peer exchange messages (BEP 11): what comes back as it went, what is passed over, what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.errors import RemoteProtocolError
from minibit.torrent import bencode
from minibit.wire import pex
from minibit.wire.pex import MAX_ADDED, REACHABLE, SEED, Exchange

FOUR = PeerAddress("", "10.0.0.1", 258)
SIX = PeerAddress("", "2001:db8::1", 6881)
PEERS = st.builds(PeerAddress, st.just(""), st.ip_addresses(v=4).map(str), st.integers(1, 65535))


def test_both_families_and_their_flags() -> None:
    body = Exchange(((SIX, SEED), (FOUR, REACHABLE)), (FOUR, SIX)).encode()
    fields = bencode.decode(body)
    assert fields[b"added"] == bytes([10, 0, 0, 1, 1, 2])
    assert (fields[b"added.f"], fields[b"added6.f"]) == (bytes([REACHABLE]), bytes([SEED]))
    assert pex.decode(body) == Exchange(((FOUR, REACHABLE), (SIX, SEED)), (FOUR, SIX))


@given(st.lists(st.tuples(PEERS, st.integers(0, 255)), max_size=20), st.lists(PEERS, max_size=20))
def test_every_message_survives(added: list[tuple[PeerAddress, int]], dropped: list[PeerAddress]) -> None:
    message = Exchange(tuple(added), tuple(dropped))
    assert pex.decode(message.encode()) == message


def test_flags_that_are_missing_are_none_and_port_0_shifts_nobodys() -> None:
    packed = bytes([10, 0, 0, 9, 0, 0]) + bytes([10, 0, 0, 1, 1, 2])
    body = bencode.encode({"added": packed, "added.f": b"\x01\x02", "dropped": 5})
    assert pex.decode(body) == Exchange(((FOUR, 2),))
    assert pex.decode(bencode.encode({"added": packed})) == Exchange(((FOUR, 0),))


def test_no_more_than_so_many_are_read() -> None:
    packed = b"".join(bytes([10, 0, i // 256, i % 256, 1, 2]) for i in range(2 * MAX_ADDED))
    read = pex.decode(bencode.encode({"added": packed, "dropped": packed}))
    assert (len(read.added), len(read.dropped)) == (MAX_ADDED, MAX_ADDED)


@pytest.mark.parametrize("body", [b"", b"le", b"d", b"x" * 20_000])
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="peer exchange"):
        pex.decode(body)
