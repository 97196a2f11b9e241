"""Writing a log: what it may take the place of, and disks that refuse."""

import os
from pathlib import Path

import pytest
from fakes.logs import HEADER, written

from minibit.errors import UsageError
from minibit.eventlog import writing
from minibit.eventlog.reading import Reader
from minibit.eventlog.writing import Scribe, Writer, claim
from minibit.events.entries import Entry
from minibit.events.kinds import Completed, Left


def entry(t: float) -> Entry:
    return Entry(t, "ana", Completed())


# --- what it may take the place of


def test_a_new_file_is_claimed_and_none_is_left_behind(tmp_path: Path) -> None:
    claim(tmp_path / "new.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_an_event_log_of_an_earlier_run_is_claimed_and_kept_until_then(tmp_path: Path) -> None:
    path = written(tmp_path / "old.jsonl", [(1.0, "ana", Completed())])
    before = path.read_bytes()
    claim(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my thesis\n", b'{"log":"somebody\'s"}\n', b"\0" * 5_000_000])
def test_nobodys_work_is_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thesis"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is there already and no event log: choose another file"):
        claim(path)
    assert path.read_bytes() == content


def test_where_no_file_can_be_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        claim(tmp_path / "nowhere" / "log")
    with pytest.raises(UsageError, match="is not a file"):
        claim(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):  # opening it would wait for a reader for ever
        claim(tmp_path / "pipe")


# --- writing


def test_a_writer_writes_what_a_reader_reads(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "log", HEADER, tell=pytest.fail)
    for t in range(2000):  # more than one batch
        writer.write(entry(float(t)))
    writer.close()
    with Reader(tmp_path / "log") as reader:
        assert reader.header == HEADER
        assert [each.t for each, _ in reader.entries()] == list(range(2000))
        assert reader.remarks() == []


def test_a_full_disk_ends_the_log_with_one_line_and_nothing_else() -> None:
    told: list[str] = []
    writer = Writer(Path("/dev/full"), HEADER, tell=told.append)
    for t in range(10_000):
        writer.write(entry(float(t)))
    writer.close()
    assert told == [
        "cannot write the event log /dev/full any more (No space left on device): going on without it"
    ]
    assert writer._waiting == []


def test_a_folder_that_goes_away_ends_the_log_with_one_line(tmp_path: Path) -> None:
    told: list[str] = []
    scribe = Scribe(tmp_path / "gone" / "log", HEADER, tell=told.append)
    scribe.start()
    scribe.write(entry(1.0))
    scribe.close()
    assert len(told) == 1
    assert "No such file or directory" in told[0]


def test_a_scribe_writes_within_a_moment_while_things_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    scribe = Scribe(tmp_path / "log", HEADER, tell=pytest.fail)
    scribe.write(entry(1.0))  # before it starts: kept
    scribe.start()
    try:
        while not (tmp_path / "log").exists() or (tmp_path / "log").read_bytes().count(b"\n") < 2:
            pass  # the test's own time limit ends this if it never comes
    finally:
        scribe.write(Entry(2.0, "ana", Left("goodbye", "")))
        scribe.close()
    with Reader(tmp_path / "log") as reader:
        assert [each.t for each, _ in reader.entries()] == [1.0, 2.0]


def test_a_disk_that_takes_nothing_costs_bounded_memory_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_WAITING", 10)
    told: list[str] = []
    scribe = Scribe(tmp_path / "log", HEADER, tell=told.append)
    for t in range(100):
        scribe.write(entry(float(t)))
    assert len(scribe._entries) == 10
    assert told == [f"the disk is too slow for the event log {tmp_path / 'log'}: events are missing in it"]
