"""Fixtures that start real processes, and end them whatever happens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.running import Command, Start, Track, Tracker


@pytest.fixture
def minibit(tmp_path: Path) -> Iterator[Start]:
    """Starts `minibit …`; all that still run at the end of a test are ended together."""
    started: list[Command] = []

    def start(*arguments: object) -> Command:
        started.append(Command(arguments, tmp_path))
        return started[-1]

    yield start
    for command in started:
        command.process.terminate()
    for command in started:
        command.end()


@pytest.fixture
def track(minibit: Start) -> Track:
    """Starts a tracker for a path, on any port unless told, and waits until it listens."""

    def start(share: Path, *arguments: object, port: int = 0) -> Tracker:
        return Tracker(minibit("tracker", "--json", "--share", share, "--port", port, *arguments))

    return start


@pytest.fixture
def foreigners() -> Iterator[list[Any]]:
    """Sessions of foreign clients that a test puts here are closed in the end, whatever happens."""
    sessions: list[Any] = []
    yield sessions
    for session in sessions:
        session.close()
