"""A .torrent as a whole: what is made reads back, and advice that makes no sense costs nothing else."""

from typing import Any

import pytest

from minibit.torrent import bencode, metainfo, torrent_file
from minibit.torrent.torrent_file import MAX_TRACKERS, TorrentFile, tiers_of, usable

SHARE = metainfo.build("f", [((), 5)], 16384, bytes(20), folder=False)


def parsed(**fields: Any) -> TorrentFile:
    document = {key.replace("_", " "): value for key, value in fields.items()}
    return torrent_file.parse(bencode.encode({"info": bencode.decode(SHARE.info), **document}))


def test_what_is_made_reads_back() -> None:
    made = TorrentFile(
        SHARE,
        (("http://a.example/announce", "udp://a.example:1"), ("https://b.example/announce",)),
        ("http://c.example/files/",),
        "olá",
        "MiniBit",
        1_700_000_000,
    )
    assert torrent_file.parse(torrent_file.encode(made)) == made
    assert b"announce-list" in bencode.decode(torrent_file.encode(made))


def test_a_torrent_names_its_tracker_only_if_it_has_one() -> None:
    assert set(bencode.decode(torrent_file.encode(TorrentFile(SHARE)))) == {b"info"}
    alone = bencode.decode(torrent_file.encode(TorrentFile(SHARE, (("http://t.example/a",),))))
    assert set(alone) == {b"info", b"announce"}


def test_the_list_takes_the_place_of_announce_if_anything_in_it_is_usable() -> None:
    assert tiers_of(b"http://a/a", [[b"http://b/a"], [b"http://c/a", b"http://b/a"]]) == (
        ("http://b/a",),
        ("http://c/a",),
    )
    assert tiers_of(b"http://a/a", [[b"dht://b"], [], 5, [5]]) == (("http://a/a",),)
    assert tiers_of(7, b"http://a/a") == ()


def test_one_web_seed_may_stand_without_a_list() -> None:
    assert torrent_file.parse(
        bencode.encode({"info": bencode.decode(SHARE.info), "url-list": b"http://w/f"})
    ).web_seeds == ("http://w/f",)


def test_advice_of_a_wrong_kind_is_passed_over() -> None:
    made = parsed(announce=5, comment=[], created_by={}, creation_date=b"now")
    assert made == TorrentFile(SHARE)


def test_trackers_are_bounded() -> None:
    tiers = tiers_of(None, [[f"http://t/{i}".encode()] for i in range(MAX_TRACKERS + 50)])
    assert len(tiers) == MAX_TRACKERS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "udp://t.example",  # no port
        "file:///etc/passwd",
        "http://user:secret@t.example/a",
        "http://t.example:99999/a",
        "http://t.example/a b",
        "http://t.example/\x1b[2J",
        "http://[::1/a",
        "http://t.example/" + "a" * 3000,
    ],
)
def test_what_is_no_tracker(url: str) -> None:
    assert not usable(url, torrent_file.TRACKER_SCHEMES)
