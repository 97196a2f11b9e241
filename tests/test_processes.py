"""Starting and ending processes, with programs of a few lines in the place of `minibit`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from minibit.errors import MinibitError, UsageError
from minibit.swarm import processes
from minibit.swarm.processes import Settings, SwarmProcesses

PATIENCE = 20.0

T = TypeVar("T")


def bounded(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(run())


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the Python that would run `minibit`."""

    def install(script: str) -> None:
        path = tmp_path / "impostor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return install


def swarm(tmp_path: Path, peers: int = 2) -> SwarmProcesses:
    return SwarmProcesses(
        Settings(peers, tmp_path / "film.bin", tmp_path / "kept"), tell=lambda line: pytest.fail(line)
    )


@pytest.mark.parametrize("peers", [1, 12, 13, 100])
def test_every_peer_has_its_own_name(tmp_path: Path, peers: int) -> None:
    names = swarm(tmp_path, peers).names
    assert len(set(names)) == peers
    assert "origin" not in names
    assert "tracker" not in names, "its log would be the tracker's"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (2, UsageError, "no such film: check the path"),
        (1, MinibitError, "the tracker did not start: no such film: check the path"),
    ],
)
def test_a_tracker_that_does_not_start_says_why(
    tmp_path: Path, impostor: Callable[[str], None], code: int, kind: type[MinibitError], words: str
) -> None:
    impostor(f"echo 'minibit: no such film: check the path' >&2; exit {code}")
    started = swarm(tmp_path)

    with pytest.raises(MinibitError) as caught:
        bounded(started.start)

    started.stop()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_a_tracker_that_says_nothing_at_all(tmp_path: Path, impostor: Callable[[str], None]) -> None:
    impostor("exit 3")
    started = swarm(tmp_path)
    with pytest.raises(MinibitError, match="did not start: exit code 3"):
        bounded(started.start)
    started.stop()


def test_what_a_process_is_asked_for(tmp_path: Path, impostor: Callable[[str], None]) -> None:
    impostor('echo "$@" >&2; exit 1')
    settings = Settings(
        1, tmp_path / "film.bin", tmp_path / "kept", block_size=16384, upload_limit=1e6, grant="20-20", seed=4
    )
    started = SwarmProcesses(settings, tell=lambda line: pytest.fail(line))
    with pytest.raises(MinibitError) as caught:
        bounded(started.start)
    started.stop()
    words = str(caught.value)
    assert "-m minibit tracker --json --port 0 --share" in words
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
    tmp_path: Path, impostor: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, stubborn: str
) -> None:
    monkeypatch.setattr(processes, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(processes, "INSIST_SECONDS", 0.2)
    alive = tmp_path / "alive"
    impostor(f"touch {alive}; {stubborn}")
    started = swarm(tmp_path)

    async def give_up() -> None:
        starting = asyncio.create_task(started.start())
        while not alive.exists():
            await asyncio.sleep(0.01)
        starting.cancel()
        # A thread still waits for the first words of the process: that must not stop us.
        await asyncio.to_thread(started.stop)
        with pytest.raises(asyncio.CancelledError):
            await starting

    bounded(give_up)
