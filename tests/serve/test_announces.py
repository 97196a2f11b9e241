"""Announces and scrapes over HTTP: what they ask as a value, what they are answered as bencode."""

from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from minibit.dialects.json_requests import Registration
from minibit.serve import announces
from minibit.serve.exchange import Reply, Request
from minibit.serve.tracker import Tracker
from minibit.torrent import bencode, metainfo

COUNT = 20
SHARE = metainfo.build("aula.bin", [((), COUNT * 16384)], 16384, bytes(20 * COUNT), folder=False)
ID = bytes(range(20))
HOME = "127.0.0.1"


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(SHARE, rng=Random(7), clock=lambda: 1000.0, unix=lambda: 1000.0)


def get(tracker: Tracker, path: str, query: str = "", remote: str = HOME, **headers: bytes) -> Reply:
    said = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    reply = announces.answer(tracker, Request("GET", path, query.encode(), said, b"", remote))
    assert reply.content_type == "text/plain"
    return reply


def announce(tracker: Tracker, remote: str = "10.0.0.9", **more: object) -> dict[bytes, Any]:
    fields: dict[str, object] = {
        "info_hash": SHARE.info_hash,
        "peer_id": b"-qB5000-" + b"\xff" * 12,
        "port": 6881,
    }
    query = "&".join(
        f"{key}={quote(value if isinstance(value, bytes) else str(value))}"
        for key, value in (fields | more).items()
    )
    reply = get(tracker, "/announce", query, remote)
    assert reply.status == 200
    decoded: dict[bytes, Any] = bencode.decode(reply.body)
    return decoded


def test_an_announce_is_answered_with_the_peers_of_either_kind(tracker: Tracker) -> None:
    tracker.register(Registration("ana", 258, bt_id=ID), HOME)
    reply = announce(tracker, remote=HOME, left=10, event="started")
    assert reply[b"peers"] == bytes([127, 0, 0, 1, 1, 2])
    assert (reply[b"complete"], reply[b"incomplete"]) == (0, 2)
    listed = announce(tracker, remote=HOME, left=10, compact=0)[b"peers"]
    assert listed == [{b"ip": b"127.0.0.1", b"port": 258, b"peer id": ID}]
    names = {row.name.rpartition(" ")[0] or row.name for row in tracker.status().rows}
    assert names == {"ana", "qBittorrent 5.0"}
    assert announce(tracker, left=0, event="stopped", remote=HOME)[b"peers"] == b""


def test_announces_fail_as_clients_expect(tracker: Tracker) -> None:
    assert b"/torrent" in announce(tracker, info_hash=bytes(20))[b"failure reason"]
    assert b"port" in announce(tracker, port=0)[b"failure reason"]
    for reply in (get(tracker, "/announce"), get(tracker, "/scrape", "info_hash=x")):
        assert set(bencode.decode(reply.body)) == {b"failure reason"}


@pytest.mark.parametrize("remote", ["", "unix", "a.host.name"])
def test_an_invisible_remote_is_refused(tracker: Tracker, remote: str) -> None:
    assert b"cannot see" in announce(tracker, remote=remote)[b"failure reason"]


def test_a_scrape_counts_what_is_shared_here(tracker: Tracker) -> None:
    announce(tracker, left=0)
    ours = {b"complete": 1, b"downloaded": 0, b"incomplete": 0}
    assert bencode.decode(get(tracker, "/scrape").body) == {b"files": {SHARE.info_hash: ours}}
    other = get(tracker, "/scrape", f"info_hash={quote(bytes(20))}")
    assert bencode.decode(other.body) == {b"files": {}}


@pytest.mark.parametrize("headers", [{"referer": b"http://evil.example/"}, {"sec_fetch_dest": b"image"}])
def test_an_image_in_a_web_page_ends_no_client(tracker: Tracker, headers: dict[str, bytes]) -> None:
    announce(tracker, remote=HOME)
    query = f"info_hash={quote(SHARE.info_hash)}&peer_id={quote(b'-qB5000-' + bytes([255]) * 12)}&port=6881"
    reply = get(tracker, "/announce", query + "&event=stopped", **headers)
    assert reply.status == 403
    assert b"failure reason" in reply.body
    assert len(tracker.status().rows) == 1
    assert get(tracker, "/announce", query + "&event=stopped").status == 200
    assert tracker.status().rows == ()


def test_a_client_written_for_node_is_no_browser(tracker: Tracker) -> None:
    query = f"info_hash={quote(SHARE.info_hash)}&peer_id={quote(ID)}&port=6881"
    said = {"sec_fetch_mode": b"cors", "accept_language": b"*", "user_agent": b"node"}  # WebTorrent's fetch()
    assert b"interval" in get(tracker, "/announce", query, **said).body


def test_a_bug_is_an_answer_and_a_log_entry(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(tracker, "scrape", fail)
    assert get(tracker, "/scrape").status == 500
    assert "a bug" in caplog.text
