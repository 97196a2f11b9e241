"""What is put is taken once, in order, on the loop, which is not woken more than it takes."""

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import cast

import pytest

from minibit.serve.handover import Handover


class Loop:
    """One that takes its turns when told to, and counts how often another thread woke it."""

    def __init__(self) -> None:
        self.woken = 0
        self.due: list[Callable[[], None]] = []

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        self.woken += 1
        self.due.append(call)

    def call_soon(self, call: Callable[[], None]) -> None:
        self.due.append(call)

    def turn(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


def test_a_loop_is_woken_once_for_all_that_wait_and_takes_one_a_turn() -> None:
    loop, taken = Loop(), list[int]()
    handover = Handover(cast("asyncio.AbstractEventLoop", loop), taken.append)
    for number in range(3):
        handover.put(number)
    assert (loop.woken, taken) == (1, [])
    loop.turn()
    assert taken == [0]
    loop.turn()
    loop.turn()
    assert (taken, loop.due) == ([0, 1, 2], [])
    handover.put(3)
    assert loop.woken == 2


def test_one_that_could_not_be_taken_holds_up_nobody() -> None:
    loop, taken = Loop(), list[float]()
    handover = Handover[int](cast("asyncio.AbstractEventLoop", loop), lambda number: taken.append(1 / number))
    handover.put(0)
    handover.put(1)
    with pytest.raises(ZeroDivisionError):
        loop.turn()
    loop.turn()
    assert taken == [1.0]


def test_a_closed_loop_takes_nothing() -> None:
    loop, taken = asyncio.new_event_loop(), list[int]()
    loop.close()
    Handover(loop, taken.append).put(1)
    assert taken == []


def test_of_what_threads_put_in_turns_nothing_is_lost() -> None:
    taken = list[int]()

    async def take_all() -> None:
        done = asyncio.Event()

        def take(number: int) -> None:
            taken.append(number)
            if len(taken) == 20_000:
                done.set()

        handover = Handover(asyncio.get_running_loop(), take)
        thread = Thread(target=lambda: [handover.put(number) for number in range(20_000)])
        thread.start()
        async with asyncio.timeout(20):
            await done.wait()
        thread.join()

    asyncio.run(take_all())
    assert taken == list(range(20_000))
