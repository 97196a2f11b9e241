"""Whether an uplink stands idle."""

from minibit.engine.idleness import IDLE_SECONDS, PATIENCE, Idleness
from minibit.engine.lateness import MAX_LATE, Lateness


def idle_since(now: float, lateness: Lateness | None = None) -> Idleness:
    """An uplink that had something to send until `now`, and somebody waits."""
    idleness = Idleness(0.0, lateness or Lateness())
    idleness.look(now, sending=True)
    idleness.awaits(now, somebody=True)
    return idleness


def test_it_is_idle_after_a_moment_without_anything_to_send() -> None:
    idleness = idle_since(5.0)
    due = idleness.next_deadline(5.0)
    assert due == 5.0 + IDLE_SECONDS
    assert not idleness.idle(5.0 + IDLE_SECONDS / 2)
    assert idleness.idle(due)


def test_who_is_late_waits_longer_before_it_serves_one_more() -> None:
    lateness = Lateness()
    idleness = idle_since(5.0, lateness)
    for _ in range(50):
        lateness.add(MAX_LATE)
    assert not idleness.idle(5.0 + (PATIENCE - 1) * MAX_LATE), "nobody found the time to ask"
    assert idleness.idle(5.0 + PATIENCE * MAX_LATE)
    assert idleness.next_deadline(5.0) > 5.0 + (PATIENCE - 1) * MAX_LATE
    for _ in range(80):
        lateness.add(0.0)
    assert idleness.next_deadline(5.0) == 5.0 + IDLE_SECONDS, "it is in time again"


def test_what_is_sent_meanwhile_begins_it_anew() -> None:
    idleness = idle_since(5.0)
    idleness.look(5.09, sending=True)
    assert not idleness.idle(5.1)
    assert idleness.next_deadline(5.1) == 5.09 + IDLE_SECONDS


def test_where_nobody_waits_nothing_is_due() -> None:
    idleness = idle_since(5.0)
    idleness.awaits(6.0, somebody=False)
    assert not idleness.idle(9.0)
    assert idleness.next_deadline(9.0) == float("inf")
    idleness.awaits(9.0, somebody=True)
    assert not idleness.idle(9.0), "nobody has waited so far"
    assert idleness.idle(9.0 + IDLE_SECONDS)


def test_what_comes_of_one_admission_is_seen_before_the_next() -> None:
    idleness = idle_since(5.0)
    idleness.admitted(5.2)
    assert not idleness.idle(5.2)
    assert idleness.idle(5.2 + IDLE_SECONDS)


def test_an_uplink_that_paused_has_rested() -> None:
    idleness = idle_since(5.0)
    idleness.look(5.01, sending=False)
    assert not idleness.rested(), "a moment between two chunks is no pause"
    idleness.look(5.09, sending=False)
    assert idleness.rested()
    assert not idleness.rested(), "since that was last asked"
