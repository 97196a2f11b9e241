"""Crowds as they are written, their bound, and what a run of one tells."""

from pathlib import Path

import pytest
from rig.crowd import Crowd, measured
from rig.swarm import Run
from rig.task import Task

from minibit.errors import UsageError
from minibit.torrent.metainfo import Metainfo, build

MIB = 1 << 20


def share(mib: int) -> Metainfo:
    return build("share.bin", [((), mib * MIB)], MIB, bytes(20 * mib), folder=False)


def test_a_crowd_is_written_by_its_classes() -> None:
    crowd = Crowd.parse("2x4M+3x256K@1M")

    assert crowd.limits == (4 * MIB,) * 2 + (256 << 10,) * 3
    assert crowd.origin == MIB
    assert Crowd.parse("8x4M").origin == 4 * MIB


@pytest.mark.parametrize("text", ["", "8", "x4M", "0x4M", "8x", "8x4M+", "8x4M@", "8xfast"])
def test_what_is_no_crowd_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Crowd.parse(text if text != "8x4M@" else "8x4M@quick")


@pytest.mark.parametrize(
    ("crowd", "mib", "seconds"),
    [
        ("8x4M", 64, 16.0),  # the origin's uplink decides
        ("4x1M@12M", 16, 4.0),  # all uplinks together do: 4 × 16 / 16
        ("4x4M+12x256K@1M", 16, 16.0),
    ],
)
def test_the_bound_is_that_of_the_origin_or_of_all(crowd: str, mib: int, seconds: float) -> None:
    parsed = Crowd.parse(crowd)
    assert Task(Path("share.bin"), share(mib), parsed.origin, parsed.limits).bound == seconds


def test_without_limits_there_is_no_bound() -> None:
    assert Task(Path("share.bin"), share(1), 0, (0, 0)).bound == 0


def run(registered: list[float]) -> Run:
    return Run(
        first_byte=2.0,
        complete=[20.0, 16.0],
        registered=registered,
        sent=[70 * MIB, 30 * MIB, 30 * MIB],
        cpu_origin=1.0,
        cpu_peers=2.0,
        peak_origin=50.0,
        peak_peer=60.0,
    )


def test_figures_of_a_run() -> None:
    crowd = Crowd.parse("2x4M")
    told = measured(run([17.0, 15.5]), Task(Path("share.bin"), share(64), crowd.origin, crowd.limits))

    assert told["launch"] == 20 / 16
    assert told["begun"] == 17 / 16
    assert told["mean"] == 18 / 16
    assert told["origin"] == 70 / 64
    assert told["wasted"] == pytest.approx(100 * 2 / 128)
    assert told["cpu"] == 3.0


def test_who_does_not_tell_of_registrations_begins_with_the_first_byte() -> None:
    crowd = Crowd.parse("2x4M")
    told = measured(run([]), Task(Path("share.bin"), share(64), crowd.origin, crowd.limits))

    assert told["begun"] == 18 / 16
