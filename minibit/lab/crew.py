"""Many runs at once: on every core of this machine, or on a Dask cluster.

What is run is a plain function of plain values, so that where it runs changes nothing of what it says.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from typing import Final, TypeVar

from minibit.errors import MinibitError, UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_SECONDS: Final = 10


def cores() -> int:
    """How many processes this machine runs at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def spread(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    dask: str | None = None,
    jobs: int | None = None,
    done: Callable[[int, Result], None] = lambda _at, _result: None,
) -> list[Result]:
    """`work` of each of `tasks`, in their order, done by several processes at once.

    `jobs` is how many at a time on this machine, None for as many as it has cores. `done` is told each as it
    comes, with its place. Whoever cancels this ends the processes.

    Raises:
        UsageError: there is no cluster at the address `dask`, or Dask is not installed.
        MinibitError: a process died.
        Exception: what `work` raised first.
    """

    async def one(at: int, task: Task) -> None:
        answer = asyncio.wrap_future(executor.submit(work, task))
        answer.add_done_callback(_heard)
        # Shielded: Python 3.11's pool stumbles over a task that is cancelled and whose process is ended.
        results[at] = await asyncio.shield(answer)
        done(at, results[at])

    results: dict[int, Result] = {}
    with _processes(min(jobs or cores(), max(1, len(tasks)))) if dask is None else _cluster(dask) as executor:
        try:
            async with asyncio.TaskGroup() as group:
                for at, task in enumerate(tasks):
                    group.create_task(one(at, task))
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
            if isinstance(first, BrokenProcessPool):
                raise MinibitError("a process died under its run: it may need more memory") from first
            raise first from None
    return [results[at] for at in range(len(tasks))]


def _heard(answer: asyncio.Future[Result]) -> None:
    """Whoever wanted it may have been cancelled: then nobody minds how it ended."""
    if not answer.cancelled():
        answer.exception()


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    before = multiprocessing.active_children()
    executor = ProcessPoolExecutor(
        workers,
        # Not a fork: this process has threads.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_settle_in,
    )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child not in before:
                child.terminate()
        raise
    finally:
        executor.shutdown()


def _settle_in() -> None:
    """Ctrl-C goes to every process of a terminal; ours are ended by the one that began them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise UsageError("--dask needs Dask: pip install 'minibit[dask]'") from None
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--dask: no cluster answers at {address!r} ({type(error).__name__}): start one with "
            "`dask scheduler`, and name its address, like tcp://HOST:8786"
        ) from None
    executor: Executor = client.get_executor(pure=False, retries=2)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)
        client.close()
