"""Scenarios as people write them: there and back, and every way to get one wrong."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import UsageError
from minibit.lab import scenario_file
from minibit.lab.casting import refuse_live
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario
from minibit.lab.scenario_file import load, parse, to_document

MIB = 1 << 20

rates = st.integers(0, 10**9).map(float)
seconds = st.integers(1, 10**6).map(lambda millis: millis / 1000)
names = st.sampled_from(["fast", "slow", "a b", "ção"])


@st.composite
def kinds(draw: st.DrawFn, name: str) -> PeerClass:
    arrive, leave = draw(st.sampled_from(Arrival)), draw(st.sampled_from(Departure))
    kind = PeerClass(
        name,
        draw(st.integers(1, 20)),
        draw(rates),
        draw(rates),
        draw(rates),
        draw(seconds),
        arrive,
        0.0 if arrive is Arrival.AT_ONCE else draw(seconds),
        leave,
        draw(seconds),
        draw(st.sampled_from(["random", "rarest-first"])),
        "tit-for-tat",
        draw(st.booleans()),
        draw(st.booleans()),
    )
    if kind.stays:
        return PeerClass(**{field: getattr(kind, field) for field in kind.__slots__} | {"leave_seconds": 0.0})
    return kind


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    low = draw(st.integers(0, 100))
    return Scenario(
        (draw(kinds("any")), PeerClass("giver", 2)),
        draw(st.integers(1, 1 << 30)),
        1 << draw(st.integers(14, 24)),
        OriginLine(0.0, 0.0, "reciprocity", draw(st.integers(0, 9))),
        name=draw(names),
        about="what it shows",
        grant=(low / 100, draw(st.integers(low, 100)) / 100),
        latency=draw(st.floats(0, 5)),
        neighbours=draw(st.integers(1, 50)),
        seed=draw(st.integers(0, 1 << 40)),
    )


@given(scenarios())
def test_a_scenario_is_what_its_document_says(scenario: Scenario) -> None:
    assert parse(to_document(scenario), "other") == scenario


def test_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'about = "mine"\nsize = "64M"\n[origin]\nupload = "1M/s"\nleave = "after 2 copies"\n'
        '[[peers]]\nname = "fast"\ncount = 4\nupload = "1.5 MiB/s"\narrive = "poisson 2s"\n'
        'leave = "killed after 30s"\n[[peers]]\nfree-rider = true\n[[peers]]\nname = "b"\n'
    )
    played = load(str(path))
    assert (played.name, played.about) == ("mine", "mine")
    assert (played.size, played.block_size) == (64 * MIB, 256 << 10)
    assert played.origin == OriginLine(upload=MIB, copies=2)
    fast, rider, _ = played.classes
    assert (fast.upload, fast.arrive, fast.arrive_seconds) == (1.5 * MIB, Arrival.POISSON, 2.0)
    assert (fast.leave, fast.leave_seconds) == (Departure.KILLED, 30.0)
    assert rider.free_rider


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"peers": [{}], "sise": "64M"}, "unknown key 'sise': there are peers, size, block-size, "),
        ({"peers": [{"uplaod": 1}]}, "peers: unknown key 'uplaod'"),
        ({"peers": [{}], "origin": {"count": 2}}, "origin: unknown key 'count'"),
        ({}, "nobody takes part"),
        ({"peer": [{}]}, "unknown key 'peer': there are peers, "),
        ({"peers": 3}, "peers: 3 cannot be"),
        ({"peers": [3]}, "write a [[peers]] table for each class"),
        ({"peers": [{}], "origin": []}, "origin: [] cannot be: give it a table"),
        ({"peers": [{}], "size": "big"}, "size: 'big' is not a size"),
        ({"peers": [{}], "size": -4}, "size: -4 cannot be: write it like 16M"),
        ({"peers": [{}], "size": True}, "size: True cannot be"),
        ({"peers": [{"count": 1.5}]}, "count: 1.5 cannot be: give it a whole number"),
        ({"peers": [{"count": True}]}, "count: True cannot be"),
        ({"peers": [{"upload": -1}]}, "upload: -1 cannot be: write it like 500K/s; 0 is no limit"),
        ({"peers": [{"upload": "-1M/s"}]}, "upload: '-1M' is not a size"),
        ({"peers": [{"upload": float("inf")}]}, "is no rate"),
        ({"peers": [{"arrive": "sometimes"}]}, "arrive: 'sometimes' cannot be: write at once, every 2s"),
        ({"peers": [{"arrive": 3}]}, "arrive: 3 cannot be"),
        ({"peers": [{"leave": "after -3s"}]}, "leave:"),
        ({"peers": [{"start": "soon"}]}, "start:"),
        ({"peers": [{"free-rider": "yes"}]}, "give it a true or false"),
        ({"peers": [{}], "origin": {"leave": "after 0 copies"}}, "gone before it gave anything"),
        ({"peers": [{}], "grant": "50-30"}, "grant:"),
        ({"peers": [{}], "grant": 30}, "grant:"),
        ({"peers": [{}], "latency": "quick"}, "latency:"),
        ({"peers": [{}], "latency": 10**400}, "latency: so large a number cannot be"),
        ({"peers": [{"upload": 10**400}]}, "upload: so large a number cannot be"),
        ({"peers": [{"count": 1 << 20000}]}, "count: so large a number cannot be"),
        ({"peers": [{}], "seed": -(1 << 20000)}, "seed: so large a number cannot be"),
    ],
)
def test_a_mistake_is_named_with_its_key(document: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(document, "mine")
    said = str(caught.value)
    assert said.startswith("scenario 'mine':")
    assert words in said
    assert "\n" not in said


def test_a_file_that_is_no_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    with pytest.raises(UsageError, match=r"--scenario: cannot read '.*a\.toml' \(No such file"):
        load(str(path))
    for content in (b"= 3", b"\xff", b"a = [" * 5000, b"seed = " + b"1" * 5000):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not TOML"):
            load(str(path))
    monkeypatch.setattr(scenario_file, "MAX_FILE", 10)
    path.write_bytes(b"#" * 11)
    with pytest.raises(UsageError, match="is no scenario: it is larger"):
        load(str(path))


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match=r"no 'nope': choose churn, classroom, .*or a file that ends"):
        load("nope")


def test_those_that_ship_can_be_played_and_say_what_they_show() -> None:
    shipped = dict(scenario_file.listed())
    assert {"classroom", "flash-crowd", "free-riders", "last-copy", "churn", "slow-origin"} <= set(shipped)
    for name, about in shipped.items():
        assert 20 <= len(about) <= 100
        played = load(name)
        assert played.name == name
        if "--simulate" not in about:
            refuse_live(played)
