"""Starting and ending processes, with programs of a few lines in the place of `minibit`."""

import asyncio
import json
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from fakes.pictures import swarm_view
from fakes.trackers import SHARE

from minibit.errors import MinibitError, StalledError, UsageError
from minibit.lab import child, processes
from minibit.lab.processes import SwarmProcesses, SwarmSettings
from minibit.lab.scenario import Departure, Newcomer, OriginLine, PeerClass, plain
from minibit.peer.tracker_client import TrackerClient
from minibit.snapshot import SwarmStatus
from minibit.torrent.torrent_file import TorrentFile

PATIENCE = 20.0

T = TypeVar("T")


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


class Impostors:
    """In the place of a nursery: every process is the same shell script."""

    def __init__(self, script: str = "exit 0") -> None:
        self._script = script

    def spawn(self, arguments: Sequence[str], log: IO[str], *, heard: bool = False) -> Any:
        stdout = subprocess.PIPE if heard else log
        command = ["sh", "-c", self._script, "minibit", *arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=log, text=True)


def unheard(_percent: int, _whole: int) -> None:
    """Progress that nobody looks at."""


def people(count: int) -> list[Newcomer]:
    return plain(count, 1 << 20, None).newcomers()


def swarm(tmp_path: Path, impostors: Impostors, peers: int = 2) -> SwarmProcesses:
    (tmp_path / "kept").mkdir()
    settings = SwarmSettings(people(peers), tmp_path / "film.bin", tmp_path / "kept")
    return SwarmProcesses(settings, impostors, tell=lambda line: pytest.fail(line))


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (2, UsageError, "no such film: check the path"),
        (1, MinibitError, "the tracker did not start: no such film: check the path"),
    ],
)
def test_a_tracker_that_does_not_start_says_why(
    tmp_path: Path, code: int, kind: type[MinibitError], words: str
) -> None:
    impostors = Impostors(f"echo 'minibit: no such film: check the path' >&2; exit {code}")
    started = swarm(tmp_path, impostors)

    with pytest.raises(MinibitError) as caught:
        bounded(lambda: started.start(unheard))

    started.stop()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_a_tracker_that_ends_without_a_word_is_named_by_its_exit_code(tmp_path: Path) -> None:
    impostors = Impostors("exit 3")
    started = swarm(tmp_path, impostors)
    with pytest.raises(MinibitError, match="did not start: exit code 3"):
        bounded(lambda: started.start(unheard))
    started.stop()


def test_processes_get_the_options_that_the_swarm_got(tmp_path: Path) -> None:
    impostors = Impostors('echo "$@" >&2; exit 1')
    (tmp_path / "kept").mkdir()
    settings = SwarmSettings(
        people(1),
        tmp_path / "film.bin",
        tmp_path / "kept",
        block_size=16384,
        origin=OriginLine(upload=1e6),
        grant="20-20",
        seed=4,
    )
    started = SwarmProcesses(settings, impostors, tell=lambda line: pytest.fail(line))
    with pytest.raises(MinibitError) as caught:
        bounded(lambda: started.start(unheard))
    started.stop()
    words = str(caught.value)
    assert "tracker --json --port 0 --share" in words
    for option in (
        "--grant 20-20",
        "--choking tit-for-tat",
        "--upload-limit 1000000",
        "--seed 4",
        "--block-size 16384",
        "--until-eof",
    ):
        assert option in words


@pytest.mark.parametrize(
    "stubborn",
    [
        "cat >/dev/null",  # ends when it is asked to
        "exec sleep 600",  # obeys SIGTERM only
        "trap '' TERM INT; while :; do sleep 0.1; done",  # obeys nothing
    ],
)
def test_no_process_survives_however_stubborn_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: str
) -> None:
    monkeypatch.setattr(child, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(child, "INSIST_SECONDS", 0.2)
    alive = tmp_path / "alive"
    impostors = Impostors(f"touch {alive}; {stubborn}")
    started = swarm(tmp_path, impostors)

    async def give_up() -> None:
        starting = asyncio.create_task(started.start(unheard))
        while not alive.exists():
            await asyncio.sleep(0.01)
        starting.cancel()
        # A thread still waits for the first words of the process: that must not stop us.
        await asyncio.to_thread(started.stop)
        with pytest.raises(asyncio.CancelledError):
            await starting

    bounded(give_up)


def test_a_tracker_that_hashes_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    go_on = tmp_path / "go on"
    impostors = Impostors(f"echo 'hashing: 42%' >&2; while ! [ -e '{go_on}' ]; do sleep 0.01; done; exit 1")
    started = swarm(tmp_path, impostors)
    heard: list[tuple[int, int]] = []

    def hear(percent: int, whole: int) -> None:
        heard.append((percent, whole))
        go_on.touch()

    with pytest.raises(MinibitError):
        bounded(lambda: started.start(hear))
    started.stop()
    assert set(heard) == {(42, 100)}


def test_a_log_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    started = swarm(tmp_path, Impostors())
    (tmp_path / "kept" / "tracker.log").mkdir()
    with pytest.raises(UsageError, match=r"--dir: cannot write to .*kept.*Is a directory"):
        bounded(lambda: started.start(unheard))
    started.stop()


def test_a_tracker_that_ended_is_given_up_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        nobody = f"http://127.0.0.1:{sock.getsockname()[1]}"
    ready = json.dumps({"url": nobody, "origin_port": 7})
    impostors = Impostors(f"echo '{ready}'; echo 'minibit: the disk fell out' >&2; exit 1")
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.1)

    async def no_torrent(_: TrackerClient) -> TorrentFile:
        return TorrentFile(SHARE)

    monkeypatch.setattr(TrackerClient, "torrent", no_torrent)
    (tmp_path / "kept").mkdir()
    told: list[str] = []
    started = SwarmProcesses(
        SwarmSettings((), tmp_path / "a film.bin", tmp_path / "kept", seed=3), impostors, tell=told.append
    )

    async def watch() -> None:
        await started.start(unheard)
        assert started._tracker is not None
        await asyncio.to_thread(started._tracker.process.wait)
        await started.watch(lambda _: pytest.fail("there is nobody to show"))

    with pytest.raises(MinibitError, match=r"has ended \(the disk fell out\) .*tracker\.log") as caught:
        bounded(watch)
    started.stop()
    assert caught.value.exit_code == 1
    (line,) = told
    assert line.startswith("the tracker has ended (the disk fell out), peers go on; within a minute, ")
    words = shlex.split(line.partition("again: ")[2])
    assert words[:6] == ["minibit", "tracker", "--port", nobody.rpartition(":")[2], "--origin-port", "7"]
    assert words[words.index("--share") + 1] == str(tmp_path / "a film.bin")
    assert words[words.index("--seed") + 1] == "3"


