"""Many simulated runs on every core or a cluster, as one long step that a display shows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from minibit.lab import crew
from minibit.screen.display import Display

Task = TypeVar("Task")
Result = TypeVar("Result")


async def spread(
    work: Callable[[Task], Result],
    tasks: Sequence[tuple[Task, int]],
    display: Display,
    label: str,
    *,
    dask: str | None = None,
    jobs: int | None = None,
) -> list[Result]:
    """`work` of each task, in order; beside each stands its part of the whole, for the bar.

    Raises:
        What `crew.spread` raises.
    """
    progress = display.progress(label)
    whole, came = sum(part for _, part in tasks), 0

    def done(at: int, _result: Result) -> None:
        nonlocal came
        came += tasks[at][1]
        progress(came, whole)

    progress(0, whole)
    try:
        return await crew.spread(work, [task for task, _ in tasks], dask=dask, jobs=jobs, done=done)
    finally:
        display.freeze()
