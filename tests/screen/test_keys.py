"""Keys from a real (pseudo) terminal, which is left as it was found."""

import asyncio
import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest

from minibit.screen.keys import named, pressed


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is our standard input."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


def modes() -> list[object]:
    return list(termios.tcgetattr(sys.stdin.fileno()))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (" q", ["space", "q"]),
        ("\x1b[C\x1b[D\x1bOC", ["right", "left", "right"]),
        ("\x1b[H\x1b[4~", ["home", "end"]),
        ("\x1b[99;1R", ["\x1b[99;1R"]),
        ("\x1b", ["\x1b"]),
        ("é\n", ["é", "\n"]),
        ("", []),
    ],
)
def test_keys_have_names(text: str, keys: list[str]) -> None:
    assert named(text) == keys


def test_each_key_is_told_at_once_and_not_echoed(keyboard: int) -> None:
    async def look() -> list[str]:
        told: list[str] = []
        enough = asyncio.Event()

        def press(key: str) -> None:
            told.append(key)
            if key == "q":
                enough.set()

        with pressed(press) as there:
            assert there
            assert modes() != before
            os.write(keyboard, b" \x1b[Cq")
            async with asyncio.timeout(10):
                await enough.wait()
        return told

    before = modes()
    assert asyncio.run(look()) == ["space", "right", "q"]
    assert modes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, RuntimeError])
def test_the_terminal_is_restored_however_it_ends(keyboard: int, error: type[BaseException]) -> None:  # noqa: ARG001
    async def look() -> None:
        with pytest.raises(error), pressed(lambda _: None):
            raise error

    before = modes()
    asyncio.run(look())
    assert modes() == before


def test_a_pipe_is_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> bool:
        with pressed(pytest.fail) as there:
            return there

    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert asyncio.run(look()) is False
    monkeypatch.setattr(sys, "stdin", None)
    assert asyncio.run(look()) is False
