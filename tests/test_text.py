"""What strangers call themselves, on a terminal and as the name of a peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.text import MAX_NAME, name_fault, plain_text


@given(st.text() | st.binary() | st.none() | st.integers() | st.lists(st.text()), st.integers(1, 80))
def test_whatever_comes_is_one_short_printable_line(raw: object, limit: int) -> None:
    line = plain_text(raw, limit)
    assert line == line.strip()
    assert line.isprintable()
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert plain_text(line, limit) == line
    line.encode()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"bia", "bia"),
        ("joão 名前 🙂", "joão 名前 🙂"),
        ("\x1b[2J\x1b[31mred", "[2J[31mred"),
        ("a\r\nb\tc\0d", "abcd"),
        ("left\u202eright", "leftright"),
        ("one\u2028two\u2029three", "onetwothree"),
        (b"\xff\xfe", "��"),
        ("\ud800x", "x"),
        ("  spaced  ", "spaced"),
        (7, ""),
        (None, ""),
        ([b"x"], ""),
    ],
)
def test_no_control_code_reaches_a_terminal(raw: object, text: str) -> None:
    assert plain_text(raw) == text


@given(st.text(max_size=MAX_NAME + 2))
def test_a_name_is_what_prints_as_it_is(name: str) -> None:
    reserved = name.casefold() == "origin"
    assert (name_fault(name) is None) == (name != "" and plain_text(name) == name and not reserved)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "1–32 printable"),
        ("a" * 33, "1–32 printable"),
        (" ana", "1–32 printable"),
        ("Origin", "tracker's own"),
        ("ORIGIN", "tracker's own"),
    ],
)
def test_a_name_that_cannot_be(name: str, fault: str) -> None:
    assert fault in str(name_fault(name))
    assert name_fault("a" * 32) is name_fault("joão 2") is name_fault("original") is None
