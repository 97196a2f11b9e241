"""The frozen figures: JSON carries them whole, and a stranger's JSON cannot smuggle anything in."""

import json
from typing import Any

import pytest
from fakes.pictures import COUNT, MIB, summary, summary_row
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from minibit import bitfield, snapshot
from minibit.errors import MinibitError
from minibit.snapshot import MAX_FIXED_NAMED, Figures, State, Summary, SwarmRow, SwarmStatus, served

NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=20)
COUNTS = st.integers(0, 2**50)
RATES = st.floats(0, 1e12)
FIGURES = st.builds(
    Figures,
    state=st.sampled_from(State),
    down_rate=RATES,
    up_rate=RATES,
    downloaded=COUNTS,
    uploaded=COUNTS,
    from_origin=COUNTS,
    verified=COUNTS,
    resumed=COUNTS,
    corrupt=COUNTS,
    banned=COUNTS,
    completed_after=st.none() | RATES,
    fixed=st.lists(NAMES, max_size=5).map(tuple),
    optimistic=st.none() | NAMES,
)


@st.composite
def swarms(draw: st.DrawFn) -> SwarmStatus:
    count = draw(st.integers(1, 40))
    row = st.builds(
        SwarmRow,
        name=NAMES,
        ip=st.just("127.0.0.1"),
        port=st.integers(1, 65535),
        timestamp=RATES,
        blocks=st.integers(0, bitfield.full(count)),
        given=st.integers(0, count),
        origin=st.booleans(),
        figures=FIGURES,
    )
    return SwarmStatus(
        share=draw(NAMES),
        total_size=count * 16384,
        block_size=16384,
        block_count=count,
        info_hash=draw(st.binary(min_size=20, max_size=20)).hex(),
        uptime=draw(RATES),
        rarest_copies=draw(st.integers(0, 5)),
        rows=tuple(draw(st.lists(row, max_size=4))),
    )


def through_json(document: object) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


@given(FIGURES)
def test_figures_survive_json(figures: Figures) -> None:
    assert Figures.from_json(through_json(figures.to_json())) == figures


@given(swarms())
def test_a_swarm_survives_the_trackers_status(swarm: SwarmStatus) -> None:
    assert SwarmStatus.from_json(through_json(swarm.to_json())) == swarm


def test_missing_figures_take_their_defaults() -> None:
    assert Figures.from_json({}) == Figures()
    assert Figures.from_json({"unknown": "field", "verified": 3}) == Figures(verified=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(Figures.__struct_fields__), JSON) | JSON)
def test_strange_figures_are_taken_safely_or_refused(document: object) -> None:
    try:
        figures = Figures.from_json(document)
    except ValueError:
        return
    through_json(figures.to_json())
    assert len(figures.fixed) <= MAX_FIXED_NAMED
    assert all(name.isprintable() for name in (*figures.fixed, figures.optimistic or ""))
    numbers = [value for value in figures.to_json().values() if isinstance(value, int | float)]
    assert all(0 <= number <= 1 << 62 for number in numbers)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        7,
        {"state": "dancing"},
        {"state": []},
        {"down_rate": -1},
        {"down_rate": "1"},
        {"down_rate": True},
        {"up_rate": float("nan")},
        {"up_rate": float("inf")},
        {"verified": 1 << 70},
        {"verified": None},
        {"completed_after": -0.5},
        {"fixed": "ana"},
        {"fixed": {"ana": 1}},
        {"fixed": ["x"] * (MAX_FIXED_NAMED + 1)},
    ],
)
def test_figures_of_a_wrong_kind_are_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"must be|is not a valid State"):
        Figures.from_json(document)


