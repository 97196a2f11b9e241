"""Addresses as literals, what they say of a machine, and which claims about them count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import (
    PeerAddress,
    believed_ip,
    compact_peers,
    credible,
    ip_literal,
    is_far,
    is_loopback,
    is_near,
    unmapped,
    unpacked_peers,
)


@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_a_literal_is_its_own_literal(text: str) -> None:
    literal = ip_literal(text)
    assert literal is None or ip_literal(literal) == literal


@given(
    st.none() | st.text(max_size=20) | st.ip_addresses().map(str), st.ip_addresses(v=4, network="8.0.0.0/8")
)
def test_a_claim_from_the_open_internet_never_counts(claimed: str | None, seen: object) -> None:
    assert believed_ip(claimed, str(seen)) == str(seen)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("FE80::1%eth0", "fe80::1"),
        ("localhost", None),
        ("1.2.3.4%eth0", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_ip_literals_are_canonical(text: object, literal: str | None) -> None:
    assert ip_literal(text) == literal


@pytest.mark.parametrize(
    ("claimed", "remote", "counts"),
    [
        (None, "203.0.113.5", "203.0.113.5"),
        ("10.9.9.9", "127.0.0.1", "10.9.9.9"),
        ("10.9.9.9", "192.168.1.5", "10.9.9.9"),
        ("10.9.9.9", "::ffff:192.168.1.5", "10.9.9.9"),
        ("10.9.9.9", "8.8.8.8", "8.8.8.8"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "192.168.1.5", "192.168.1.5"),
        ("0.0.0.0", "192.168.1.5", "192.168.1.5"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("224.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_claimed_address_counts_from_nearby_only(claimed: str | None, remote: str, counts: str) -> None:
    assert believed_ip(claimed, remote) == counts


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.1.1", "0.0.0.0", "::1", "fe80::1"),
        *("::ffff:192.168.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "x", ""),
        *("2002:7f00:1::1", "2002:c0a8:1::1", "2002:6440:1::"),
    ],
)
def test_who_is_near_or_nowhere_is_not_far(ip: str) -> None:
    assert not is_far(ip)
    assert is_far("1.1.1.1")
    assert is_far("2600::1")
    assert is_far("64:ff9b::8.8.8.8")
    assert is_far("2002:808:808::1")


def test_a_host_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="example"):
        PeerAddress("ana", "example.org", 258)


def test_loopback_and_nowhere() -> None:
    assert [ip for ip in ("127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "") if is_loopback(ip)] == [
        "127.0.0.1",
        "::1",
    ]
    everywhere = ("127.0.0.1", "::", "0.0.0.0", "10.0.0.1")
    assert [ip for ip in everywhere if PeerAddress("ana", ip, 1).is_nowhere] == [
        "127.0.0.1",
        "::",
        "0.0.0.0",
    ]


@pytest.mark.parametrize(
    ("ip", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.0.0.1", True),
        ("192.168.1.7", True),
        ("172.16.0.1", True),
        ("169.254.1.1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("8.8.8.8", False),
        ("2600::1", False),
        ("2002:808:808::1", False),
        ("2002:c0a8:1::1", False),
        ("64:ff9b::10.0.0.1", False),
        ("tracker.lan", False),
        ("", False),
    ],
)
def test_who_is_near(ip: str, near: bool) -> None:
    assert is_near(ip) == near


def test_what_a_socket_shows_has_one_spelling() -> None:
    shown = ("::ffff:10.99.0.1", "10.99.0.1", "::1", "fe80::1%eth0", "localhost")
    assert [unmapped(ip) for ip in shown] == ["10.99.0.1", "10.99.0.1", "::1", "fe80::1%eth0", "localhost"]


@pytest.mark.parametrize(
    ("ip", "port", "teller", "dialled"),
    [
        ("9.9.9.9", 6881, "8.8.8.8", True),
        ("2606:4700::1", 6881, "8.8.8.8", True),
        ("9.9.9.9", 25, "8.8.8.8", False),
        ("192.168.0.1", 6881, "8.8.8.8", False),
        ("fe80::1", 6881, "2606:4700::1", False),
        ("192.168.0.1", 6881, "192.168.0.2", True),
        ("127.0.0.1", 6881, "192.168.0.2", False),
        ("::1", 6881, "8.8.8.8", False),
        ("127.0.0.1", 6881, "127.0.0.1", True),
        ("0.0.0.0", 6881, "127.0.0.1", False),
        ("224.0.0.1", 6881, "127.0.0.1", False),
        ("255.255.255.255", 6881, "127.0.0.1", False),
        ("100.64.0.1", 6881, "8.8.8.8", False),
        ("100.64.0.1", 6881, "100.100.0.1", True),
        ("100.64.0.1", 6881, "192.168.0.2", True),
        ("192.168.0.1", 6881, "100.64.0.1", False),
        ("2002:c0a8:1::1", 6881, "8.8.8.8", False),
        ("2002:c0a8:1::1", 6881, "192.168.0.2", True),
        ("2002:808:808::1", 6881, "8.8.8.8", True),
    ],
)
def test_whom_somebody_tells_of_is_dialled_only_where_that_hurts_nobody(
    ip: str, port: int, teller: str, dialled: bool
) -> None:
    assert credible(PeerAddress("", ip, port), teller) == dialled


def test_compact_peers_are_six_and_eighteen_bytes() -> None:
    four, six = compact_peers([PeerAddress("ana", "10.0.0.1", 258), PeerAddress("bia", "2001:db8::1", 6881)])
    assert four == bytes([10, 0, 0, 1, 1, 2])
    assert six == bytes.fromhex("20010db8000000000000000000000001") + (6881).to_bytes(2, "big")
    assert compact_peers([]) == (b"", b"")
    assert list(unpacked_peers(four, 6)) == [PeerAddress("", "10.0.0.1", 258)]
    assert list(unpacked_peers(six, 18)) == [PeerAddress("", "2001:db8::1", 6881)]


def test_a_peer_without_an_address_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="example"):
        compact_peers([PeerAddress("ana", "example.org", 258)])
