"""A swarm at any time of its log, forwards, backwards, and from logs that lie."""

from pathlib import Path
from random import Random

import pytest
from fakes.logs import BLOCKS, HEADER, entries, written
from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.eventlog.reading import Reader
from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.events.kinds import Event
from minibit.lab import replay as module
from minibit.lab.replay import Picture, Replay
from minibit.snapshot import State, SwarmStatus

FULL = bitfield.full(BLOCKS)
QUIET = kinds.Sampled(0.0, 0.0, 0, 0, 0, 0, 0, (), (), ())


def joined(resumed: int = 0, granted: int = 0, *, origin: bool = False) -> kinds.Joined:
    return kinds.Joined("10.0.0.1:5001", origin, 0.0, granted, resumed)


STORY: list[tuple[float, str, Event]] = [
    (0.0, "origin", joined(FULL, origin=True)),
    (1.0, "ana", joined(0b1, 0b110)),
    (1.5, "bia", joined()),
    (2.0, "ana", kinds.Verified(1, (("origin", 2),))),
    (2.5, "ana", kinds.Sampled(1000.0, 500.0, 32768, 7, 32768, 1, 0, (), (), ())),
    (3.0, "ana", kinds.Chosen(True, ("bia",), "origin", (), (), extra=("caio",))),
    (3.5, "bia", kinds.Corrupt(0, (("ana", 2),))),
    (3.5, "bia", kinds.Banned("ana", "lies")),
    *((4.0 + block / 10, "ana", kinds.Verified(block, ())) for block in range(2, BLOCKS)),
    (5.0, "ana", kinds.Completed()),
    (6.0, "bia", kinds.Left("killed", "")),
    (30.0, "ana", kinds.Left("goodbye", "")),
    (30.5, "origin", kinds.Left("goodbye", "")),
]


@pytest.fixture
def story(tmp_path: Path) -> Path:
    return written(tmp_path / "log", STORY)


def names(view: SwarmStatus) -> list[str]:
    return [row.name for row in view.rows]


def test_a_row_as_the_live_table_shows_it(story: Path) -> None:
    with Reader(story) as reader:
        view = Replay(reader).at(3.5)
    assert (view.share, view.block_count, view.uptime, view.rarest_copies) == ("film.bin", BLOCKS, 3.5, 0)
    origin, ana, bia = view.rows
    assert (origin.origin, origin.blocks, origin.figures.state) == (True, FULL, State.COMPLETE)
    assert (ana.ip, ana.port, ana.given, ana.blocks) == ("10.0.0.1", 5001, 2, 0b11)
    assert ana.timestamp == HEADER.start + 3.5
    figures = ana.figures
    assert (figures.state, figures.resumed, figures.verified) == (State.DOWNLOADING, 1, 1)
    assert (figures.down_rate, figures.up_rate, figures.downloaded) == (1000.0, 500.0, 32768)
    assert (figures.uploaded, figures.from_origin) == (7, 32768)
    assert (figures.fixed, figures.optimistic) == (("bia", "+caio"), "origin")
    assert (figures.dealt_by_origin, figures.dealt_by_peers) == (1, 0)
    assert (bia.figures.corrupt, bia.figures.banned) == (1, 1)
    assert SwarmStatus.from_json(view.to_json()) == view


def test_who_stands_still_and_why_until_a_block_comes_or_it_leaves(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log",
        [
            (0.0, "ana", joined()),
            (0.0, "bia", joined()),
            (50.0, "ana", kinds.Stalled("nobody has it", 8)),
            (51.0, "bia", kinds.Stalled("bia is choked", 8)),
            (60.0, "ana", kinds.Verified(0, ())),
            (70.0, "bia", kinds.Left("goodbye", "")),
            (71.0, "ana", QUIET),
        ],
    )
    with Reader(log) as reader:
        replay = Replay(reader)
        seen = {}
        for t in (49.0, 55.0, 65.0, 75.0, 50.0):
            replay.at(t)
            seen[t] = replay.stalls
    assert seen == {
        49.0: {},
        50.0: {"ana": "nobody has it"},
        55.0: {"ana": "nobody has it", "bia": "bia is choked"},
        65.0: {"bia": "bia is choked"},
        75.0: {},
    }


def test_who_completes_and_who_leaves(story: Path) -> None:
    with Reader(story) as reader:
        replay = Replay(reader)
        ana = replay.at(5.5).rows[1]
        assert (ana.figures.state, ana.figures.completed_after, ana.blocks) == (State.COMPLETE, 4.0, FULL)
        assert names(replay.at(6.0)) == ["origin", "ana"]
        assert replay.status().rarest_copies == 1


