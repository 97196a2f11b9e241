"""Whether it is of use to take blocks back."""

from minibit.engine.recalls import MAX_PENDING, PROBE_SECONDS, Recalls


def recalled(count: int) -> Recalls:
    recalls = Recalls()
    for block in range(count):
        recalls.recalled(1, block, 0.0)
    return recalls


def test_it_is_of_use_until_the_contrary_is_seen() -> None:
    recalls = recalled(10)
    assert recalls.useful(0.0)
    for block in range(10):
        recalls.agreed(1, block)
    assert recalls.useful(0.0)


def test_blocks_that_come_all_the_same_end_it_and_it_is_tried_anew() -> None:
    recalls = recalled(10)
    for block in range(10):
        recalls.came(1, block)
    assert not recalls.useful(0.0)
    assert recalls.useful(PROBE_SECONDS + 0.1)
    recalls.recalled(1, 99, PROBE_SECONDS + 0.1)
    assert not recalls.useful(PROBE_SECONDS + 0.2), "one at a time"


def test_who_sends_a_block_twice_is_counted_once() -> None:
    recalls = recalled(1)
    for _ in range(50):
        recalls.came(1, 0)
        recalls.came(2, 7)
    assert recalls.useful(0.0)


def test_what_is_remembered_is_bounded() -> None:
    assert len(recalled(3 * MAX_PENDING)._pending) == MAX_PENDING
