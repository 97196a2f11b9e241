"""Where a command's words and tables go: a live table on a terminal, plain lines into a pipe, or JSON.

The three are one interface, so that a command says what happens once and never asks where it goes.
With `--json` standard output carries one document and nothing else; what a person would have been
told goes nowhere, errors and the progress of long steps go to standard error.

The terminal's library is read when something is drawn there: a pipe never needs it, and a peer is at work
by the time of its first table. That is 30 ms of each start.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from threading import RLock
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self, TextIO, cast

from minibit.screen.outlet import Outlet

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Progress

PLAIN_SECONDS: Final = 2.0  # between two reports of the same thing in a pipe
FRAME_SECONDS: Final = 0.25
DUMB: Final = ("", "dumb", "unknown")  # values of TERM: nothing there can be drawn over

ProgressCallback = Callable[[int, int], None]


class Display:
    """Shows what a command does; a context manager, so that the terminal is left as it was found.

    Nothing here raises because standard output does not take it: `outlet` says so, and whom to tell.
    """

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None) -> None:
        stream = out or sys.stdout
        self.outlet = stream if isinstance(stream, Outlet) else Outlet(stream)
        self._out = cast(IO[str], self.outlet)
        self._json = as_json
        # Not as rich sees it: FORCE_COLOR, which many a build machine sets, makes no terminal of a pipe.
        self.live = not as_json and self.outlet.isatty() and os.environ.get("TERM", "") not in DUMB
        self._lock = RLock()  # a bar is drawn in the thread of its step
        self._settled = False
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._next_plain = 0.0
        self._shown: list[str] = []

    @property
    def frame_seconds(self) -> float:
        """How long a frame is worth looking at; a pipe gets a line every two seconds at most."""
        return FRAME_SECONDS if self.live else PLAIN_SECONDS / 2

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.freeze()

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console

        return Console(
            file=self._out, highlight=False, emoji=False, force_terminal=True, force_interactive=True
        )

    def tell(self, line: str) -> None:
        """One line for a person, above the table if there is one."""
        if self.live:
            self._console.print(line, markup=False, soft_wrap=True)
        elif not self._json:
            with self._lock:
                self._lines([line])

    def show(self, draw: "Callable[[int], RenderableType]", plain: Callable[[], Iterable[str]]) -> None:
        """The state of things: `draw(lines)` gives a table of at most that many lines, for a terminal;
        `plain()` gives lines for a pipe, asked for every two seconds at most."""
        if self.live:
            with self._lock:
                if self._settled:
                    return
                if self._live is None:
                    from rich.live import Live

                    self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
                    self._live.start()
                self._live.update(draw(max(1, self._console.height - 1)), refresh=True)
        elif not self._json and time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_SECONDS
            lines = list(plain())
            if lines != self._shown:  # a log of a week in which nothing happens stays short
                self._shown = lines
                self._lines(lines)

    def final(self, draw: "Callable[[], RenderableType]", plain: Callable[[], Iterable[str]]) -> None:
        """The last word: a table left on the terminal, or lines."""
        self.freeze()
        if self.live:
            self._console.print(draw())
        elif not self._json:
            self._lines(plain())

    def document(self, value: dict[str, Any]) -> None:
        """The JSON document, where one was asked for."""
        if self._json:
            text = json.dumps(value, ensure_ascii=False)
            print(text if self.outlet.spells(text) else json.dumps(value), file=self._out, flush=True)

    def freeze(self) -> None:
        """Leave the live table where it stands."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            if self._live is not None:
                self._live.stop()
                self._live = None

    def settle(self) -> None:
        """Freeze for good: from now on only words are added, and the process may end at any moment."""
        with self._lock:
            self._settled = True
            self.freeze()

    def progress(self, label: str) -> ProgressCallback:
        """Shows a long step: call the result with (done, in all), from one thread at a time; a bar appears
        with the first call that leaves something to do, and goes when all is done."""
        next_line = time.monotonic() + PLAIN_SECONDS
        next_frame = 0.0

        def advance(done: int, total: int) -> None:
            nonlocal next_line, next_frame
            if self.live:
                if done >= total or time.monotonic() >= next_frame:
                    next_frame = time.monotonic() + FRAME_SECONDS
                    self._draw_bar(label, done, total)
            elif time.monotonic() >= next_line:
                next_line = time.monotonic() + PLAIN_SECONDS
                line = f"{label}: {100 * done // max(1, total)}%"
                if self._json:
                    print(line, file=sys.stderr, flush=True)
                else:
                    self.tell(line)

        return advance

    def _draw_bar(self, label: str, done: int, total: int) -> None:
        with self._lock:
            if self._bar is None:
                if done >= total or self._settled:
                    return
                from rich.progress import (
                    BarColumn,
                    Progress,
                    TaskProgressColumn,
                    TextColumn,
                    TimeRemainingColumn,
                )

                self._bar = Progress(
                    TextColumn("{task.description}"),
                    BarColumn(),
                    TaskProgressColumn(),
                    TimeRemainingColumn(),
                    console=self._console,
                    transient=True,
                    auto_refresh=False,  # a thread that draws would outlive the terminal
                )
                self._bar.add_task(label, total=total)
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, refresh=True)
            if done >= total:
                self.freeze()

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, file=self._out)
        self._out.flush()
