"""Threads that do jobs which the event loop must not wait for: whatever may touch a disk."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread


class Threads:
    """So many threads and one queue of jobs; they know nothing of what a job is.

    The first exception of a job, an error of the disk or a bug, goes to `on_error`, in its thread, and
    ends the work: jobs after it are dropped.
    """

    def __init__(self, name: str, count: int, on_error: Callable[[Exception], None]) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._on_error = on_error
        self._lock = Lock()
        self._dropping = False
        # Daemons: one that is stuck in the kernel must not keep a dying process alive.
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(count)]

    def start(self) -> None:
        """Begin with the jobs; until then they queue up."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Do this, after what was put before."""
        self._queue.put(job)

    def stop(self) -> None:
        """Begin no further job. The jobs being done are finished; the rest are dropped."""
        self._dropping = True
        for _ in self._threads:
            self._queue.put(None)

    def join(self) -> None:
        """Wait until every thread has ended, after `stop`."""
        for thread in self._threads:
            if thread.ident is not None:  # else it was never started
                thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if self._dropping:
                continue
            try:
                job()
            except Exception as error:
                with self._lock:
                    first, self._dropping = not self._dropping, True
                if first:
                    self._on_error(error)
