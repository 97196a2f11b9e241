"""A log's lines both ways, and what strangers may write into one."""

import json

import pytest
from fakes.drawn import json_values
from fakes.logs import HEADER, entries
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit.events.entries import MAX_LINE, Entry, Header
from minibit.events.kinds import Chosen, Completed, Picked

PICKED = Entry(1.5, "ana", Picked(17, "bia", "rarest", 9, 3, 2))


@given(entries)
def test_every_event_survives_its_line(entry: Entry) -> None:
    line = entry.encode()
    assert line.count("\n") == 1
    assert Entry.decode(line.encode()) == entry


def test_a_line_as_people_read_it() -> None:
    assert PICKED.encode() == (
        '{"t":1.5,"peer":"ana","event":"picked","block":17,"who":"bia","rule":"rarest",'
        '"candidates":9,"tied":3,"copies":2}\n'
    )
    header = json.loads(HEADER.encode())
    assert list(header)[:3] == ["log", "schema", "kind"]
    assert (header["schema"], header["kind"], header["seed"]) == (1, "live", 1)


@pytest.mark.parametrize("changed", [{}, {"seed": None, "settings": None}, {"start": 0.0, "schema": 7}])
def test_a_header_survives_its_line(changed: dict[str, object]) -> None:
    header = replace(HEADER, **changed)  # type: ignore[arg-type]
    assert Header.decode(header.encode().encode()) == header


def test_times_are_microseconds_and_scores_thousandths() -> None:
    assert json.loads(Entry(1 / 3, "ana", Completed()).encode())["t"] == 0.333333


def test_a_kind_of_a_later_version_is_passed_over_and_its_fields_too() -> None:
    later = json.loads(PICKED.encode())
    assert Entry.decode(json.dumps(later | {"mood": "curious"}).encode()) == PICKED
    assert Entry.decode(json.dumps(later | {"event": "sneezed"}).encode()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"t": None},
        {"t": -1},
        {"t": float("nan")},
        {"t": float("inf")},
        {"t": True},
        {"t": 10**400},
        {"peer": ""},
        {"peer": 5},
        {"event": ["picked"]},
        {"block": -1},
        {"block": 1.5},
        {"block": "17"},
        {"who": None},
        {"copies": "many"},
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Entry.decode(json.dumps(json.loads(PICKED.encode()) | change).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"[]",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"t":' + b"1" * 10_000 + b"}",
        b" " * MAX_LINE + b"{}",
        b'{"t":1,"peer":"ana","event":"picked"}',
    ],
)
def test_hostile_lines_are_refused_quickly(line: bytes) -> None:
    for decode in (Entry.decode, Header.decode):
        with pytest.raises(ValueError, match=r"."):
            decode(line)


@given(json_values, st.sampled_from(["t", "peer", "block", "who", "rule", "candidates", "copies"]))
def test_whatever_stands_in_a_field_it_is_read_or_refused(value: object, field: str) -> None:
    line = json.dumps(json.loads(PICKED.encode()) | {field: value}).encode()
    try:
        entry = Entry.decode(line)
    except ValueError:
        return
    assert entry is not None
    assert Entry.decode(entry.encode().encode()) == replace(entry, t=round(entry.t, 6))


@pytest.mark.parametrize(
    "change",
    [
        {"log": "somebody's"},
        {"kind": "dreamt"},
        {"total_size": 0},
        {"block_size": 0},
        {"total_size": 1 << 50, "block_size": 1},
        {"seed": "one"},
        {"settings": []},
        {"schema": None},
        {"start": "today"},
    ],
)
def test_what_is_no_header_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Header.decode(json.dumps(json.loads(HEADER.encode()) | change).encode())


def test_no_name_brings_a_control_code_to_a_terminal() -> None:
    line = json.dumps(json.loads(PICKED.encode()) | {"peer": "a\x1b[2Jna", "who": "b\nia" + "x" * 999})
    entry = Entry.decode(line.encode())
    assert entry is not None
    assert isinstance(entry.event, Picked)
    assert (entry.peer, entry.event.who[:4], len(entry.event.who)) == ("a[2Jna", "biax", 64)


def test_a_log_of_before_a_field_came_is_read() -> None:
    told = Entry(1.0, "ana", Chosen(True, ("bia",), None, (), (), "rare blocks held"))
    line = told.encode().replace(',"rule":"rare blocks held"', "")
    entry = Entry.decode(line.encode())
    assert entry == replace(told, event=replace(told.event, rule=""))
