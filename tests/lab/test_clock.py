"""Virtual time: order, and where a run stops."""

from minibit.lab.clock import Clock


def never() -> bool:
    return False


def test_what_is_due_at_the_same_moment_happens_in_the_order_in_which_it_was_asked_for() -> None:
    clock, seen = Clock(), []
    for number in range(20):
        clock.at(2.0, seen.append, number)
    clock.at(1.0, seen.append, "first")
    assert clock.run(2.0, 100, never)
    assert seen == ["first", *range(20)]
    assert clock.events == 21


def test_what_is_asked_for_in_the_past_happens_now() -> None:
    clock, seen = Clock(), []
    clock.at(5.0, lambda: clock.at(1.0, lambda: seen.append(clock.now)))
    clock.run(9.0, 100, never)
    assert seen == [5.0]
    assert clock.now == 9.0


def test_a_run_stops_at_its_time_its_count_or_its_end() -> None:
    clock, seen = Clock(), []
    for number in range(10):
        clock.at(number, seen.append, number)
    assert clock.run(3.5, 100, never)
    assert not clock.run(100.0, 2, never)
    assert not clock.run(100.0, 100, lambda: len(seen) == 8)
    assert seen == list(range(8))
