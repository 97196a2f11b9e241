"""A log for each process of a swarm, and one of them all."""

from pathlib import Path

import pytest
from fakes.logs import HEADER, written

from minibit.errors import UsageError
from minibit.eventlog.reading import Reader
from minibit.events.kinds import Completed, Left
from minibit.lab.process_logs import ProcessLogs


def test_each_process_has_a_log_of_its_own_and_who_is_resumed_another_one(tmp_path: Path) -> None:
    (tmp_path / "ana-again.jsonl").write_text(HEADER.encode())  # of an earlier swarm
    logs = ProcessLogs(tmp_path, tmp_path / "all")
    assert logs.arguments("ana") == ["--log", str(tmp_path / "ana.jsonl")]
    for _ in range(2):
        assert logs.arguments("ana-again") == ["--log", str(tmp_path / "ana-again.jsonl")]
    assert logs.arguments("bia"), "who never wrote a line"
    assert not (tmp_path / "ana-again.jsonl").exists()
    written(tmp_path / "ana.jsonl", [(1.0, "ana", Completed())])
    written(tmp_path / "ana-again.jsonl", [(2.0, "ana", Left("goodbye", ""))])
    logs.put_together(seed=3, settings={"size": 5}, tell=pytest.fail)
    with Reader(tmp_path / "all") as reader:
        assert [entry.t for entry, _ in reader.entries()] == [1.0, 1.0, 2.0]
        assert (reader.header.seed, reader.header.settings) == (3, {"size": 5})


def test_a_users_file_of_that_name_is_not_taken_for_a_log(tmp_path: Path) -> None:
    (tmp_path / "ana.jsonl").write_text("my thesis")
    with pytest.raises(UsageError, match="is there already and no event log"):
        ProcessLogs(tmp_path, tmp_path / "all").arguments("ana")
    assert (tmp_path / "ana.jsonl").read_text() == "my thesis"


def test_nobody_asked_for_a_log(tmp_path: Path) -> None:
    logs = ProcessLogs(tmp_path, None)
    assert logs.arguments("ana") == []
    logs.put_together(seed=None, settings={}, tell=pytest.fail)
    assert list(tmp_path.iterdir()) == []
