"""One process of a swarm."""

from pathlib import Path

import pytest

from minibit.cli.options import NURSERY
from minibit.lab.child import end, spawn
from minibit.lab.nursery import Nursery


def test_the_users_files_do_not_stand_in_for_modules_of_pythons_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random.py", "json.py", "rich.py"):  # a strategy of the user's own, or somebody's download
        (tmp_path / name).write_text("raise SystemExit('the file of that name was run')")
    monkeypatch.chdir(tmp_path)
    nursery = Nursery(NURSERY)
    child = spawn(nursery, "tracker", tmp_path / "tracker.log", ["tracker", "--port", "none"])
    try:
        assert child.process.wait(30) == 2, child.last_words
        assert child.last_words.startswith("--port: 'none' is not a port")
    finally:
        end([child])
        nursery.close()
