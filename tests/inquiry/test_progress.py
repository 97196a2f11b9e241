"""Why is ana slow or stuck: each reason there is, and the gravest of them first."""

import pytest
from fakes.logs import BLOCKS
from fakes.told import Told, joined, met, sampled, scene

from minibit import bitfield
from minibit.events import kinds
from minibit.inquiry.progress import Debtor, Ended, LastHolder, Progress, Verdict, progress
from minibit.screen.sentences import progress_line, progress_lines

FULL = bitfield.full(BLOCKS)
BEGIN: list[Told] = [(0.0, "ana", joined(0b1)), *((0.5, "ana", each) for each in met("bia", "caio"))]


def answer(*more: Told) -> Progress:
    shown = scene([*BEGIN, *more])
    return progress(shown, shown.actors["ana"])


def bia(have: int = FULL, *, limit: float = 100_000.0, up: float = 0.0) -> list[Told]:
    return [
        (0.0, "bia", joined(have, limit=limit)),
        (1.0, "bia", sampled(up=up, queued={"ana": 3, "caio": 1})),
    ]


@pytest.mark.parametrize(
    ("more", "verdict", "said"),
    [
        ([(2.0, "ana", kinds.Verified(n, ())) for n in range(BLOCKS)], "complete", "holds everything"),
        ([(2.0, "ana", kinds.Left("killed", "no goodbye"))], "left", "it was killed at 2.0 s (no goodbye)"),
        (
            [(2.0, "ana", each) for each in (kinds.Disconnected("bia", ""), kinds.Disconnected("caio", ""))],
            "alone",
            "it has no neighbour",
        ),
        (
            [(2.0, "ana", kinds.Stalled("nothing has come for 40 s", 7))],
            "stalled",
            "nothing has come for 40 s",
        ),
        ([(2.0, "ana", sampled(unavailable=BLOCKS - 1))], "unseen", "no neighbour shows what it lacks"),
        (
            [(2.0, "ana", sampled(choked_by=("bia", "caio")))],
            "choked",
            "choked by all who have what it lacks: bia",
        ),
        ([(2.0, "ana", sampled())], "idle", "it has asked nobody"),
        ([(2.0, "ana", sampled(owed={"caio": 1, "bia": 3}))], "waiting", "it waits for bia and caio"),
    ],
)
def test_each_verdict_and_its_line(more: list[Told], verdict: str, said: str) -> None:
    told = answer(*more)
    assert told.verdict == verdict
    assert said in progress_line(told)
    assert progress_lines(told)[0] == progress_line(told)


def test_a_full_uplink_is_named() -> None:
    told = answer(*bia(up=95_000.0), (2.0, "ana", sampled(down=900.0, owed={"bia": 7, "caio": 2})))
    assert told.verdict is Verdict.UPLINKS
    assert told.debtors == (
        Debtor("bia", 7, 95_000.0, 100_000.0, 2, None),
        Debtor("caio", 2, None, None, None, None),
    )
    assert "900 B/s comes: bia sends all that it may" in progress_line(told)
    (line,) = (line for line in progress_lines(told) if "bia owes" in line)
    assert line == (
        "  bia owes it 7 chunks and sends 92.8 KiB/s of the 97.7 KiB/s that it may, to 2 peers that wait: "
        "its uplink is full"
    )


def test_its_own_download_limit_is_named_while_so_much_comes() -> None:
    limited: list[Told] = [(0.6, "ana", joined(0b1, download_limit=50_000.0)), (0.7, "ana", met("bia")[0])]
    told = answer(*limited, *bia(up=95_000.0), (2.0, "ana", sampled(down=48_000.0, owed={"bia": 7})))
    assert told.verdict is Verdict.LIMITED
    assert progress_line(told) == (
        f"ana has 1 of {BLOCKS} blocks, 46.9 KiB/s comes: that is its own download limit, 48.8 KiB/s"
    )
    slower = answer(*limited, *bia(up=95_000.0), (2.0, "ana", sampled(down=9_000.0, owed={"bia": 7})))
    assert slower.verdict is not Verdict.LIMITED


def test_an_uplink_with_room_is_not_blamed() -> None:
    assert answer(*bia(up=50_000.0), (2.0, "ana", sampled(owed={"bia": 7}))).verdict is Verdict.WAITING
    assert (
        answer(*bia(up=50_000.0, limit=0.0), (2.0, "ana", sampled(owed={"bia": 7}))).verdict
        is Verdict.WAITING
    )


def test_an_uplink_of_a_chunk_a_second_is_full_between_two_chunks() -> None:
    told = answer(*bia(up=13_000.0, limit=16_384.0), (2.0, "ana", sampled(owed={"bia": 7})))
    assert told.verdict is Verdict.UPLINKS


def test_blocks_that_are_gone_and_who_held_them_last() -> None:
    told = answer(*bia(), (5.0, "bia", kinds.Left("silent", "")), (6.0, "ana", sampled(owed={"bia": 7})))
    ended = Ended(5.0, "silent", "")
    assert (told.verdict, told.gone_count) == (Verdict.GONE, BLOCKS - 1)
    assert told.gone == tuple(range(1, BLOCKS))
    assert told.holders == (LastHolder("bia", BLOCKS - 1, ended),)
    assert told.debtors[0].ended == ended
    assert "nobody there holds what it lacks (bia held 7 of them until 5.0 s, when it fell silent)" in (
        progress_line(told)
    )


def test_what_one_view_cannot_know_is_not_said() -> None:
    assert answer((2.0, "ana", sampled())).gone_count == 0


def test_a_liar_is_named() -> None:
    told = answer(
        (2.0, "ana", kinds.Corrupt(1, (("bia", 2), ("caio", 1)))),
        (3.0, "ana", kinds.Corrupt(2, (("bia", 3),))),
        (3.5, "ana", kinds.Banned("bia", "its blocks are wrong")),
        (3.0, "ana", kinds.DialFailed("duda")),
    )
    lines = "\n".join(progress_lines(told))
    assert told.spoilers == (("bia", 2), ("caio", 1))
    assert "2 blocks came wrong and were thrown away: bia had a part in 2; caio had a part in 1" in lines
    assert "bia was banned at 3.5 s" in lines
    assert "did not answer its calls: duda" in lines


def test_where_its_blocks_came_from() -> None:
    told = answer((2.0, "ana", kinds.Verified(1, (("bia", 3), ("origin", 1)))))
    assert told.senders == (("bia", 3), ("origin", 1))
    assert "  its blocks came from bia 75%, origin 25%, and 1 block it found on its disk" in progress_lines(
        told
    )
