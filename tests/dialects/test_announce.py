"""What every BitTorrent dialect shares: peers packed into bytes, and events by name."""

from minibit.address import PeerAddress
from minibit.dialects.announce import Announce, Event, compact_peers, unpacked_peers


def test_compact_peers_are_six_and_eighteen_bytes() -> None:
    four, six = compact_peers([PeerAddress("ana", "10.0.0.1", 258), PeerAddress("bia", "2001:db8::1", 6881)])
    assert four == bytes([10, 0, 0, 1, 1, 2])
    assert six == bytes.fromhex("20010db8000000000000000000000001") + (6881).to_bytes(2, "big")
    assert compact_peers([]) == (b"", b"")
    assert list(unpacked_peers(four, 6)) == [PeerAddress("", "10.0.0.1", 258)]
    assert list(unpacked_peers(six, 18)) == [PeerAddress("", "2001:db8::1", 6881)]


def test_an_announce_need_not_know_what_is_left() -> None:
    announce = Announce(bytes(20), b"x" * 20, 6881)
    assert (announce.left, announce.event, announce.numwant) == (None, Event.NONE, 50)
