"""The keys that somebody presses, one by one, while something is shown; the terminal is left as it was."""

import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

NAMES: Final = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1bOH": "home",
    "\x1bOF": "end",
    " ": "space",
}
KEY: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|.", re.DOTALL)


def named(text: str) -> list[str]:
    """What was pressed, by name: "space", "left" …, or the character itself."""
    return [NAMES.get(key, key) for key in KEY.findall(text)]


@contextmanager
def pressed(press: Callable[[str], None]) -> Iterator[bool]:
    """Within the context `press` is called on the loop with each key; Ctrl-C stays what it is.

    Gives whether there is a keyboard at all: standard input may be a pipe.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    source = sys.stdin.fileno()
    loop = asyncio.get_running_loop()

    def readable() -> None:
        data = os.read(source, 1024)
        if not data:  # the terminal is gone
            loop.remove_reader(source)
        for key in named(data.decode(errors="replace")):
            press(key)

    before = termios.tcgetattr(source)
    try:
        tty.setcbreak(source)
        loop.add_reader(source, readable)
        yield True
    finally:
        loop.remove_reader(source)
        termios.tcsetattr(source, termios.TCSAFLUSH, before)
