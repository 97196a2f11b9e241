"""How a command ends early: by a signal, by the end of its standard input, and with which exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from minibit.peer import ending
from minibit.peer.ending import Interrupt


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is put back as it was: once a process is asked to end, it ends it at once until the very end."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


class Work:
    """Something that takes for ever, and tidies up."""

    def __init__(self, *, when_begun: object = None) -> None:
        self.tidied = False
        self._when_begun = when_begun

    async def run(self) -> None:
        try:
            if callable(self._when_begun):
                self._when_begun()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.tidied = True


def guarded(interrupt: Interrupt, work: Work, *, until_eof: bool = False) -> int:
    async def bounded() -> int:
        async with asyncio.timeout(20):
            return await interrupt.guard(work.run(), until_eof=until_eof)

    return asyncio.run(bounded())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_tidily(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    interrupt, work = Interrupt(), Work(when_begun=lambda: os.kill(os.getpid(), number))
    assert guarded(interrupt, work) == code
    assert work.tidied
    assert interrupt.event.is_set()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_terminal_is_given_back_before_anything_is_tidied() -> None:
    interrupt = Interrupt()
    work = Work(when_begun=lambda: os.kill(os.getpid(), signal.SIGINT))
    tidied: list[bool] = []
    interrupt.on_end = lambda: tidied.append(work.tidied)
    assert guarded(interrupt, work) == 130
    assert tidied == [False]


def test_ctrl_c_ends_at_once_what_threads_keep_after_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs keeps the process, and the loop that listened to signals is over."""
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(ending, "IMPATIENCE", 0.0)
    assert guarded(Interrupt(), Work(when_begun=lambda: os.kill(os.getpid(), signal.SIGINT))) == 130
    os.kill(os.getpid(), signal.SIGINT)
    assert exits == [130]


def test_a_thread_ends_the_work() -> None:
    interrupt = Interrupt()
    work = Work(when_begun=lambda: Thread(target=interrupt.end_soon, args=(141,)).start())
    assert guarded(interrupt, work) == 141
    assert work.tidied


def test_before_there_is_work_and_after_it_a_thread_ends_nothing() -> None:
    interrupt = Interrupt()
    interrupt.end_soon(141)
    assert guarded(interrupt, Work(when_begun=lambda: interrupt.end(7))) == 7
    interrupt.end_soon(141)
    assert interrupt.code == 7


@pytest.fixture
def hangup() -> Iterator[None]:
    """SIGHUP's handler is put back, whatever the test makes of it."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_a_closed_terminal_ends_the_work_tidily() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    work = Work(when_begun=lambda: os.kill(os.getpid(), signal.SIGHUP))
    assert guarded(Interrupt(), work) == 129
    assert work.tidied


@pytest.mark.usefixtures("hangup")
def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt = Interrupt()

    def hang_up_then_end() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        asyncio.get_running_loop().call_later(0.05, interrupt.end, 7)

    assert guarded(interrupt, Work(when_begun=hang_up_then_end)) == 7


def test_a_second_signal_changes_nothing() -> None:
    interrupt = Interrupt()
    work = Work(when_begun=lambda: (interrupt.end(130), interrupt.end(143)))
    assert guarded(interrupt, work) == 130
    assert work.tidied


def test_a_second_ctrl_c_ends_the_process_but_not_an_echo_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    interrupt = Interrupt()
    for number, now in [(signal.SIGTERM, 0.0), (signal.SIGINT, 5.0), (signal.SIGINT, 5.1)]:
        interrupt._signalled(number, lambda now=now: now)
    assert (exits, interrupt.code) == ([], 143)
    interrupt._signalled(signal.SIGINT, lambda: 6.0)
    assert exits == [130]


def test_a_second_ctrl_c_tidies_what_it_can_and_waits_for_no_disk_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits: list[int] = []
    begun, never = Event(), Event()
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(ending, "TIDYING_SECONDS", 0.01)

    def hang() -> None:
        begun.set()
        never.wait(60)

    interrupt = Interrupt()
    interrupt.on_abandon = hang
    interrupt._signalled(signal.SIGINT, lambda: 5.0)
    assert not begun.is_set()
    interrupt._signalled(signal.SIGINT, lambda: 6.0)
    assert begun.wait(5)
    never.set()
    assert exits == [130]


def test_work_that_ends_by_itself_is_a_success() -> None:
    async def done() -> None:
        await asyncio.sleep(0)

    interrupt = Interrupt()
    assert asyncio.run(interrupt.guard(done())) == 0
    assert not interrupt.event.is_set()


def test_an_error_of_the_work_is_not_hidden() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Interrupt().guard(broken()))


def test_a_cancellation_that_nobody_asked_for_is_not_taken_for_one() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Interrupt().guard(cancelled()))


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The writing end of what is standard input for this test."""
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: reader))
    yield writer
    os.close(reader)


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set when the process would end itself if its goodbyes hung, which ends no test."""
    event = Event()
    monkeypatch.setattr(Interrupt, "_leave_anyway", lambda _: event.set())
    return event


def test_the_end_of_standard_input_ends_the_work(standard_input: int, leaving: Event) -> None:
    def swarm_ends() -> None:
        os.write(standard_input, b"what is written is of no interest")
        os.close(standard_input)

    interrupt, work = Interrupt(), Work(when_begun=swarm_ends)
    assert guarded(interrupt, work, until_eof=True) == 0
    assert work.tidied
    assert leaving.wait(5)


def test_without_standard_input_the_work_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, leaving: Event
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert guarded(Interrupt(), work := Work(), until_eof=True) == 0
    assert work.tidied
    assert leaving.wait(5)
