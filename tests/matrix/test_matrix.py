"""A few of the matrix's cells on loopback: libtorrent always, aria2 where it is installed. A cell can fail.

The whole of it is by hand: `python -m tests.matrix`.
"""

import os
from pathlib import Path

import pytest
from e2e.running import write_random
from matrix import stage as stage_room
from matrix.cells import CELLS, Cell
from matrix.clients import Aria2, Client, Job, Libtorrent, installed
from matrix.lan import Loopback
from matrix.stage import CellError, Stage
from matrix.table import Outcome, lines, play

SIZE = 1 << 20
REQUIRED = os.environ.get("MINIBIT_REQUIRE_FOREIGN")
libtorrent = pytest.importorskip("libtorrent") if not REQUIRED else __import__("libtorrent")


@pytest.fixture
def share(tmp_path: Path) -> Path:
    return write_random(tmp_path / "share" / "film.bin", SIZE)


@pytest.mark.parametrize(
    ("client", "key"),
    [(Libtorrent(), "mixed"), (Libtorrent(), "orphaned"), (Aria2(), "mixed"), (Aria2(), "returns")],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_a_foreign_client_and_minibit(client: Client, key: str, tmp_path: Path, share: Path) -> None:
    cell = next(cell for cell in CELLS if cell.key == key)
    if not installed(client) and not REQUIRED:
        pytest.skip(f"NOT TESTED AGAINST A FOREIGN CLIENT: {client.program} is not installed")
    assert play(Loopback(), tmp_path / "cell", share, client, cell, minibit=True) > 0.0


class Idle(Libtorrent):
    """A client that does nothing at all."""

    name = "idle"

    def words(self, job: Job) -> list[str]:
        del job
        return ["sleep", "60"]


def test_a_client_that_fetches_nothing_is_no_success(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_room, "PATIENCE", 0.3)

    def fetch(stage: Stage) -> float:
        return stage.seconds([stage.client("foreign")])

    with pytest.raises(CellError, match=r"foreign's copy: not within"):
        play(Loopback(), tmp_path / "cell", share, Idle(), Cell("idle", "", fetch), minibit=True)


def test_the_table() -> None:
    client, (one, other) = Idle(), CELLS[:2]
    found = [Outcome(client, one, 3.0, 1.0), Outcome(client, other, None, 2.0, "why")]
    assert list(lines([client], [one, other], found))[2:] == [
        f"| {one.title} | slow 3.0 s (1.0) |",
        f"| {other.title} | ✗ (2.0) |",
    ]
    assert Outcome(client, one, 1.6, 1.0).slow
    assert not Outcome(client, one, 1.4, 1.0).slow
    assert not Outcome(client, one, 0.7, 0.3).slow, "half a second makes no difference"
    assert not Outcome(client, one, 14.0, 10.0).slow
    assert not Outcome(client, one, 14.0).slow, "there is nothing to compare it with"
