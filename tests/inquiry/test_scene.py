"""What a scene keeps of a log: bounded, whatever the log says."""

import pytest
from fakes.logs import BLOCKS, HEADER, entries
from fakes.told import chosen, joined, met, sampled, scene
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.inquiry import scene as module
from minibit.inquiry.block import BlockQuestion
from minibit.inquiry.choking import ChokingQuestion
from minibit.inquiry.progress import progress
from minibit.inquiry.scene import Scene
from minibit.screen.sentences import block_lines, choking_lines, progress_lines

FULL = bitfield.full(BLOCKS)


def test_blocks_and_who_sent_them() -> None:
    shown = scene(
        [
            (0.0, "ana", joined(0b1)),
            (1.0, "ana", kinds.Recalled(0b110, (("bia", 4),))),
            (2.0, "ana", kinds.Verified(3, (("bia", 1), ("caio", 1)))),
            (2.5, "ana", kinds.Verified(99, (("bia", 7),))),
        ]
    )
    ana = shown.actors["ana"]
    assert (ana.blocks, ana.senders, shown.t) == (0b1111, {"bia": 5, "caio": 1}, 2.5)
    assert not shown.whole


def test_a_stall_is_over_when_a_block_comes() -> None:
    told = [(0.0, "ana", joined()), (9.0, "ana", kinds.Stalled("nobody", 3))]
    assert scene(told).actors["ana"].stall is not None
    assert scene([*told, (10.0, "ana", kinds.Verified(1, ()))]).actors["ana"].stall is None


def test_who_lost_a_round_is_remembered_as_an_example() -> None:
    shown = scene(
        [
            (0.0, "ana", joined()),
            (10.0, "ana", chosen("bia", "caio", scores={"bia": 2, "caio": 1, "duda": 0})),
        ]
    )
    assert shown.loser == ("ana", "duda", 10.0)


def test_what_nobody_present_holds() -> None:
    shown = scene(
        [(0.0, "ana", joined(0b1)), (0.0, "bia", joined(0b10)), (1.0, "bia", kinds.Left("killed", ""))]
    )
    assert shown.whole
    assert shown.held() == 0b1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 3)
    monkeypatch.setattr(module, "MAX_PEERS", 2)
    names = [f"n{number}" for number in range(9)]
    shown = scene(
        [
            *((0.0, name, joined()) for name in names),
            *((1.0, "n0", event) for event in met(*names)),
            (2.0, "n0", kinds.Verified(0, tuple((name, 1) for name in names))),
            *((3.0, "n0", kinds.Banned(name, "")) for name in names),
            *((3.0, "n0", kinds.DialFailed(name)) for name in names),
        ]
    )
    actor = shown.actors["n0"]
    kept = (actor.neighbours, actor.senders, actor.banned, actor.unanswered)
    assert [len(each) for each in kept] == [3, 3, 3, 3]
    assert list(shown.actors) == ["n0", "n1"]


@given(st.lists(entries, max_size=30), st.integers(0, BLOCKS - 1))
def test_whatever_a_log_says_every_question_has_an_answer(log: list[Entry], block: int) -> None:
    shown = Scene(HEADER.layout)
    names = [entry.peer for entry in log][:2]
    questions = [ChokingQuestion(shown, name, None) for name in names]
    asked = BlockQuestion(shown, block, None)
    for name in names:  # so that some of it happens to somebody
        shown.apply(Entry(0.0, name, joined()))
    for entry in log:
        for question in (asked, *questions):
            question.hear(entry)
        shown.apply(entry)
    lines = [line for story in asked.answer() for line in block_lines(story)]
    lines += [line for each in questions for place in each.answer() for line in choking_lines(place)]
    lines += [line for actor in shown.actors.values() for line in progress_lines(progress(shown, actor))]
    assert all(line and line.isprintable() for line in lines)
    assert all(actor.blocks <= FULL for actor in shown.actors.values())
    assert sampled().owed == ()
