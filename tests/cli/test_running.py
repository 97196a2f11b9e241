"""How a command's work is run to its end, whoever interrupts it."""

import asyncio

import pytest

from minibit.cli.running import to_the_end


def test_processes_are_ended_even_by_who_is_cancelled_just_before() -> None:
    """An interruption in the very turn of the loop in which a swarm begins to end its processes."""
    ended: list[str] = []

    async def swarm() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await to_the_end(lambda: ended.append("every process"))
        ended.append("not cancelled")

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(swarm())

    asyncio.run(run())
    assert ended == ["every process"]


def test_an_error_at_the_end_is_an_error() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(to_the_end(fail))
