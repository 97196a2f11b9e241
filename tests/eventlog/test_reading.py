"""Reading a log: as far as it goes, whatever it is, and saying what was passed over."""

from pathlib import Path

import pytest
from fakes.logs import HEADER, written
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit.errors import UsageError
from minibit.eventlog import reading
from minibit.eventlog.reading import Reader
from minibit.events.entries import MAX_LINE, Entry
from minibit.events.kinds import Completed, Event, Left

THREE: list[tuple[float, str, Event]] = [
    (1.0, "ana", Completed()),
    (2.0, "bia", Completed()),
    (3.0, "ana", Left("goodbye", "")),
]


def times(reader: Reader) -> list[float]:
    return [entry.t for entry, _ in reader.entries()]


def test_every_event_and_where_the_next_one_stands(tmp_path: Path) -> None:
    with Reader(written(tmp_path / "log", THREE)) as reader:
        found = list(reader.entries())
        assert [(entry.t, entry.peer) for entry, _ in found] == [(1.0, "ana"), (2.0, "bia"), (3.0, "ana")]
        _, after_first = found[0]
        assert [entry for entry, _ in reader.entries(after_first)] == [entry for entry, _ in found[1:]]
        assert reader.last() == 3.0
        assert reader.remarks() == []


def test_a_log_cut_in_the_middle_is_read_as_far_as_it_goes_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "log", THREE)
    path.write_bytes(path.read_bytes()[:-5])
    with Reader(path) as reader:
        assert times(reader) == [1.0, 2.0]
        assert reader.last() == 2.0
        assert reader.remarks() == ["log ends in the middle of a line: shown as far as it goes"]


@given(st.integers(0, 400))
def test_wherever_it_is_cut(tmp_path_factory: pytest.TempPathFactory, end: int) -> None:
    path = written(tmp_path_factory.getbasetemp() / "cut", THREE)
    path.write_bytes(path.read_bytes()[: path.read_text().index("\n") + 1 + end])
    with Reader(path) as reader:
        assert times(reader) == [1.0, 2.0, 3.0][: len(times(reader))]


def test_a_log_that_grows_is_gone_on_with(tmp_path: Path) -> None:
    path = written(tmp_path / "log", THREE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with Reader(path) as reader:
        *_, (_, offset) = reader.entries()
        with path.open("ab") as file:
            file.write(whole[-5:])
        assert [entry.t for entry, _ in reader.entries(offset)] == [3.0]
        assert reader.remarks() == []


def test_another_version_is_read_as_far_as_that_goes_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "log", THREE, replace(HEADER, schema=2, version="9.0"))
    with Reader(path) as reader:
        assert times(reader) == [1.0, 2.0, 3.0]
        (remark,) = reader.remarks()
        assert remark.startswith("log is of version 2 and MiniBit 9.0; this one reads version 1")


def test_what_is_passed_over_is_counted_once_however_often_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "log", THREE)
    with path.open("ab") as file:
        file.write(b'{"t":4,"peer":"ana","event":"sneezed"}\nrubbish\n\xff\n')
        file.write(Entry(5.0, "ana", Completed()).encode().encode())
    with Reader(path) as reader:
        for _ in range(3):
            assert times(reader) == [1.0, 2.0, 3.0, 5.0]
        assert reader.remarks() == [
            "passed over 1 event of kinds that this MiniBit does not know",
            "passed over 2 lines that are no events",
        ]


def test_an_absurd_line_is_passed_over_and_never_held(tmp_path: Path) -> None:
    path = written(tmp_path / "log", THREE)
    with path.open("ab") as file:
        for _ in range(3):
            file.write(b" " * MAX_LINE)
        file.write(b"\n" + Entry(5.0, "ana", Completed()).encode().encode())
    with Reader(path) as reader:
        assert times(reader) == [1.0, 2.0, 3.0, 5.0]
        assert reader.remarks() == ["passed over 1 line that is no event"]


def test_the_end_is_found_behind_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TAIL", 64)
    path = written(tmp_path / "log", THREE)
    with path.open("ab") as file:
        file.write(b"rubbish\n" * 100)
    with Reader(path) as reader:
        assert reader.last() == 3.0


def test_a_log_in_which_nothing_happened(tmp_path: Path) -> None:
    with Reader(written(tmp_path / "log", [])) as reader:
        assert times(reader) == []
        assert reader.last() == 0.0


@pytest.mark.parametrize("content", [b"", b"my thesis", b"\n", b"{}\n", b"\0" * (MAX_LINE + 10)])
def test_what_is_no_event_log(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thesis").write_bytes(content)
    with pytest.raises(UsageError, match="is no event log: name a file that --log has written"):
        Reader(tmp_path / "thesis")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UsageError, match="cannot read"):
            Reader(path)
