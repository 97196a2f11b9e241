"""Answers in plain words: the story of a block, of a choke, and of the last decisions."""

import pytest

from minibit.events import kinds
from minibit.inquiry.block import Asked, BlockStory, Came
from minibit.inquiry.choking import Contest, Place
from minibit.inquiry.recollection import Recent
from minibit.screen.sentences import block_lines, choking_lines, recent_lines, stall_lines


def story(
    *steps: Asked | Came, here: bool = False, resumed: bool = False, granted: bool = False
) -> list[str]:
    return block_lines(BlockStory("ana", 17, here, resumed, granted, steps))


def place(role: str = "choked", **more: object) -> Place:
    plain = {
        "contest": None,
        "rule": "rare blocks held",
        "missed": None,
        "wants": None,
        "origin": False,
        "next_round": 20.0,
        "moves": (),
    }
    return Place("ana", "caio", 12.0, role, **(plain | more))  # type: ignore[arg-type]


def contest(score: float, cut: float = 4.0, last: str = "duda", drawn: str | None = "eva") -> Contest:
    return Contest(10.0, 3, score, 7, cut, last, drawn)


def test_a_block_and_all_that_became_of_it() -> None:
    asked = Asked(2.0, "bia", "rarest", 44, 3, 1, ("caio", "duda"), 5)
    assert story(
        asked, Came(3.0, False, (("bia", 4),)), Came(4.0, True, (("bia", 3), ("eva", 1))), here=True
    ) == [
        "at 2.0 s ana asked bia for block 17: rarest of the 44 blocks that bia could give, 1 copy among "
        "neighbours, by lot from 3 equals. caio, duda and 3 more had it too; "
        "bia was free to be asked for more",
        "  at 3.0 s it was here and wrong, and ana threw it away: 4 chunks from bia",
        "  at 4.0 s it was here and right: 3 chunks from bia and 1 chunk from eva",
    ]
    assert story(Asked(2.0, "bia", "any", 1, 1, None, (), 0)) == [
        "at 2.0 s ana asked bia for block 17: any of the 1 block that bia could give",
        "  it has not come to ana by then",
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (story(here=True, resumed=True), "ana found block 17 on its disk"),
        (story(here=True), "ana has block 17; when it was asked for is not remembered any more"),
        (
            story(granted=True),
            "ana does not have block 17, though it was granted, and has asked nobody for it",
        ),
    ],
)
def test_a_block_without_a_story(lines: list[str], said: str) -> None:
    assert lines == [said]


def test_below_the_cut_line() -> None:
    assert choking_lines(place(contest=contest(1.0), moves=((10.0, "demoted"),))) == [
        "ana chokes caio",
        "  at 10.0 s caio ranked 3 of 7 by rare blocks held, with 1; "
        "the last fixed place went to duda with 4",
        "  its places: demoted at 10.0 s",
        "  ana's next round is at 20.0 s",
    ]


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (
            4.0,
            "  ties keep who has the place: only who is drawn by lot is ranked against those who have "
            "a place",
        ),
        (6.0, "  though that is less: only who is drawn by lot is ranked against those who have a place"),
    ],
)
def test_a_good_score_does_not_help_who_was_not_drawn(score: float, why: str) -> None:
    assert choking_lines(place(contest=contest(score)))[2] == f"{why}, and the lot fell on eva"
    assert choking_lines(place(contest=contest(score, drawn=None)))[2] == why


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (place(rule="nobody"), "ana chokes caio: ana uploads to nobody, as a free rider does"),
        (place(wants=False), "ana chokes caio: ana has nothing that caio lacks"),
        (place(), "ana chokes caio: it has not competed for a place so far"),
        (
            place(contest=contest(1.0), missed=20.0),
            "ana chokes caio: it did not compete in the round at 20.0 s",
        ),
        (
            place(moves=((9.0, "lost interest"),)),
            "ana chokes caio: it wanted nothing more of ana at 9.0 s, or left its place unused",
        ),
        (
            place(moves=((9.0, "left"),)),
            "ana chokes caio: it left at 9.0 s, and has not competed since it came again",
        ),
        (place("stranger"), "ana does not know caio: they were not connected by 12.0 s"),
        (place("fixed"), "ana does not choke caio: it has a fixed place"),
        (place("optimistic"), "ana does not choke caio: it has the optimistic place"),
    ],
)
def test_what_comes_first_is_the_reason(told: Place, said: str) -> None:
    assert choking_lines(told)[0] == said


def test_an_origin_serves_what_was_granted_all_the_same() -> None:
    assert choking_lines(place(origin=True))[1] == "  what the tracker granted it is served all the same"


def test_who_holds_the_last_fixed_place_is_told_so() -> None:
    assert choking_lines(place("fixed", contest=contest(4.0, last="caio")))[1].endswith(
        "the last of those who are fixed"
    )


def test_the_last_decisions() -> None:
    pick = kinds.Picked(17, "bia", "rarest", 44, 3, 1)
    moves = tuple((f"n{number}", "filled") for number in range(6))
    moved = kinds.Chosen(True, (), None, (), moves)
    assert recent_lines(Recent(5.0, pick, 6.0, moved, 20.0), 9.0) == [
        "asked bia for block 17: rarest, 1 copy, by lot of 3",
        "n0 filled, n1 filled, n2 filled, n3 filled, … 3 s ago",
        "next round in 11 s",
    ]
    assert recent_lines(Recent(None, None, None, None, 10.0), 12.0) == ["next round in 0 s"]


def test_of_those_who_stand_still_the_first_are_named() -> None:
    assert stall_lines({}) == []
    assert stall_lines({"ana": "nobody has it"}) == ["ana stands still: nobody has it"]
    many = {f"peer{number}": "choked" for number in range(7)}
    assert stall_lines(many)[3:] == ["peer3 stands still: choked", "3 more stand still"]
