"""Trackers in tiers (BEP 12): whose turn it is, and who is left alone for how long."""

from random import Random

from minibit.peer.tiers import FIRST_PAUSE, LONGEST_PAUSE, Tiers


def test_tiers_keep_their_order_and_who_answers_goes_first_in_its_own() -> None:
    tiers = Tiers((("a", "b", "c"), ("d",)), Random(1))
    first = tiers.due(0.0)
    assert sorted(first[:3]) == ["a", "b", "c"]
    assert first[3] == "d"
    tiers.answered(first[2])
    tiers.answered("d")
    assert tiers.due(0.0) == [first[2], first[0], first[1], "d"]


def test_who_fails_is_left_alone_for_longer_and_longer() -> None:
    tiers = Tiers((("a",), ("b",)), Random(1))
    now, pauses = 0.0, []
    for _ in range(20):
        tiers.failed("a", now)
        assert tiers.due(now) == ["b"]
        pauses.append(tiers.next_due() - now)
        now = tiers.next_due()
        assert tiers.due(now) == ["a", "b"]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    tiers.answered("a")
    tiers.failed("a", now)
    assert tiers.next_due() == now + FIRST_PAUSE
