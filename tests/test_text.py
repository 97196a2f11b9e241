"""What strangers call themselves, on a terminal and as the name of a peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.text import MAX_LINE, MAX_NAME, NAME_RULE, name_fault, one_line, plain_text


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


LETTERS = st.characters(categories=("L", "M", "Nd"), include_characters="._-")


@given(st.text(max_size=MAX_NAME + 2) | st.text(LETTERS, max_size=MAX_NAME + 2))
def test_a_name_follows_the_rule_that_its_refusal_states(name: str) -> None:
    fault = name_fault(name)
    if fault is None:
        assert 1 <= len(name) <= MAX_NAME
        assert name[0].isalnum()
        assert plain_text(name) == name
        assert not set(name) & set(' /\\:*?"<>|,;@')
    else:
        assert NAME_RULE in fault or "tracker's own" in fault
        assert len(fault) < 200
        assert fault.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ana",
            "José",
            "Jose\u0301",
            "ana-1",
            "ana_1",
            "ana.1",
            "joão2",
            "名前",
            "Владимир",
            "हिन्दी",
            "محمد",
        ),
        *("1ana", "original", "orion", "origin2", "gino", "peer100", "a" * MAX_NAME),
    ],
)
def test_names_of_a_classroom_are_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a" * (MAX_NAME + 1),
            "x" * 6000,
            " ana",
            "ana ",
            "ana maria",
            "🎉party",
            "ana🎉",
            "a,b",
            "ana²",
        ),
        *(".", "..", ".ana", "-ana", "_ana", "\u0301ana", "a/b", "a\\b", "a\nb", "a\x1b[2Jb"),
        *("a\u202eb", "a\u200bb", "ana\ufe0f", "ana\u3164"),
    ],
)
def test_what_the_rule_does_not_allow_is_refused_by_that_rule(name: str) -> None:
    assert NAME_RULE in str(name_fault(name))


@pytest.mark.parametrize(
    "name",
    [
        *("origin", "Origin", "ORIGIN", "orıgin", "оrigin", "ОRIGIN", "οrigin", "ｏｒｉｇｉｎ", "0rigin"),
        *("or1gin", "orlgin", "órígïn", "o\u0301rigin", "origiп", "oriɡin", "𝓸𝓻𝓲𝓰𝓲𝓷", "ORІGIN"),
        *("ORIGIΝ", "orig.in", "origin-", "o_rigin"),
    ],
)
def test_nobody_looks_like_the_origin(name: str) -> None:
    assert "tracker's own" in str(name_fault(name))


@pytest.mark.parametrize("text", ["/" + "x" * 6000, "x " * 6000, "\x1b[2J" * 2000, "é" * 6000])
def test_six_thousand_characters_of_a_users_make_a_short_line(text: str) -> None:
    line = one_line(f"cannot share {text}:\n\tno such file; check the path")
    assert line.startswith("cannot share ")
    assert line.endswith(" no such file; check the path")
    assert line.isprintable()
    assert len(line) <= MAX_LINE


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= MAX_LINE
    assert len(line.splitlines()) <= 1


def test_a_short_line_is_said_as_it_is() -> None:
    path = "/" + "deep/" * 40
    assert one_line(f"cannot share '{path}' \n  (café)") == f"cannot share '{path}' (café)"
