"""The log of one engine: nothing when it is not asked for, everything to the last word when it is."""

import asyncio
from pathlib import Path

import pytest
from fakes.nodes import bounded, cut_short, shared
from fakes.puppets import FULL, Stage

from minibit.errors import StorageError
from minibit.eventlog.interview import ask, meeting_place
from minibit.eventlog.reading import Reader
from minibit.eventlog.recording import Recording
from minibit.events import kinds


def record(path: Path | None) -> Recording:
    return Recording(path, "me", seed=4, settings={"a": 1}, tell=pytest.fail)


def test_without_a_file_it_is_remembered_and_can_be_asked(tmp_path: Path) -> None:
    metainfo = shared(tmp_path).metainfo
    info_hash = metainfo.info_hash.hex()

    async def trade() -> bytes:
        recording = Recording(None, "me", seed=None, settings={}, tell=pytest.fail)
        stage = Stage(have=FULL, journal=recording.journal)
        recording.begin(stage.engine, metainfo, "127.0.0.1:1", 0)
        async with recording:
            return await ask(meeting_place(info_hash, stage.engine.identity.port), "me")

    (tmp_path / "asked").write_bytes(bounded(trade))
    with Reader(tmp_path / "asked") as reader:
        told = [entry.event for entry, _ in reader.entries()]
    assert [type(event) for event in told] == [kinds.Joined, kinds.Sampled]


@pytest.mark.parametrize(
    ("end", "how", "why"),
    [
        (None, "goodbye", ""),
        (asyncio.CancelledError(), "goodbye", ""),
        (StorageError("the disk is full"), "ended", "the disk is full"),
    ],
)
def test_from_the_first_word_to_the_last(
    tmp_path: Path, end: BaseException | None, how: str, why: str
) -> None:
    async def trade() -> None:
        recording = record(tmp_path / "log")
        stage = Stage(have=FULL, journal=recording.journal)
        recording.begin(stage.engine, shared(tmp_path).metainfo, "127.0.0.1:1", 0b1)
        async with recording:
            if end is not None:
                raise end

    try:
        bounded(trade)
    except (StorageError, asyncio.CancelledError):
        assert end is not None
    with Reader(tmp_path / "log") as reader:
        assert (reader.header.kind, reader.header.seed, reader.header.settings) == ("live", 4, {"a": 1})
        first, *_, sample, last = [entry.event for entry, _ in reader.entries()]
        assert isinstance(first, kinds.Joined)
        assert isinstance(sample, kinds.Sampled)
        assert last == kinds.Left(how, why)


@pytest.mark.parametrize("turns", range(1, 4))
def test_who_is_cancelled_while_it_begins_has_its_last_word(tmp_path: Path, turns: int) -> None:
    async def trade() -> None:
        recording = record(tmp_path / "log")
        stage = Stage(have=FULL, journal=recording.journal)
        recording.begin(stage.engine, shared(tmp_path).metainfo, "127.0.0.1:1", 0)
        await cut_short(recording, turns)

    bounded(trade)
    with Reader(tmp_path / "log") as reader:
        *_, last = [entry.event for entry, _ in reader.entries()]
    assert last == kinds.Left("goodbye", "")
