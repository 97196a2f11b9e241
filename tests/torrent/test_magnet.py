"""Magnet links: printed, they read back; of a bad link, the parts that make sense, or one clear line."""

from base64 import b32encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.errors import MagnetError
from minibit.torrent import magnet
from minibit.torrent.magnet import MAX_PEERS, Magnet

HASH = bytes(range(20))
XT = f"xt=urn:btih:{HASH.hex()}"

URLS = st.from_regex(r"(http|https)://[a-z]{1,9}\.example(:[1-9][0-9]{0,3})?/[a-z&%=?+]{0,9}", fullmatch=True)
PEERS = st.builds(
    PeerAddress,
    st.just(""),
    st.ip_addresses().map(str).filter(lambda ip: "::ffff:" not in ip),
    st.integers(1, 65535),
)


@given(
    st.builds(
        Magnet,
        st.binary(min_size=20, max_size=20),
        st.from_regex(r"[a-zA-Zà-ü0-9&=+#%]{0,30}", fullmatch=True),
        st.lists(URLS, unique=True, max_size=4).map(tuple),
        st.lists(URLS, unique=True, max_size=2).map(tuple),
        st.lists(PEERS, unique=True, max_size=4).map(tuple),
    )
)
def test_what_is_printed_reads_back(link: Magnet) -> None:
    assert magnet.parse(str(link)) == link


@pytest.mark.parametrize("digits", [HASH.hex(), HASH.hex().upper(), b32encode(HASH).decode().lower()])
def test_hashes_in_hex_and_base32(digits: str) -> None:
    assert magnet.parse(f"magnet:?xt=urn:btih:{digits}").info_hash == HASH


def test_a_hybrid_link_is_read_through_its_first_version() -> None:
    assert magnet.parse(f"magnet:?xt=urn:btmh:1220{'ab' * 32}&{XT}").info_hash == HASH


def test_several_trackers_numbered_or_not_and_what_to_select_is_ignored() -> None:
    link = magnet.parse(f" magnet:?{XT}&tr.1=http://a/a&tr=udp://b:1&tr=http://a/a&so=0,2-4&junk ")
    assert link == Magnet(HASH, trackers=("http://a/a", "udp://b:1"))
    assert link.tiers == (("http://a/a",), ("udp://b:1",)), "all who have the link ask the same one first"


def test_parts_that_make_no_sense_are_passed_over() -> None:
    peers = "".join(
        f"&x.pe={place}" for place in ("192.0.2.1:0", "name:1", "[::1]:70000", "x", "[2001:db8::1]:9")
    )
    link = magnet.parse(f"magnet:?{XT}&tr=gopher://a&dn=%1b[2Jx{peers}")
    assert link == Magnet(HASH, "[2Jx", peers=(PeerAddress("", "2001:db8::1", 9),))


def test_peers_are_bounded() -> None:
    many = "".join(f"&x.pe=192.0.2.1:{port}" for port in range(1, 2 * MAX_PEERS))
    assert len(magnet.parse(f"magnet:?{XT}{many}").peers) == MAX_PEERS


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("magnet:?dn=film", "has no info hash"),
        ("magnet:?xt=urn:btih:abc", "has no info hash"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 32}", "version 2 alone"),
        ("http://t/film.torrent", "is not a magnet link"),
        ("magnet:?" + "a" * 70_000, "characters is not supported"),
    ],
)
def test_what_is_refused(link: str, words: str) -> None:
    with pytest.raises(MagnetError, match=words) as caught:
        magnet.parse(link)
    assert "\n" not in str(caught.value)
