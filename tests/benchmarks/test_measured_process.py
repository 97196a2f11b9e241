"""Processes that are measured: what they said, what they used, and that none stays behind."""

import sys
from pathlib import Path

import pytest
from rig.measured_process import Crew

from minibit.errors import MinibitError

SPEAKS = "import sys; print('READY 7', flush=True); sys.stdin.read()"
DEAF = "import time; print('READY', flush=True); time.sleep(600)"


def test_what_it_says_is_heard_and_what_it_uses_is_known(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        process = crew.start("speaker", [sys.executable, "-S", "-c", SPEAKS])
        at, line = process.said("READY", 10)

        assert line == "READY 7"
        assert at >= process.launched
        assert 1 < process.peak() < 1000
        assert 0 <= process.cpu() < 10
    assert process.process.returncode == 0


def test_who_ends_without_the_word_is_quoted(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        process = crew.start("speaker", [sys.executable, "-S", "-c", "print('no such share')"])
        with pytest.raises(MinibitError, match=r"speaker ended without saying 'READY'.*no such share"):
            process.said("READY", 10)


def test_who_does_not_heed_its_input_is_ended_by_a_signal(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        process = crew.start("deaf", [sys.executable, "-S", "-c", DEAF], heeds_input=False)
        process.said("READY", 10)
    assert process.process.returncode == -15
