"""A deadline that is set again: it rings once, at the earliest time that was set."""

import asyncio
from collections.abc import Callable
from typing import Any

from minibit.net.alarm import Alarm


class Timers(asyncio.SelectorEventLoop):
    """A loop that never runs: what is due is rung by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[asyncio.TimerHandle] = []

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, **_: Any) -> Any:
        handle = asyncio.TimerHandle(when, callback, args, self)
        self.due.append(handle)
        return handle

    @property
    def times(self) -> list[float]:
        return [handle.when() for handle in self.due if not handle.cancelled()]

    def reach(self, now: float) -> None:
        reached, self.due = [each for each in self.due if each.when() <= now], []
        for handle in reached:
            if not handle.cancelled():
                handle._run()


def test_an_earlier_deadline_takes_the_place_of_a_later_one_only() -> None:
    loop, rung = Timers(), []
    try:
        alarm = Alarm(loop, lambda: rung.append(1))
        alarm.set(5.0)
        alarm.set(9.0)
        assert loop.times == [5.0]
        alarm.set(3.0)
        assert loop.times == [3.0]
        loop.reach(10.0)
        assert rung == [1]
        alarm.set(12.0)
        assert loop.times == [12.0]
        alarm.cancel()
        assert loop.times == []
        alarm.set(20.0)
        assert loop.times == [20.0]
    finally:
        loop.close()
