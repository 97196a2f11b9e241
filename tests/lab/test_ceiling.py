"""No run beats D, nor holds more at any moment than lines can have carried."""

from hypothesis import given, settings
from hypothesis import strategies as st

from minibit.lab.ceiling import Ceiling
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation
from minibit.lab.trial import simulated

KIB = 1024
lines = st.sampled_from([32.0 * KIB, 64.0 * KIB, 256.0 * KIB])
kinds = st.builds(
    PeerClass,
    name=st.just("peer"),
    count=st.integers(1, 3),
    uplink=lines,
    download=st.sampled_from([0.0, 64.0 * KIB]),
    start=st.sampled_from([0.0, 3.0]),
    choking=st.sampled_from(["tit-for-tat", "reciprocity", "unchoke-all"]),
    picking=st.sampled_from(["rarest-first", "random", "sequential"]),
)
scenarios = st.builds(
    Scenario,
    st.lists(kinds, min_size=1, max_size=2).map(tuple),
    st.integers(1, 12).map(lambda blocks: blocks * 32 * KIB),
    st.just(32 * KIB),
    st.builds(OriginLine, uplink=lines),
    grant=st.sampled_from([(0.0, 0.0), (0.3, 0.5)]),
    seed=st.integers(0, 99),
)


@settings(max_examples=20, deadline=None)
@given(scenarios)
def test_no_run_beats_the_bound(scenario: Scenario) -> None:
    assert (simulated(scenario).last or 1.0) >= 1.0


@settings(max_examples=20, deadline=None)
@given(scenarios)
def test_nobody_holds_more_at_any_moment_than_lines_can_have_carried(scenario: Scenario) -> None:
    simulation, ceiling = Simulation(scenario), Ceiling(scenario)
    while not simulation.over:
        simulation.run(simulation.now + scenario.bound / 10)
        assert [*ceiling.passed(simulation.origin, simulation.peers.values(), simulation.now)] == []
