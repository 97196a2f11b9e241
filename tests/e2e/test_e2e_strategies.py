"""A strategy of the user's own that goes wrong ends its swarm at once, and is told where and how.

What one process can tell by itself is in `test_registry` and `test_asking`.
"""

import json
from pathlib import Path

import pytest
from e2e.running import Start, write_random

OWN = """\
from minibit.strategies.view import Choice, Pick, Slots

class Boom:
    def pick(self, view, now, rng):
        print("picking one of", view.candidates.bit_count())
        return Pick(1 // 0, 0, 0, "never")

class Nonsense:
    def choke(self, view, now, rng):
        return Choice(Slots((999,)))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "ideas" / "random.py"  # which is also the name of a module of Python's own
    path.parent.mkdir()
    path.write_text(OWN)
    return path


def test_a_picker_that_raises_is_told_with_its_traceback_and_its_log_is_kept(
    minibit: Start, own: Path, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "film.bin", 100_000)
    swarm = minibit("swarm", "--peers", 1, "--share", share, "--picking", f"{own}:Boom", "--json")

    assert swarm.wait() == 2, str(swarm)
    (line,) = swarm.out
    document = json.loads(line)
    assert (
        f"raised ZeroDivisionError: integer division or modulo by zero ({own}, line 6)" in document["error"]
    )
    assert document["traceback"][0] == "Traceback (most recent call last):"
    assert f'  File "{own}", line 6, in pick' in document["traceback"]
    told = [line for line in swarm.err if not line.startswith("hashing: ")]  # on a slow machine
    assert told == [*document["traceback"], f"minibit: {document['error']}"]
    log = Path(document["error"].split("; see ")[1])
    assert log.parent == Path(document["logs"])
    assert "picking one of " in log.read_text(), "what it printed"
    assert [path.suffix for path in log.parent.iterdir()] == [".log"] * 2, "the copies are removed"


def test_a_choker_that_answers_nonsense_ends_the_swarm_at_once(
    minibit: Start, own: Path, tmp_path: Path
) -> None:
    share = write_random(tmp_path / "film.bin", 100_000)
    swarm = minibit("swarm", "--peers", 2, "--share", share, "--choking", f"{own}:Nonsense")

    assert swarm.wait() == 2, str(swarm)
    (line,) = swarm.err
    assert "own_random.Nonsense answered Choice(slots=Slots(fixed=(999,)" in line
    assert "not a Choice whose slots are keys of view.neighbours; see " in line
    assert not any("starts it again" in told for told in swarm.out)
    assert Path(line.split("; see ")[1]).exists()


ONE = """\
size = "64K"
block-size = "16K"
grant = "0-0"

[[peers]]
name = "ana"
"""


def test_real_processes_are_compared_as_simulations_are(minibit: Start, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(ONE)
    common = ("compare", "--scenario", "one.toml", "--picking", "sequential", "--runs", 1, "--json")
    found = []
    for command in (minibit(*common, "--live"), minibit(*common)):
        assert command.wait() == 0, str(command)
        (line,) = command.out
        found.append(json.loads(line))
    live, simulated = found
    assert (live["live"], simulated["live"]) == (True, False)
    for document in found:
        ((trial,),) = (contender["runs"] for contender in document["contenders"])
        assert (len(trial["times"]), trial["awaited"], round(trial["origin_carried"], 2)) == (1, 1, 1.0)
