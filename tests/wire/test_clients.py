"""What a wire id says about its client (BEP 20), and that whatever it says can be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.wire.clients import client_of


@pytest.mark.parametrize(
    ("start", "client"),
    [
        (b"A2-1-36-0-", "aria2 1.36"),
        (b"A2-1-37-1-", "aria2 1.37.1"),
        (b"-LT2110-", "libtorrent 2.1.1"),
        (b"-TR3000-", "Transmission 3.00"),
        (b"-TR4060-", "Transmission 4.0.6"),
        (b"-qB5010-", "qBittorrent 5.0.1"),
        (b"-lt0D80-", "rtorrent 0.13.8"),
        (b"-WW0213-", "WebTorrent 2.13"),
        (b"-MB0300-", "MiniBit 0.3"),
        (b"-Zy1200-", "Zy 1.2"),
        (b"M7-10-5--", "BitTorrent 7.10.5"),
    ],
)
def test_a_known_id_tells_client_and_version(start: bytes, client: str) -> None:
    assert client_of(start.ljust(20, b"\xff")) == client


@pytest.mark.parametrize("peer_id", [bytes(20), b"-LT21\x1b0-" + bytes(12), b"A2-1-36", b"x" * 20])
def test_another_id_tells_none(peer_id: bytes) -> None:
    assert client_of(peer_id) is None


@given(st.binary(max_size=20) | st.from_regex(rb"(-[A-Za-z0-9]{6}-|A2-[0-9]{1,4}-36-0-)", fullmatch=True))
def test_whatever_it_tells_is_short_and_can_be_shown(peer_id: bytes) -> None:
    client = client_of(peer_id)
    assert client is None or (len(client) <= 32 and client.isprintable())
