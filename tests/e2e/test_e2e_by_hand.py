"""A tracker and peers started by hand, one after the other, killed and started again."""

import json
from pathlib import Path

from e2e.running import Start, Track, Tracker, contents, eventually, write_random

from minibit.snapshot import SwarmRow


def held(tracker: Tracker, name: str, at_least: int) -> SwarmRow | None:
    row = tracker.row(name)
    return row if row is not None and row.blocks.bit_count() >= at_least else None


def test_three_peers_and_their_status(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_001)
    tracker = track(share, "--block-size", "16K")
    count = tracker.document["block_count"]
    assert count == 62

    # One peer alone completes…
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url)
    ana.says(r"^registered as ana with the tracker at http://127\.0\.0\.1:")
    port = int(ana.says(r"^listening on port (\d+)$")[1])
    granted = int(ana.says(r"^granted (\d+) \(.+ of 62 blocks; 0 on disk$")[1])
    ana.says("^complete: all 62 blocks verified after ")
    row = tracker.await_complete("ana")["ana"]
    assert (row.port, row.given, row.figures.verified) == (port, granted, count)
    assert 0.3 * count <= granted <= 0.5 * count
    assert row.figures.from_origin == row.figures.downloaded >= share.stat().st_size

    # … and those who come later do, one of which leaves when it is done.
    minibit("peer", "bia", 0, "--tracker", tracker.url, "--dir", tmp_path / "elsewhere")
    caio = minibit("peer", "caio", 0, "--tracker", tracker.url, "--leave-when-done")
    assert caio.wait() == 0, str(caio)
    assert caio.err == []
    tracker.await_complete("ana", "bia")

    shown = minibit("status", "--tracker", tracker.url, "--json")
    assert shown.wait() == 0, str(shown)
    assert len(shown.out) == 1
    document = json.loads(shown.out[0])
    assert document["status"] == "ativo"
    assert document["peers_ativos"] == 2
    assert document["total_blocos"] == count
    assert {peer["peer_id"]: peer["have"] for peer in document["peers"]} == {
        "origin": count,
        "ana": count,
        "bia": count,
    }
    plain = minibit("status", "--tracker", tracker.url)
    assert plain.wait() == 0, str(plain)
    assert "complete 2/2" in plain.out[0]
    assert any(line.startswith("bia 100% 62/62") for line in plain.out)
    assert "\x1b" not in "".join(plain.out)

    for folder in ("ana", "elsewhere", "caio"):
        assert contents(tmp_path / folder) == {"film.bin": share.read_bytes()}


def test_what_a_tracker_says_is_how_to_join(minibit: Start, tmp_path: Path) -> None:
    share = write_random(tmp_path / "film.bin", 100_000)
    tracker = minibit("tracker", "--share", share, "--port", 0)
    tracker.says(r"^sharing film\.bin: 97\.7 KiB, \d+ blocks? of .*, info hash [0-9a-f]{40}$")
    line = tracker.says("like: minibit (.*)$")[1].replace("5001", "0")

    joined = minibit(*line.split(), "--leave-when-done")

    assert joined.wait() == 0, str(joined)
    assert (tmp_path / "ana" / "film.bin").read_bytes() == share.read_bytes()
    tracker.says(r"origin carried 97\.7 KiB")
    assert tracker.interrupted() == []


def test_a_killed_peer_resumes(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_000_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "800K")
    count = tracker.document["block_count"]
    arguments = ("--tracker", tracker.url, "--dir", tmp_path / "ana")
    ana = minibit("peer", "ana", 0, *arguments)
    port = int(ana.says(r"^listening on port (\d+)$")[1])
    first = eventually(lambda: held(tracker, "ana", 20), "ana has 20 blocks")
    ana.kill()

    # The tracker still lists the dead one: on another port, under the same name, its heir is welcome.
    ana = minibit("peer", "ana", 0, *arguments)
    assert int(ana.says(r"^listening on port (\d+)$")[1]) != port
    on_disk = int(ana.says(r"blocks; (\d+) on disk$")[1])
    assert on_disk >= first.blocks.bit_count()
    second = eventually(lambda: held(tracker, "ana", on_disk + 20), "ana has 20 more")
    assert second.figures.resumed == on_disk
    assert second.figures.verified == second.blocks.bit_count() - on_disk
    assert second.blocks.bit_count() < count, "too fast to be killed in the middle again"
    ana.kill()

    # And now on the same port as the one that has just died.
    ana = minibit("peer", "ana", second.port, *arguments)
    on_disk = int(ana.says(r"blocks; (\d+) on disk$")[1])
    assert on_disk >= second.blocks.bit_count()
    third = tracker.await_complete("ana")["ana"]
    assert third.port == second.port
    assert third.figures.resumed == on_disk
    assert third.figures.verified == count - on_disk
    missing = share.stat().st_size - on_disk * 16384
    assert missing - 16384 < third.figures.downloaded < missing + 20 * 16384, "fetched more than was missing"
    assert contents(tmp_path / "ana") == {"film.bin": share.read_bytes()}


def test_a_killed_tracker_comes_back(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 2_500_000)
    options = ("--block-size", "16K", "--upload-limit", "700K")
    tracker = track(share, *options)
    peers = [minibit("peer", name, 0, "--tracker", tracker.url) for name in ("ana", "bia")]
    before = eventually(lambda: held(tracker, "ana", 20), "ana has 20 blocks")
    tracker.command.kill()
    peers[0].says("Trading goes on without it$")

    tracker = track(share, *options, port=tracker.port)

    for peer in peers:
        peer.says("^the tracker had forgotten us: registered again$")
    rows = tracker.await_complete("ana", "bia")
    assert rows["ana"].port == before.port
    for name, peer in zip(("ana", "bia"), peers, strict=True):
        assert peer.process.poll() is None
        assert contents(tmp_path / name) == {"film.bin": share.read_bytes()}
