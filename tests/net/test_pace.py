"""A loop with much to hear rests before it looks around: never past what is due, and longer if it is late."""

import asyncio
import selectors
import socket
from collections.abc import Iterator

import pytest

from minibit.net.pace import (
    FLOOD,
    HEED,
    LIMITED_MANY,
    LIMITED_REST,
    MANY,
    MAX_REST,
    REST,
    WEIGHT,
    Pace,
    PacedLoop,
    PacedSelector,
    pace_of,
)

LIMIT = FLOOD / LIMITED_REST  # the most that counts as one


class Clock:
    """Time that passes only by sleeping, `late` seconds longer each time than was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.late = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.late


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace() -> Pace:
    pace = Pace()
    pace.connected(MANY)
    return pace


@pytest.fixture
def selector(pace: Pace, clock: Clock) -> Iterator[PacedSelector]:
    with PacedSelector(pace, clock.sleep, lambda: clock.now) as selector:
        here, there = socket.socketpair()
        with here, there:
            there.send(b"something is ready: no test waits")
            selector.register(here, selectors.EVENT_READ)
            yield selector


def test_with_few_connections_it_does_not_rest(pace: Pace, selector: PacedSelector, clock: Clock) -> None:
    pace.connected(MANY - 1)
    assert len(selector.select(None)) == len(selector.select(5.0)) == 1
    assert clock.slept == []


def test_with_many_it_rests_before_it_looks_around(selector: PacedSelector, clock: Clock) -> None:
    assert len(selector.select(None)) == len(selector.select(5.0)) == 1
    assert clock.slept == [REST, REST]


def test_who_is_limited_rests_longer_and_with_fewer(
    pace: Pace, selector: PacedSelector, clock: Clock
) -> None:
    pace.connected(LIMITED_MANY - 1, limit=LIMIT)
    selector.select(5.0)
    pace.connected(LIMITED_MANY, limit=LIMIT)
    selector.select(5.0)
    pace.connected(MANY, limit=LIMIT)
    selector.select(5.0)
    assert clock.slept == [LIMITED_REST, LIMITED_REST]


def test_who_is_hardly_limited_does_not_rest(pace: Pace, selector: PacedSelector, clock: Clock) -> None:
    pace.connected(LIMITED_MANY, limit=2 * FLOOD / LIMITED_REST)
    selector.select(5.0)
    assert clock.slept == []


def test_while_much_comes_at_once_it_does_not_rest(pace: Pace, selector: PacedSelector, clock: Clock) -> None:
    pace.received(FLOOD)
    pace.received(1)
    selector.select(5.0)
    assert clock.slept == []
    selector.select(5.0)
    assert clock.slept == [REST]


def test_it_rests_no_longer_than_until_something_is_due(selector: PacedSelector, clock: Clock) -> None:
    assert len(selector.select(REST / 4)) == len(selector.select(0)) == len(selector.select(-1.0)) == 1
    assert clock.slept == [REST / 4]


def test_who_is_late_rests_longer_up_to_a_bound_and_recovers(
    pace: Pace, selector: PacedSelector, clock: Clock
) -> None:
    clock.late = 2 * REST
    selector.select(None)
    assert pace.rest == pytest.approx(HEED * WEIGHT * 2 * REST)
    clock.late = 10 * MAX_REST
    selector.select(None)
    assert pace.rest == MAX_REST
    clock.late = 0.0
    for _ in range(100):
        selector.select(None)
    assert pace.rest == REST


def test_to_be_suspended_is_soon_forgotten(pace: Pace, selector: PacedSelector, clock: Clock) -> None:
    clock.late = 3600.0
    selector.select(None)
    clock.late = 0.0
    for _ in range(20):
        selector.select(None)
    assert pace.rest == REST


def test_what_is_due_on_a_paced_loop_is_done_then() -> None:
    async def due() -> list[int]:
        loop = asyncio.get_running_loop()
        pace_of(loop).connected(MANY)
        done: list[int] = []
        start = loop.time()
        loop.call_at(start + 0.002, done.append, 2)
        loop.call_at(start + 0.001, done.append, 1)
        await asyncio.sleep(0.003)
        return done

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        assert runner.run(due()) == [1, 2]
