"""Foreign clients in the swarm: libtorrent and aria2 download from MiniBit, and MiniBit from libtorrent.

They meet through the tracker's announces alone, over HTTP but for one, as strangers do.
"""

import os
import shutil
import subprocess
from pathlib import Path
from socket import create_server

import pytest
from e2e.foreigner import Foreigner, libtorrent
from e2e.running import Start, Track, Tracker, await_contents, contents, eventually, torrent, write_random
from fakes.trackers import answering, http

from minibit.address import PeerAddress
from minibit.dialects import http_announce
from minibit.dialects.announce import AnnounceReply
from minibit.dialects.http_announce import Form


def listed(tracker: Tracker) -> str | None:
    """The name that the tracker gave the foreign client."""
    names = [row.name for row in tracker.view().peers if row.name.startswith("libtorrent")]
    return names[0] if names else None


def test_libtorrent_downloads_from_minibit_peers(
    minibit: Start, track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_001)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "500K")
    minibit("peer", "ana", 0, "--tracker", tracker.url)
    tracker.await_complete("ana")
    folder = tmp_path / "foreign"

    foreigner = Foreigner(torrent(tracker.url), folder)
    foreigners.append(foreigner)

    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    await_contents(folder, {"film.bin": share.read_bytes()})
    name = eventually(lambda: listed(tracker), "the tracker lists libtorrent")
    tracker.await_complete("ana", name)
    eventually(
        lambda: (row := tracker.row("ana")) and row.figures.uploaded >= 16384,
        "ana reports what she gave libtorrent",
    )


def test_libtorrent_finds_its_peers_over_udp_alone(
    track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 100_001)
    tracker = track(share, "--block-size", "16K")
    told = libtorrent.bdecode(torrent(tracker.url))
    udp = tracker.url.replace("http://", "udp://").encode() + b"/announce"
    assert told.pop(b"announce-list")[1] == [udp]
    foreigner = Foreigner(bytes(libtorrent.bencode(told | {b"announce": udp})), tmp_path / "foreign")
    foreigners.append(foreigner)

    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    await_contents(tmp_path / "foreign", {"film.bin": share.read_bytes()})


def test_who_only_waits_to_be_dialled_gets_everything(
    track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 100_001)
    tracker = track(share, "--block-size", "16K")
    foreigner = Foreigner(torrent(tracker.url), tmp_path / "foreign", connection_speed=0)
    foreigners.append(foreigner)
    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    await_contents(tmp_path / "foreign", {"film.bin": share.read_bytes()})


def test_libtorrent_feeds_a_minibit_peer(
    minibit: Start, track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    source = tmp_path / "source" / "collection"
    write_random(source / "one.bin", 300_003, seed=1)
    (source / "nothing").touch()
    write_random(source / "two.bin", 700_007, seed=2)
    # At a byte per second the origin gives the one chunk that its limiter lets pass at first.
    tracker = track(source, "--block-size", "32K", "--upload-limit", "1")
    foreigner = Foreigner(torrent(tracker.url), source.parent)
    foreigners.append(foreigner)
    name = eventually(lambda: listed(tracker), "the tracker lists libtorrent")
    tracker.await_complete(name)

    ana = minibit("peer", "ana", 0, "--tracker", tracker.url)

    row = tracker.await_complete("ana")["ana"]
    assert contents(tmp_path / "ana" / "collection") == contents(source)
    total = tracker.document["total_size"]
    assert row.figures.from_origin <= 2 * 16384
    assert row.figures.downloaded - row.figures.from_origin >= total - 2 * 16384
    assert row.figures.corrupt == 0
    eventually(lambda: foreigner.uploaded >= total - 2 * 16384, "libtorrent counts what it gave")
    assert ana.process.poll() is None


def test_libtorrent_downloads_from_the_trackers_web_seed_alone(
    track: Track, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    source = tmp_path / "source" / "collection"
    write_random(source / "één & 50%.bin", 300_003, seed=1)
    (source / "nothing").touch()
    write_random(source / "two.bin", 700_007, seed=2)
    tracker = track(source, "--block-size", "16K", "--web-seed")
    told = libtorrent.bdecode(torrent(tracker.url))
    assert told[b"url-list"] == [f"{tracker.url}/share/".encode()]
    alone = {key: value for key, value in told.items() if not key.startswith(b"announce")}
    foreigner = Foreigner(bytes(libtorrent.bencode(alone)), tmp_path / "foreign")
    foreigners.append(foreigner)

    eventually(lambda: foreigner.done, "libtorrent has the whole share")
    await_contents(tmp_path / "foreign" / "collection", contents(source))


def hybrid(source: Path, *tiers: str) -> bytes:
    """A torrent of both versions, as libtorrent makes it: with padding, and an executable marked; each of
    these trackers is a tier."""
    files = libtorrent.list_files(str(source))
    made = libtorrent.create_torrent(files, 16384)
    for tier, tracker in enumerate(tiers):
        made.add_tracker(tracker, tier)
    libtorrent.set_piece_hashes(made, str(source.parent))
    return bytes(libtorrent.bencode(made.generate()))


def test_minibit_opens_a_hybrid_torrent_of_libtorrents_with_one_tier_alive_of_three(
    minibit: Start, tmp_path: Path, foreigners: list[Foreigner]
) -> None:
    source = tmp_path / "source" / "collection"
    write_random(source / "one.bin", 300_003, seed=1)
    write_random(source / "run", 70_007, seed=2).chmod(0o755)
    with create_server(("127.0.0.1", 0)) as free:
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/announce"
    foreigner = Foreigner(hybrid(source, dead), source.parent)
    foreigners.append(foreigner)
    seed = PeerAddress("", "127.0.0.1", foreigner.port)
    reply = http(http_announce.encode_reply(AnnounceReply(900, 1, 0, (seed,)), Form()))

    with answering(*[reply] * 3) as url:  # started, completed, stopped
        (tmp_path / "film.torrent").write_bytes(hybrid(source, dead, f"{url}/announce", dead + "2"))
        ana = minibit(
            "peer",
            "ana",
            0,
            "--torrent",
            tmp_path / "film.torrent",
            "--host",
            "127.0.0.1",
            "--leave-when-done",
        )
        assert ana.process.wait(30) == 0

    assert contents(tmp_path / "ana" / "collection") == contents(source)
    assert os.access(tmp_path / "ana" / "collection" / "run", os.X_OK)
    assert foreigner.uploaded >= 370_010


needs_aria2 = pytest.mark.skipif(
    shutil.which("aria2c") is None and not os.environ.get("MINIBIT_REQUIRE_FOREIGN"),
    reason="NOT TESTED AGAINST A FOREIGN CLIENT: aria2c is not installed (Debian's package aria2)",
)


@needs_aria2
def test_aria2_downloads_from_minibit_peers(track: Track, tmp_path: Path) -> None:
    source = tmp_path / "source" / "collection"
    write_random(source / "one.bin", 3_000_003, seed=1)
    write_random(source / "two.bin", 1_700_007, seed=2)
    tracker = track(source, "--block-size", "16K")
    folder = tmp_path / "foreign"
    folder.mkdir()

    options = "--no-conf --enable-dht=false --enable-dht6=false --bt-enable-lpd=false --disable-ipv6=true"
    quiet = "--interface=127.0.0.1 --seed-time=0 --quiet=true --summary-interval=0 --file-allocation=none"
    command = ["aria2c", *options.split(), *quiet.split(), f"{tracker.url}/torrent"]
    subprocess.run(command, cwd=folder, check=True, timeout=60, stdin=subprocess.DEVNULL)

    assert contents(folder / "collection") == contents(source)
