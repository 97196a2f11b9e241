"""When nothing moves in a swarm, and what is said of that."""

from fakes.pictures import COUNT, swarm_row, swarm_view
from msgspec.structs import replace

from minibit.lab.standstill import Standstill, explain
from minibit.snapshot import SwarmStatus


def of(*rows: tuple[str, int]) -> SwarmStatus:
    """A swarm of these peers, each with the first so many blocks; "origin" is one."""
    made = [replace(swarm_row(name, have), origin=name == "origin") for name, have in rows]
    return replace(swarm_view(), rows=tuple(made))


def test_a_swarm_stands_still_while_nobody_receives_anything() -> None:
    standstill = Standstill(100.0)
    view = of(("origin", COUNT), ("ana", 3))
    assert standstill.seconds(view, 101.0) == 0.0
    assert standstill.seconds(view, 141.0) == 40.0
    rows = view.rows
    moved = replace(view, rows=(rows[0], swarm_row("ana", 3, downloaded=16384)))
    assert standstill.seconds(moved, 142.0) == 0.0, "a chunk is enough"
    assert standstill.seconds(moved, 150.0) == 8.0
    uploaded = replace(rows[0], figures=replace(rows[0].figures, uploaded=5))
    assert standstill.seconds(replace(moved, rows=(uploaded, moved.rows[1])), 151.0) == 9.0


def test_it_is_said_who_lacks_what_and_who_holds_it() -> None:
    assert explain(of(("origin", COUNT), ("ana", COUNT - 2), ("bia", 0))) == (
        f"ana lacks 2 (190–191) of {COUNT} blocks; bia lacks all {COUNT} blocks; held by origin, ana"
    )


def test_it_is_said_what_nobody_holds() -> None:
    assert explain(of(("ana", COUNT - 2), ("bia", COUNT - 3))) == (
        "ana lacks 2 (190–191) of 192 blocks; bia lacks 3 (189–191) of 192 blocks; "
        "held by nobody: 2 (190–191); the others held by ana"
    )


def test_a_crowd_that_lacks_something_has_a_short_line() -> None:
    line = explain(of(*((f"peer{number}", number) for number in range(50))))
    assert "46 more lack some" in line
    assert len(line) < 500
