"""What is remembered of a run is what its engines did."""

import pytest
from fakes.observations import observation, part

from minibit.experiments.observation import LOOKS, Moment, Run, moment, observed
from minibit.lab.scenario import Arrival, Departure, OriginLine, PeerClass, Scenario

KIB = 1024
BLOCK = 32 * KIB


def swarm(**more: object) -> Scenario:
    kind = PeerClass("p", 3, upload=64.0 * KIB, **more)  # type: ignore[arg-type]
    return Scenario((kind,), 8 * BLOCK, BLOCK, OriginLine(upload=64.0 * KIB), grant=(0.0, 0.0), seed=3)


def test_what_was_uploaded_was_downloaded_and_everybody_has_everything() -> None:
    one = observed(Run(swarm()))
    assert one.complete
    assert [each.name for each in one.of("p")] == ["p1", "p2", "p3"]
    assert one.of("other") == []
    given = one.origin_uploaded + sum(each.uploaded for each in one.parts)
    assert given == sum(each.downloaded for each in one.parts) >= 3 * 8 * BLOCK
    assert one.last == pytest.approx(max(each.took or 0.0 for each in one.parts))
    assert one.bound <= (one.last or 0.0) <= one.ended
    assert (one.moments, one.granted, one.seed) == ((), 0, 3)
    assert observed(Run(swarm())) == one


def test_who_left_when_complete_was_there_until_then() -> None:
    one = observed(Run(swarm(arrive=Arrival.EVERY, arrive_seconds=1.0, leave=Departure.WHEN_COMPLETE)))
    assert [each.arrived for each in one.parts] == [0.0, 1.0, 2.0]
    assert [each.present for each in one.parts] == [each.took for each in one.parts]


def test_a_run_of_a_fixed_length_ends_then_and_is_looked_at() -> None:
    one = observed(Run(swarm(), seconds=2.0))
    assert one.ended == 2.0
    assert not one.complete
    assert one.last is None
    assert [look.at for look in one.moments] == pytest.approx([2.0 * n / LOOKS for n in range(1, LOOKS + 1)])
    assert one.moments[-1].peers == 3
    long = observed(Run(swarm(), seconds=600.0))
    assert (long.complete, long.ended, long.moments[-1].at) == (True, 600.0, 600.0)
    late = observed(Run(swarm(start=5.0), seconds=2.0))
    assert (late.parts, late.moments[-1].peers) == ((), 0)


def test_the_club_lacks_the_same_one_block_and_nothing_else() -> None:
    assert moment(7.0, [0b110, 0b110, 0b011, 0b111, 0b001, 0b000], 3) == Moment(7.0, 6, 2)
    assert moment(7.0, [0b111, 0b001], 3) == Moment(7.0, 2, 0)
    assert moment(7.0, [], 3) == Moment(7.0, 0, 0)


def test_utilisation_is_of_what_could_be_carried_by_those_present() -> None:
    one = observation(part("a", 5.0, uploaded=25), part("b", 10.0, uploaded=50))
    assert one.utilisation == pytest.approx(75 / 150)
    assert observation(part("rider", 5.0, line=0.0)).utilisation == 0.0
