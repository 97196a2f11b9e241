"""Why was block 3 asked of bia: rule, copies, equals, who else had it, and what became of it."""

from fakes.logs import HEADER
from fakes.told import Told, joined, scene
from msgspec.structs import replace

from minibit.events import kinds
from minibit.inquiry.block import MAX_STEPS, Asked, BlockQuestion, BlockStory, Came
from minibit.inquiry.scene import Scene

PICK = kinds.Picked(3, "bia", "rarest", 5, 2, 1)
STORY: list[Told] = [
    (0.0, "ana", joined(granted=0b1000)),
    (0.0, "bia", joined(0b1000)),
    (0.0, "caio", joined(0b1001)),
    (1.0, "ana", kinds.Picked(0, "caio", "rarest", 1, 1, 1)),
    (2.0, "ana", PICK),
    (3.0, "ana", kinds.Corrupt(3, (("bia", 2),))),
    (4.0, "ana", PICK),
    (5.0, "ana", kinds.Verified(3, (("bia", 1), ("caio", 1)))),
]


def answer(told: list[Told], peer: str | None, block: int = 3) -> tuple[BlockStory, ...]:
    shown = Scene(HEADER.layout)
    question = BlockQuestion(shown, block, peer)
    scene(told, question, of=shown)
    return question.answer()


def test_each_pick_with_its_reasons_and_what_came_of_it() -> None:
    (story,) = answer(STORY, None)
    asked = Asked(2.0, "bia", "rarest", 5, 2, 1, ("caio",), 1)
    assert (story.peer, story.here, story.resumed, story.granted) == ("ana", True, False, True)
    assert story.steps == (
        asked,
        Came(3.0, False, (("bia", 2),)),
        replace(asked, at=4.0),
        Came(5.0, True, (("bia", 1), ("caio", 1))),
    )


def test_a_peer_that_had_it_from_the_start_or_never() -> None:
    (bia,) = answer(STORY, "bia")
    assert (bia.here, bia.resumed, bia.steps) == (True, True, ())
    (lacking,) = answer(STORY, "ana", block=7)
    assert (lacking.here, lacking.steps) == (False, ())
    assert answer(STORY, "nobody") == ()


def test_who_comes_again_begins_anew() -> None:
    (story,) = answer([*STORY, (9.0, "ana", joined())], "ana")
    assert (story.here, story.steps) == (False, ())


def test_a_block_that_is_spoilt_for_ever_is_told_in_bounds() -> None:
    spoilt: list[Told] = [(float(n), "ana", kinds.Corrupt(3, (("bia", 2),))) for n in range(200)]
    (story,) = answer([*STORY[:3], *spoilt], "ana")
    assert len(story.steps) == MAX_STEPS
    assert story.steps[-1] == Came(199.0, False, (("bia", 2),))
