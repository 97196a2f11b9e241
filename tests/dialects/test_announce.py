"""What every BitTorrent dialect of a tracker shares: announces, and events by name."""

from minibit.dialects.announce import Announce, Event


def test_an_announce_need_not_know_what_is_left() -> None:
    announce = Announce(bytes(20), b"x" * 20, 6881)
    assert (announce.left, announce.event, announce.numwant) == (None, Event.NONE, 50)