@given(st.data())
def test_a_strange_status_is_taken_safely_or_refused(data: st.DataObject) -> None:
    document = through_json(data.draw(swarms()).to_json())
    target = data.draw(st.sampled_from([document, *document["peers"]]))
    key = data.draw(st.sampled_from(sorted(target)))
    if data.draw(st.booleans()):
        del target[key]
    else:
        target[key] = data.draw(JSON)
    try:
        swarm = SwarmStatus.from_json(document)
    except MinibitError:
        return
    assert all(row.blocks >> swarm.block_count == 0 for row in swarm.rows)
    assert all(text.isprintable() for row in swarm.rows for text in (row.name, row.ip))
    through_json(swarm.to_json())


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"peers": []}, {"status": "ativo", "peers": {"a": 1}}]
)
def test_what_is_no_status_is_refused(document: object) -> None:
    with pytest.raises(MinibitError, match="not the status of a MiniBit tracker"):
        SwarmStatus.from_json(document)


def a_row(name: str, *, origin: bool = False) -> SwarmRow:
    return SwarmRow(name, "127.0.0.1", 5001, 1.5, 0b101, 2, origin, Figures())


def test_the_status_begins_with_the_contracts_fields_and_leaves_the_origin_out_of_the_count() -> None:
    rows = (a_row("origin", origin=True), a_row("ana"), a_row("bia"))
    swarm = SwarmStatus("s", 30000, 16384, 3, "00" * 20, 9.0, 1, rows)
    document = swarm.to_json()
    assert list(document)[:3] == ["status", "peers_ativos", "total_blocos"]
    assert (document["status"], document["peers_ativos"], document["total_blocos"]) == ("ativo", 2, 3)
    assert [row.name for row in swarm.peers] == ["ana", "bia"]
    assert swarm.origin == rows[0]
    assert replace(swarm, rows=rows[1:]).origin is None
    ana = document["peers"][1]
    assert (ana["peer_id"], ana["porta"], ana["have"], ana["bitfield"], ana["given"]) == (
        "ana",
        5001,
        2,
        "a0",
        2,
    )


@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.integers(0, bitfield.full(n)), st.just(n))))
def test_a_bitfield_survives_hex(case: tuple[int, int]) -> None:
    blocks, count = case
    assert snapshot.from_hex(snapshot.to_hex(blocks, count), count) == blocks


@pytest.mark.parametrize("text", ["", "f", "ffff", "zz", "ff"])
def test_hex_that_is_no_bitfield_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bitfield|hexadecimal"):
        snapshot.from_hex(text, 7)


# --- how a swarm came out


def test_a_summary_counts_only_what_was_completed_and_found_right() -> None:
    good = summary_row("ana")
    unfinished = summary_row("bia", completed_after=None)
    wrong = summary_row("caio", verified=COUNT - 1)
    assert summary(good, unfinished, wrong).complete == 1
    assert summary(good, good).identical
    assert not summary(good, unfinished).identical
    assert not summary(good, wrong).identical
    assert not summary().identical


def test_what_the_origin_carried_is_told_in_sizes_of_the_share() -> None:
    assert summary().origin_carried == 1.25
    assert Summary("s", 0, 1, 0, "", 0.0, 5, ()).origin_carried == 0.0


def test_from_peers_is_what_did_not_come_from_the_origin() -> None:
    assert summary_row("ana").from_peers == 9 * MIB
    assert summary_row("ana", downloaded=0).from_peers == 0


def test_a_summary_as_json_holds_the_figures_and_what_follows_from_them() -> None:
    document = json.loads(json.dumps(summary(summary_row("ana")).to_json()))
    assert document["identical"] is True
    assert document["complete"] == 1
    assert document["origin_carried"] == 1.25
    assert document["block_count"] == COUNT
    assert document["peers"] == [
        {
            "name": "ana",
            "completed_after": 18.4,
            "downloaded": 12 * MIB,
            "from_origin": 3 * MIB,
            "from_peers": 9 * MIB,
            "given": 70,
            "verified": COUNT,
            "stays": True,
            "given_by_origin": 60,
        }
    ]


def test_who_is_served_beyond_the_slots_is_shown_with_a_plus() -> None:
    assert served(["ana"], ["bia", "caio"]) == ("ana", "+bia", "+caio")
    assert len(served(map(str, range(MAX_FIXED_NAMED)), ["bia"])) == MAX_FIXED_NAMED
