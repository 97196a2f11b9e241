"""Why does ana choke caio: rank, score, cut line, lot, next round, and what happened to its place."""

import pytest
from fakes.logs import HEADER
from fakes.told import Told, chosen, joined, met, scene

from minibit.events import kinds
from minibit.inquiry.choking import ChokingQuestion, Contest, Place
from minibit.inquiry.scene import Scene

SCORES = {"bia": 9.0, "duda": 4.0, "caio": 4.0, "eva": 6.0, "gabi": 1.0}
BEGIN: list[Told] = [
    (0.0, "ana", joined(0b11)),
    *((0.5, "ana", event) for event in met("bia", "caio", "duda", "eva", "gabi")),
]
ROUND = chosen("bia duda", "eva", scores=SCORES, moves={"eva": "drawn", "caio": "demoted"})


def answer(told: list[Told], who: str = "caio", peer: str | None = "ana") -> tuple[Place, ...]:
    shown = Scene(HEADER.layout)
    question = ChokingQuestion(shown, who, peer)
    scene(told, question, of=shown)
    return question.answer()


def test_rank_score_cut_line_lot_and_next_round() -> None:
    (place,) = answer([*BEGIN, (10.0, "ana", ROUND)])
    assert (place.role, place.rule, place.next_round) == ("choked", "rare blocks held", 20.0)
    assert place.contest == Contest(10.0, 3, 4.0, 5, 4.0, "duda", "eva")
    assert place.moves == ((10.0, "demoted"),)
    assert (place.withdrawn, place.missed, place.free_rider) == (None, None, False)


@pytest.mark.parametrize(("who", "role"), [("bia", "fixed"), ("eva", "optimistic"), ("zoe", "stranger")])
def test_what_others_are(who: str, role: str) -> None:
    (place,) = answer([*BEGIN, (10.0, "ana", ROUND)], who)
    assert place.role == role


def test_who_lost_interest_is_choked_for_that() -> None:
    lost = chosen("bia duda", "eva", moves={"caio": "lost interest"}, round_due=False)
    (place,) = answer([*BEGIN, (10.0, "ana", ROUND), (12.0, "ana", lost)])
    assert place.withdrawn == (12.0, "lost interest")
    (place,) = answer([*BEGIN, (10.0, "ana", ROUND), (12.0, "ana", lost), (20.0, "ana", ROUND)])
    assert place.withdrawn is None, "it has competed since"


def test_a_round_that_it_missed() -> None:
    without = chosen("bia", scores={"bia": 1.0})
    (place,) = answer([*BEGIN, (10.0, "ana", ROUND), (20.0, "ana", without)])
    assert (place.missed, place.next_round) == (20.0, 30.0)


def test_who_wants_nothing_is_known_where_its_own_view_is() -> None:
    (unknown,) = answer([*BEGIN])
    (nothing,) = answer([*BEGIN, (1.0, "caio", joined(0b111))])
    (something,) = answer([*BEGIN, (1.0, "caio", joined(0b101))])
    assert [place.wants for place in (unknown, nothing, something)] == [None, False, True]


def test_without_a_view_everybody_present_who_knows_it_is_asked() -> None:
    told: list[Told] = [
        *BEGIN,
        (0.0, "bia", joined()),
        (0.0, "duda", joined()),
        *((1.0, name, event) for name in ("bia", "duda") for event in met("caio")),
        (2.0, "duda", kinds.Left("goodbye", "")),
    ]
    assert [place.peer for place in answer(told, peer=None)] == ["ana", "bia"]
    assert answer(told, "nobody", None) == ()


def test_a_free_rider_has_one_reason() -> None:
    (place,) = answer([*BEGIN, (10.0, "ana", chosen(rule="nobody"))])
    assert place.free_rider


def test_who_has_left_has_no_next_round() -> None:
    (place,) = answer([*BEGIN, (3.0, "ana", kinds.Left("killed", ""))])
    assert place.next_round is None
