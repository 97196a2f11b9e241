"""One log out of those of a swarm's processes."""

from pathlib import Path

import pytest
from fakes.logs import HEADER, written
from msgspec.structs import replace

from minibit.eventlog.merging import merge
from minibit.eventlog.reading import Reader
from minibit.events.kinds import Completed, DialFailed, Left


def test_events_of_all_by_the_time_at_which_they_happened(tmp_path: Path) -> None:
    later = replace(HEADER, start=HEADER.start + 10)
    sources = [
        written(tmp_path / "b", [(0.5, "bia", Completed()), (4.0, "bia", Left("goodbye", ""))], later),
        written(tmp_path / "a", [(11.0, "ana", Completed()), (12.0, "ana", Left("goodbye", ""))]),
    ]
    merge(sources, tmp_path / "all", seed=5, settings={"peers": 2}, tell=pytest.fail)
    with Reader(tmp_path / "all") as reader:
        assert reader.header == replace(HEADER, seed=5, settings={"peers": 2})
        assert [(entry.t, entry.peer) for entry, _ in reader.entries()] == [
            (10.5, "bia"),
            (11.0, "ana"),
            (12.0, "ana"),
            (14.0, "bia"),
        ]


def test_who_ends_without_a_word_was_killed(tmp_path: Path) -> None:
    path = written(tmp_path / "a", [(3.0, "ana", DialFailed("bia"))])
    path.write_bytes(path.read_bytes() + b'{"t":3.5,"peer"')
    told: list[str] = []
    merge([path], tmp_path / "all", seed=None, settings={}, tell=told.append)
    with Reader(tmp_path / "all") as reader:
        *_, (last, _) = reader.entries()
    assert (last.t, last.peer, last.event) == (3.0, "ana", Left("killed", "its log ends without a goodbye"))
    assert told == ["a ends in the middle of a line: shown as far as it goes"]


def test_a_process_that_wrote_nothing_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    told: list[str] = []
    sources = [tmp_path / "empty", written(tmp_path / "a", [(1.0, "ana", Left("goodbye", ""))])]
    merge(sources, tmp_path / "all", seed=None, settings={}, tell=told.append)
    with Reader(tmp_path / "all") as reader:
        assert len(list(reader.entries())) == 1
    assert len(told) == 1
    assert "is no event log" in told[0]


def test_nothing_to_put_together(tmp_path: Path) -> None:
    merge([], tmp_path / "all", seed=None, settings={}, tell=pytest.fail)
    assert list(tmp_path.iterdir()) == []
