"""What is said of a download that has come to a halt: for every way to halt, the reason."""

from collections.abc import Callable

import pytest
from fakes.puppets import FULL, Stage, both, piece, reject, told

from minibit import registry
from minibit.engine.stalls import STALL_SECONDS, Stall, StallWatch, stall
from minibit.wire import messages as m


def halted(stage: Stage, seconds: float = STALL_SECONDS) -> Stall:
    """After so long in which nothing came."""
    stage.wait(seconds)
    found = stall(stage.engine, stage.now)
    assert found is not None
    return found


def nobody(_: Stage) -> None:
    """No neighbour, and no address."""


def unreachable(stage: Stage) -> None:
    stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, None)), stage.now))


def lacking(stage: Stage) -> None:
    stage.puppet(1, have=0b0111_1111)


def choking(stage: Stage) -> None:
    stage.puppet(1, have=FULL, minibit=True)


def owing(stage: Stage) -> None:
    stage.puppet(1, have=FULL, minibit=True, unchokes=True)


def refusing(stage: Stage) -> None:
    stage.puppet(1, have=FULL, minibit=True, unchokes=True)
    for _ in range(2):
        stage.says(1, *(reject(block, chunk) for block in range(8) for chunk in range(2)))
        stage.wait(STALL_SECONDS / 2)
    stage.says(1, *(reject(block, chunk) for block in range(8) for chunk in range(2)))


def crowd(stage: Stage) -> None:
    for key in range(1, 8):
        stage.puppet(key, have=FULL, minibit=True)


def checked(stage: Stage) -> None:
    stage.puppet(1, have=0b1, unchokes=True)
    stage.says(1, *both(0))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (nobody, "8 of 8 blocks are missing; no neighbour, and 0 known addresses"),
        (unreachable, "no neighbour, and 1 known address, dialled again and again"),
        (
            lacking,
            "shown by no neighbour of 1: 1 (7); held but not served, because they choke us: 10.0.0.1:6881",
        ),
        (choking, "8 of 8 blocks are missing; held but not served, because they choke us: puppet1"),
        (owing, "8 of 8 blocks are missing; asked, and nothing sent for 40 s: puppet1"),
        (refusing, "; asked, and refused: puppet1"),
        (crowd, "choke us: puppet1, puppet2, puppet3, puppet4 and 3 more"),
        (checked, "still being checked by the disk: 1 (0)"),
    ],
)
def test_every_halt_has_its_reason(how: Callable[[Stage], None], reason: str) -> None:
    stage = Stage()
    how(stage)
    if how is refusing:
        found = stall(stage.engine, stage.now)
        assert found is not None
    else:
        found = halted(stage)
    assert reason in found.explain()
    assert found.explain().startswith("nothing has come for 40 s: ")


class Picky:
    """Names no block, ever."""

    def pick(self, *_: object) -> None:
        return None


def test_a_picker_that_names_no_block_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PICKING, "picky", Picky)
    stage = Stage(picking="picky")
    stage.puppet(1, have=FULL, minibit=True, unchokes=True)
    assert "but the picking strategy names no block: puppet1" in halted(stage).explain()


def test_memory_that_the_slow_have_taken_is_the_reason() -> None:
    stage = Stage()
    stage.engine.blocks.max_open = 2
    stage.puppet(1, have=0b11, minibit=True, unchokes=True)
    stage.puppet(2, have=0b100, minibit=True, unchokes=True)
    stage.engine.blocks.debts[2].despair(stage.now)
    assert stage.engine.blocks.debts[2].paid == 0
    stage.engine.blocks.debts[2].busy = 1e9
    assert "memory for blocks in flight is taken by the slow: puppet2" in halted(stage).explain()


def test_what_crawls_has_not_halted() -> None:
    """At 1 KiB/s a chunk comes every 16 s."""
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    for block in range(8):
        for chunk in range(2):
            stage.wait(16.0)
            assert stall(stage.engine, stage.now) is None
            stage.says(1, piece(block, chunk))
        stage.verified(block)
    stage.wait(10 * STALL_SECONDS)
    assert stall(stage.engine, stage.now) is None, "all is here"


def test_junk_is_no_progress() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL)
    for _ in range(10):
        stage.says(1, piece(0, 0))
        stage.wait(STALL_SECONDS / 10)
    assert stall(stage.engine, stage.now) is not None


def test_before_the_share_is_known_nothing_can_come() -> None:
    stage = Stage(layout=None)
    stage.wait(10 * STALL_SECONDS)
    assert stall(stage.engine, stage.now) is None


def test_a_stall_is_told_once_and_again_when_its_reason_changes() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, minibit=True)
    watch = StallWatch()
    said = []
    for second in range(400):
        stage.wait(1.0)
        stage.says(1, m.Unchoke() if second == 200 else m.KeepAlive())
        if (news := watch.look(stage.engine, stage.now)) is not None:
            said.append((second + 1, news.causes[0].kind))
    assert said == [(40, "choking"), (201, "owing")]


def test_reasons_that_change_with_every_choke_are_not_told_with_every_choke() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, minibit=True)
    watch = StallWatch()
    news = 0
    for second in range(400):
        stage.wait(1.0)
        if second % 10 == 0:
            stage.says(1, m.Choke() if second % 20 else m.Unchoke())
            stage.says(1, *(reject(block, chunk) for block in range(8) for chunk in range(2)))
        news += watch.look(stage.engine, stage.now) is not None
    assert 2 <= news <= 400 / STALL_SECONDS
