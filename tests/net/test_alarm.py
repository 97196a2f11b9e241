"""An alarm rings once, at the earliest time that it was set to."""

import asyncio

from minibit.net.alarm import Alarm


def test_it_rings_once_at_the_earliest_time() -> None:
    async def ring() -> None:
        loop = asyncio.get_running_loop()
        rang: asyncio.Future[float] = loop.create_future()
        alarm = Alarm(lambda: rang.set_result(loop.time()))
        began = loop.time()
        for seconds in (60.0, 0.005, 30.0):
            alarm.set(began + seconds)
        assert 0.0 <= await asyncio.wait_for(rang, 20.0) - began < 20.0

    asyncio.run(ring())


def test_it_can_be_set_again_once_it_rang_and_stopped() -> None:
    async def ring() -> None:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        alarm = Alarm(lambda: times.append(loop.time()))
        alarm.set(loop.time())
        alarm.stop()
        alarm.stop()
        alarm.set(loop.time())
        while not times:
            await asyncio.sleep(0)
        alarm.set(loop.time())
        while len(times) < 2:
            await asyncio.sleep(0)
        alarm.set(loop.time())
        alarm.stop()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(times) == 2

    asyncio.run(ring())
