"""Where words and tables go: a terminal, a pipe, or one JSON document."""

import io
import json
from types import SimpleNamespace

import pytest

from minibit.screen import display as live
from minibit.screen.display import FRAME_SECONDS, PLAIN_SECONDS, Display


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that a test turns by hand."""
    hands = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: hands.now))
    return hands


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_a_document_stands_alone() -> None:
    out = io.StringIO()
    with Display(as_json=True, out=out) as display:
        display.tell("starting")
        display.show(lambda _: "table", lambda: ["line"])
        display.progress("hashing")(1, 2)
        display.final(lambda: "table", lambda: ["line"])
        display.document({"name": "cé"})
    assert out.getvalue() == json.dumps({"name": "cé"}, ensure_ascii=False) + "\n"


def test_a_document_in_few_letters_loses_none() -> None:
    raw = io.BytesIO()
    with Display(as_json=True, out=io.TextIOWrapper(raw, encoding="latin-1")) as display:
        display.document({"name": "cé ★"})
    assert json.loads(raw.getvalue().decode("ascii")) == {"name": "cé ★"}


def test_a_document_is_for_those_who_asked() -> None:
    out = io.StringIO()
    with Display(out=out) as display:
        display.document({"name": "x"})
    assert out.getvalue() == ""


def test_words_reach_a_pipe_as_they_are() -> None:
    out = io.StringIO()
    words = "sharing :heart: [bold]film[/bold] 12.0 MiB " + "long " * 60
    with Display(out=out) as display:
        display.tell(words)
    assert out.getvalue() == words + "\n"


def test_a_pipe_is_told_seldom_and_the_same_thing_once(clock: SimpleNamespace) -> None:
    out = io.StringIO()
    asked: list[float] = []

    def plain() -> list[str]:
        asked.append(clock.now)
        return ["ana 1%", "bia 2%" if len(asked) < 3 else "bia 3%"]

    with Display(out=out) as display:
        for _ in range(10):
            display.show(lambda _: pytest.fail("drawn for nobody"), plain)
            clock.now += PLAIN_SECONDS / 4
    assert asked == [1000.0, 1000.0 + PLAIN_SECONDS, 1000.0 + 2 * PLAIN_SECONDS]
    assert out.getvalue() == "ana 1%\nbia 2%\nana 1%\nbia 3%\n"


def test_nobody_looks_at_a_pipe_as_often_as_at_a_terminal(terminal: Terminal) -> None:
    with Display(out=io.StringIO()) as display:
        assert FRAME_SECONDS < display.frame_seconds < PLAIN_SECONDS
    with Display(out=terminal) as display:
        assert display.frame_seconds == FRAME_SECONDS


@pytest.mark.usefixtures("clock")
def test_the_last_word_in_a_pipe_is_not_held_back() -> None:
    out = io.StringIO()
    with Display(out=out) as display:
        display.show(lambda _: "", lambda: ["ana 99%"])
        display.final(lambda: "", lambda: ["ana complete"])
    assert out.getvalue() == "ana 99%\nana complete\n"


def test_a_long_step_in_a_pipe_speaks_now_and_then(clock: SimpleNamespace) -> None:
    out = io.StringIO()
    with Display(out=out) as display:
        progress = display.progress("hashing")
        for done in range(0, 101, 10):
            progress(done, 100)
            clock.now += PLAIN_SECONDS / 4
    assert out.getvalue() == "hashing: 40%\nhashing: 80%\n"


@pytest.mark.parametrize("kind", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_draw_gets_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("TERM", kind)
    with Display(out=terminal) as display:
        display.show(lambda _: pytest.fail("drawn on a terminal that cannot"), lambda: ["ana 1%"])
        display.final(lambda: pytest.fail("drawn"), lambda: ["ana complete"])
    assert terminal.getvalue() == "ana 1%\nana complete\n"


def test_a_pipe_that_is_to_be_coloured_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR is set on many a build machine: cursor movements in its log help nobody."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    with Display(out=out) as display:
        display.tell("words")
        display.show(lambda _: pytest.fail("drawn in a pipe"), lambda: ["ana 1%"])
    assert out.getvalue() == "words\nana 1%\n"


@pytest.mark.parametrize(("columns", "lines"), [("0", "0"), ("20", "3"), ("1", "1")])
def test_a_terminal_of_no_size_is_drawn_on_all_the_same(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: str, lines: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", lines)
    with Display(out=terminal) as display:
        display.show(lambda lines: "frame" if lines >= 1 else pytest.fail("no room"), list)
    assert terminal.getvalue()


def test_once_settled_the_cursor_stays_and_only_words_are_added(terminal: Terminal) -> None:
    with Display(out=terminal) as display:
        advance = display.progress("checking")
        advance(1, 3)
        display.show(lambda _: "frame", list)
        display.settle()
        shown = terminal.getvalue()
        assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
        advance(2, 3)
        display.progress("verifying")(1, 3)
        display.show(lambda _: pytest.fail("drawn after the end"), list)
        assert terminal.getvalue() == shown
        display.tell("ending")
    assert terminal.getvalue() == shown + "ending\n"


def test_a_terminal_gets_a_table_that_fits_and_its_cursor_back(terminal: Terminal) -> None:
    room: list[int] = []

    def draw(lines: int) -> str:
        room.append(lines)
        return f"frame {len(room)}"

    with Display(out=terminal) as display:
        assert display.live
        display.show(draw, lambda: pytest.fail("lines on a terminal"))
        display.tell("a [line] above :heart:")
        display.show(draw, lambda: pytest.fail("lines on a terminal"))
    shown = terminal.getvalue()
    assert room == [29, 29]
    assert "frame 1" in shown
    assert "frame 2" in shown
    assert "a [line] above :heart:" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor stays hidden"


def test_the_terminal_is_left_as_it_was_after_an_error(terminal: Terminal) -> None:
    def work() -> None:
        with Display(out=terminal) as display:
            display.show(lambda _: "frame", list)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    shown = terminal.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_bar_does_not_outlive_its_display(terminal: Terminal) -> None:
    with Display(out=terminal) as display:
        display.progress("hashing")(1, 2)
    shown = terminal.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_with_json_progress_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "PLAIN_SECONDS", 0.0)
    with Display(as_json=True) as display:
        display.progress("hashing")(21, 50)
        display.document({"done": True})
    assert capsys.readouterr() == ('{"done": true}\n', "hashing: 42%\n")


def test_a_bar_comes_once_and_goes(terminal: Terminal) -> None:
    with Display(out=terminal) as display:
        progress = display.progress("checking")
        for done in (0, 1, 2, 2):
            progress(done, 2)
        shown = terminal.getvalue()
        assert shown.count("\x1b[?25l") == 1
        assert shown.count("\x1b[?25h") == 1
        display.progress("nothing to check")(0, 0)
        assert terminal.getvalue() == shown
    assert "checking" in shown
    assert "100%" in shown