def test_at_the_end_the_stage_is_as_it_was_before_the_last_ones_left_it(story: Path) -> None:
    with Reader(story) as reader:
        replay = Replay(reader)
        assert names(replay.at(30.2)) == ["origin"]
        view = replay.at(float("inf"))
        assert replay.ended
        assert names(view) == ["origin", "ana"], (
            "as a tracker tells them, and not bia, who was killed long before"
        )
        assert view.rarest_copies == 1
        assert view.uptime == replay.end() == 30.5


def test_a_peer_that_comes_again_begins_anew(tmp_path: Path) -> None:
    again = [*STORY[:4], (4.0, "ana", kinds.Left("killed", "")), (9.0, "ana", joined(0b11))]
    with Reader(written(tmp_path / "log", again)) as reader:
        ana = next(row for row in Replay(reader).at(9.0).rows if row.name == "ana")
    assert (ana.name, ana.blocks, ana.figures.resumed, ana.figures.verified) == ("ana", 0b11, 2, 0)


def test_one_that_was_never_said_to_be_killed_and_comes_again_is_counted_once(tmp_path: Path) -> None:
    with Reader(written(tmp_path / "log", [*STORY[:4], (9.0, "ana", joined(FULL))])) as reader:
        view = Replay(reader).at(9.0)
    assert sorted(names(view)) == ["ana", "bia", "origin"]
    assert view.rarest_copies == 1


def long_story() -> list[tuple[float, str, Event]]:
    rng = Random(5)
    told: list[tuple[float, str, Event]] = [(0.0, f"peer{n}", joined()) for n in range(10)]
    for step in range(2000):
        t, peer = 1.0 + step / 100, f"peer{rng.randrange(10)}"
        event: Event = rng.choice(
            [QUIET, kinds.Verified(rng.randrange(BLOCKS), ()), kinds.Left("killed", "")]
        )
        told.append((t, peer, event))
        if isinstance(event, kinds.Left):
            told.append((t, peer, joined(rng.randrange(FULL))))
    return told


def test_jumping_about_shows_what_going_straight_there_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 2000)
    monkeypatch.setattr(module, "MAX_CHECKPOINTS", 6)
    path = written(tmp_path / "log", long_story())
    rng = Random(7)
    with Reader(path) as jumped:
        replay = Replay(jumped)
        for _ in range(40):
            t = rng.choice([rng.uniform(0, 22), 1.0 + rng.randrange(2000) / 100])
            with Reader(path) as straight:
                assert replay.at(t) == Replay(straight).at(t)
        assert 1 < len(replay._checkpoints) <= 6


def test_going_back_reads_from_the_last_checkpoint_and_not_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 2000)
    applied: list[float] = []
    apply = Picture.apply

    def counted(picture: Picture, entry: Entry) -> None:
        applied.append(entry.t)
        apply(picture, entry)

    monkeypatch.setattr(Picture, "apply", counted)
    with Reader(written(tmp_path / "log", long_story())) as reader:
        replay = Replay(reader)
        replay.at(20.0)
        applied.clear()
        replay.at(19.0)
        assert 0 < len(applied) < 100


def test_a_long_way_is_gone_in_bounded_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", 100)
    with Reader(written(tmp_path / "log", long_story())) as reader:
        replay = Replay(reader)
        steps = 1
        while not replay.go_to(float("inf")):
            steps += 1
    assert steps > 20


def test_a_log_that_grows_is_followed(story: Path) -> None:
    whole = story.read_bytes()
    half = whole.index(b'"completed"') - 30
    story.write_bytes(whole[:half])
    with Reader(story) as reader:
        replay = Replay(reader)
        assert replay.at(5.5).rows[1].figures.state is State.DOWNLOADING
        assert replay.ended
        with story.open("ab") as file:
            file.write(whole[half:])
        assert replay.at(5.5).rows[1].figures.state is State.COMPLETE
        assert not replay.ended


@given(st.lists(entries, max_size=30))
def test_whatever_a_log_says_there_is_a_picture(
    tmp_path_factory: pytest.TempPathFactory, log: list[Entry]
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "any", [(e.t, e.peer, e.event) for e in log])
    with Reader(path) as reader:
        replay = Replay(reader)
        for t in (0.0, 1e5, float("inf"), 10.0):
            view = replay.at(t)
            assert all(row.blocks <= FULL for row in view.rows)
            assert view.to_json()


def test_a_crowd_beyond_all_measure_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PEERS", 5)
    crowd: list[tuple[float, str, Event]] = [(0.0, f"peer{n}", joined()) for n in range(50)]
    with Reader(written(tmp_path / "log", crowd)) as reader:
        assert len(Replay(reader).at(1.0).rows) == 5
