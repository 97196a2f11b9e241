"""Threads and their queue: nothing before the start, nothing after the stop, the first error told once."""

import threading
from threading import Event, get_ident

from fakes.disks import PATIENCE

from minibit.disk.threads import Threads


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_jobs_wait_for_the_start_and_are_done_in_order() -> None:
    errors: list[Exception] = []
    done: list[tuple[int, int]] = []
    threads = Threads("minibit-own", 1, errors.append)
    for n in range(5):
        threads.put(lambda n=n: done.append((n, get_ident())))  # type: ignore[misc]
    assert "minibit-own-0" not in names()
    ended = Event()
    threads.put(ended.set)
    threads.start()
    assert ended.wait(PATIENCE)
    threads.stop()
    threads.join()
    assert [n for n, _ in done] == list(range(5))
    assert get_ident() not in {thread for _, thread in done}
    assert "minibit-own-0" not in names()
    assert errors == []


def test_at_the_stop_the_job_being_done_is_finished_and_the_rest_is_dropped() -> None:
    entered, gate, done = Event(), Event(), []

    def slow() -> None:
        entered.set()
        assert gate.wait(PATIENCE)
        done.append("slow")

    threads = Threads("minibit-test", 1, lambda error: done.append(str(error)))
    threads.start()
    threads.put(slow)
    threads.put(lambda: done.append("queued"))
    assert entered.wait(PATIENCE)
    threads.stop()
    threads.put(lambda: done.append("late"))
    gate.set()
    threads.join()
    assert done == ["slow"]


def test_the_first_error_is_told_once_and_ends_the_work() -> None:
    told: list[tuple[str, int]] = []

    def broken() -> None:
        raise ZeroDivisionError("oops")

    threads = Threads("minibit-test", 2, lambda error: told.append((str(error), get_ident())))
    for _ in range(20):
        threads.put(broken)
    threads.start()
    threads.stop()
    threads.join()
    assert [text for text, _ in told] in (["oops"], []), "stopped before the first, or after it"

    told.clear()
    heard = Event()
    threads = Threads("minibit-test", 2, lambda error: (told.append((str(error), get_ident())), heard.set()))
    threads.start()
    for _ in range(20):
        threads.put(broken)
    assert heard.wait(PATIENCE)
    threads.stop()
    threads.join()
    ((text, thread),) = told
    assert text == "oops"
    assert thread != get_ident()


def test_what_was_never_started_ends_at_once() -> None:
    threads = Threads("minibit-test", 2, lambda _: None)
    threads.stop()
    threads.join()
