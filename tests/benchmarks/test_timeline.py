"""How busy uplinks were, from logs."""

from pathlib import Path

import pytest
from rig.timeline import SHADES, drawn, read, shade

from minibit.events.entries import Entry, Header, Kind
from minibit.events.kinds import Completed, Event, Joined, Sampled


def sampled(uploaded: int) -> Sampled:
    return Sampled(0.0, 0.0, 0, uploaded, 0, 0, 0, (), (), ())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A swarm of four seconds: the origin is busy all the time, ana from 2 s on, bob has no limit."""
    events: list[tuple[float, str, Event]] = [
        (0.0, "origin", Joined("10.0.0.1:1", True, 100.0, 0, 0)),
        (0.0, "ana", Joined("10.0.0.2:1", False, 50.0, 0, 0)),
        (0.0, "bob", Joined("10.0.0.3:1", False, 0.0, 0, 0)),
        *((float(t), "origin", sampled(100 * t)) for t in range(1, 5)),
        *((float(t), "ana", sampled(50 * max(0, t - 2))) for t in range(1, 5)),
        *((float(t), "bob", sampled(10 * t * t)) for t in range(1, 5)),
        (4.0, "ana", Completed()),
    ]
    header = Header(Kind.SIMULATED, "0", 0.0, "share", 400, 100, "00" * 20)
    path = tmp_path / "swarm.jsonl"
    lines = (Entry(t, peer, event).encode() for t, peer, event in sorted(events, key=lambda each: each[0]))
    path.write_text("".join((header.encode(), *lines)))
    return path


def test_each_uplink_is_measured_by_its_limit(log: Path) -> None:
    timeline = read([log])

    assert timeline.step == 1.0
    assert timeline.busy["origin"] == [1, 1, 1, 1]
    assert timeline.busy["ana"] == [0, 0, 1, 1]
    assert timeline.busy["bob"] == pytest.approx([1 / 7, 3 / 7, 5 / 7, 1])  # by the most that it gave
    assert timeline.mean == pytest.approx((50 * 2 + 160) / 4 / (50 + 70))


def test_a_long_swarm_has_wider_columns(log: Path) -> None:
    timeline = read([log], width=2)

    assert timeline.step == 2.0
    assert timeline.busy["ana"] == [0, 1]


def test_it_is_drawn_with_the_origin_first(log: Path) -> None:
    origin, ana, bob, about = drawn(read([log])).splitlines()

    assert origin == "origin ████| 100 %"
    assert ana == "ana      ██|  50 %"
    assert bob.startswith("bob    ")
    assert "1.0 s" in about


def test_shades_go_from_idle_to_full() -> None:
    assert [shade(n / 8) for n in range(9)] == list(SHADES)
    assert shade(-1) == SHADES[0]
    assert shade(2) == SHADES[-1]
