"""Where a command's words and tables go: a live table on a terminal, plain lines into a pipe, or JSON.

The three are one interface, so that a command says what happens once and never asks where it goes.
With `--json` standard output carries one document and nothing else; what a person would have been
told goes nowhere, errors and the progress of long steps go to standard error.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_SECONDS: Final = 2.0  # between two reports of the same thing in a pipe
FRAMES_PER_SECOND: Final = 4

ProgressCallback = Callable[[int, int], None]


class Display:
    """Shows what a command does; a context manager, so that the terminal is left as it was found."""

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._json = as_json
        self._console = Console(file=self._out, highlight=False, emoji=False)
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._next_plain = 0.0
        self._shown: list[str] = []

    @property
    def live(self) -> bool:
        """Whether somebody watches a terminal."""
        return self._console.is_terminal and not self._json

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.freeze()

    def tell(self, line: str) -> None:
        """One line for a person, above the table if there is one."""
        if not self._json:
            self._console.print(line, markup=False, soft_wrap=True)

    def show(self, draw: Callable[[int], RenderableType], plain: Callable[[], Iterable[str]]) -> None:
        """The state of things: `draw(lines)` gives a table of at most that many lines, for a terminal;
        `plain()` gives lines for a pipe, asked for every two seconds at most."""
        if self.live:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
                self._live.start()
            self._live.update(draw(self._console.height - 1), refresh=True)
        elif not self._json and time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_SECONDS
            lines = list(plain())
            if lines != self._shown:  # a log of a week in which nothing happens stays short
                self._shown = lines
                self._lines(lines)

    def final(self, draw: Callable[[], RenderableType], plain: Callable[[], Iterable[str]]) -> None:
        """The last word: a table left on the terminal, or lines."""
        self.freeze()
        if self.live:
            self._console.print(draw())
        elif not self._json:
            self._lines(plain())

    def document(self, value: dict[str, Any]) -> None:
        """The JSON document, where one was asked for."""
        if self._json:
            print(json.dumps(value, ensure_ascii=False), file=self._out, flush=True)

    def freeze(self) -> None:
        """Leave the live table where it stands."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def progress(self, label: str) -> ProgressCallback:
        """Shows a long step: call the result with (done, in all), from one thread at a time; a bar appears
        with the first call that leaves something to do, and goes when all is done."""
        bar: Progress | None = None
        next_line = time.monotonic() + PLAIN_SECONDS

        def advance(done: int, total: int) -> None:
            nonlocal bar, next_line
            if self.live:
                if bar is None and done >= total:
                    return
                if bar is None:
                    bar = self._bar = Progress(
                        TextColumn("{task.description}"),
                        BarColumn(),
                        TaskProgressColumn(),
                        TimeRemainingColumn(),
                        console=self._console,
                        transient=True,
                        refresh_per_second=FRAMES_PER_SECOND,
                    )
                    bar.add_task(label, total=total)
                    bar.start()
                bar.update(bar.task_ids[0], completed=done, total=total)
                if done >= total:
                    bar.stop()
                    bar = None
            elif time.monotonic() >= next_line:
                next_line = time.monotonic() + PLAIN_SECONDS
                line = f"{label}: {100 * done // max(1, total)}%"
                if self._json:
                    print(line, file=sys.stderr, flush=True)
                else:
                    self.tell(line)

        return advance

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, file=self._out)
        self._out.flush()
