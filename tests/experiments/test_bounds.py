"""The bounds: the arithmetic is the papers', tiny swarms come near it, and broken ones do not."""

import pytest
from msgspec.structs import replace

from minibit.experiments.bounds import (
    EQUAL,
    TABLE,
    TEXTBOOK_BYTES,
    cases,
    cell,
    draw,
    equal,
    over,
    read,
    rounds,
)
from minibit.experiments.experiment import Case
from minibit.experiments.observation import Run, observed
from minibit.lab.scenario import Scenario


@pytest.mark.parametrize(("peers", "blocks", "least"), [(1000, 400, 409), (10, 32, 35), (1, 5, 5), (8, 1, 4)])
def test_rounds_of_whole_blocks(peers: int, blocks: int, least: int) -> None:
    assert rounds(peers, blocks) == least


def test_the_textbooks_table_is_what_our_bound_gives() -> None:
    for peers, row in TABLE.items():
        for megabits, seconds in row.items():
            scenario = cell(peers, megabits, 100)
            assert scenario.bound * TEXTBOOK_BYTES / scenario.size == pytest.approx(seconds, abs=0.5)


def verdicts(scenario: Scenario) -> list[str]:
    case = Case("tiny", scenario)
    return [reading.verdict for reading in read([case], {"tiny": [observed(Run(scenario))]})]


def test_a_tiny_swarm_agrees_and_one_that_chokes_everybody_does_not() -> None:
    swarm = equal(5, 32)
    assert verdicts(swarm) == ["agrees", "agrees"]
    (kind,) = swarm.classes
    assert all(
        told.startswith("disagrees, +")
        for told in verdicts(replace(swarm, classes=(replace(kind, choking="unchoke-none"),)))
    )


def test_client_and_server_are_the_textbooks() -> None:
    assert verdicts(cell(10, 0, 64)) == ["agrees"]


def test_the_default_leaves_out_what_takes_hours() -> None:
    few, all_of_it = cases(False), cases(True)
    assert [case.name for case in few if case.scenario.name == EQUAL] == [
        "N = 10, M = 400",
        "N = 100, M = 32",
        "N = 1000, M = 16",
    ]
    assert len(all_of_it) == 3 + 12
    assert {case.scenario.layout.block_count for case in all_of_it} == {400}


def test_the_picture_has_a_line_for_each_kind_and_one_for_the_bound() -> None:
    played = [Case("a", equal(2, 4)), Case("b", cell(2, 1, 4))]
    seen = {case.name: [observed(Run(case.scenario))] for case in played}
    (panel,) = draw(played, seen)
    assert [line.label for line in panel.lines] == [EQUAL, "uplinks of 1 Mb/s", "D (Kumar & Ross 2006)"]
    assert panel.lines[0].ys == [over(seen["a"][0])]