def test_a_swarm_in_which_nothing_moves_says_so_and_ends_when_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostors = Impostors("echo 'stalled: the dog ate it'; exec cat >/dev/null")
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes, "STANDSTILL_SECONDS", 0.05)
    view = swarm_view(("ana", "bia"))

    async def unchanged(_: TrackerClient) -> SwarmStatus:
        return view

    monkeypatch.setattr(TrackerClient, "status", unchanged)
    (tmp_path / "kept").mkdir()
    told: list[str] = []
    settings = SwarmSettings(people(2), tmp_path / "film.bin", tmp_path / "kept", stall_timeout=0.3)
    started = SwarmProcesses(settings, impostors, tell=told.append)
    started._client = TrackerClient("http://127.0.0.1:9")
    started._peers = [started._spawn(name, []) for name in started.names]

    while not started._peers[0].log.read_text():
        assert started._peers[0].process.poll() is None
        time.sleep(0.01)
    try:
        with pytest.raises(StalledError, match=r"gave up: nothing has moved for .* ana lacks") as caught:
            bounded(lambda: started.watch(lambda _: None))
    finally:
        started.stop()
    assert caught.value.exit_code == 1
    (line,) = told
    assert line.startswith("nothing has moved for 0 s: ana lacks 152 (40–191) of 192 blocks; bia lacks ")
    assert line.endswith("held by bia, origin; ana says: the dog ate it")


def at(name: str, arrives: float, **kind: Any) -> Newcomer:
    return Newcomer(name, arrives, PeerClass(name, **kind))


def test_peers_come_and_go_as_their_class_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = json.dumps({"url": "http://127.0.0.1:9", "origin_port": 7})
    impostors = Impostors(
        f"case $1 in tracker) echo '{ready}';; esac; echo \"$@\" >&2; cat > /dev/null; exit 0"
    )

    async def no_torrent(_: TrackerClient) -> TorrentFile:
        return TorrentFile(SHARE)

    monkeypatch.setattr(TrackerClient, "torrent", no_torrent)
    (tmp_path / "kept").mkdir()
    coming = [
        at("first", 0.0, leave=Departure.KILLED, leave_seconds=5.0),
        at("visitor", 0.0, leave=Departure.AFTER, leave_seconds=5.0, upload=5e5),
        at("stays", 0.0, leave=Departure.WHEN_COMPLETE, picking="random"),
        at("rider", 8.0, free_rider=True),
    ]
    started = SwarmProcesses(
        SwarmSettings(coming, tmp_path / "film.bin", tmp_path / "kept"),
        impostors,
        tell=lambda line: pytest.fail(line),
    )
    bounded(lambda: started.start(unheard))
    try:
        assert [child.name for child in started._peers] == ["first", "visitor", "stays"]
        started._started -= 6.0
        started._come_and_go()
        first, visitor, stays = started._peers
        assert first.process.wait(PATIENCE) == -signal.SIGKILL
        assert visitor.process.wait(PATIENCE) == 0
        assert stays.process.poll() is None
        started._started -= 3.0
        started._come_and_go()
        assert [child.name for child in started._peers][3:] == ["rider"]
        started._look_after(set())  # who was not to stay is not missed
    finally:
        started.stop()
    said = {child.name: child.log.read_text() for child in started._peers}
    assert "--choking unchoke-none" in said["rider"]
    assert "--leave-when-done --download-limit 0 --picking random --choking tit-for-tat" in said["stays"]
    assert "--upload-limit 500000" in said["visitor"]


def test_who_left_complete_unseen_is_complete(tmp_path: Path) -> None:
    impostors = Impostors("exit 0")
    (tmp_path / "kept").mkdir()
    coming = [at("quick", 2.0, leave=Departure.WHEN_COMPLETE)]
    started = SwarmProcesses(
        SwarmSettings(coming, tmp_path / "film.bin", tmp_path / "kept"),
        impostors,
        tell=lambda line: pytest.fail(line),
    )
    child = started._spawn("quick", [])
    child.process.wait(PATIENCE)
    started._peers.append(child)
    started._started -= 10.0
    started._look_after(set())
    after = started._finished["quick"].figures.completed_after
    assert after is not None
    assert 8.0 <= after < 9.0
    started.stop()
