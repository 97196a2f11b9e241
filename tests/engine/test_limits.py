"""What is not limited costs nothing for that."""

from collections.abc import Callable
from typing import Any

import pytest

from minibit.engine.allowance import Allowance
from minibit.engine.line import Line
from minibit.engine.rates import TokenBucket
from minibit.lab.scenario import OriginLine, PeerClass, Scenario
from minibit.lab.simulator import Simulation

KIB, MIB = 1 << 10, 1 << 20
RATES = (0, MIB)  # of the buckets in question; others ration words
BOOKKEEPING = {
    "allowance": (Allowance, ("line_up", "next", "asked", "came", "balance")),
    "bucket": (TokenBucket, ("ready", "take", "ready_at")),
    "line": (Line, ("handed", "left", "free", "rate")),
}


def called(monkeypatch: pytest.MonkeyPatch, part: str, kind: PeerClass) -> set[str]:
    """What of the bookkeeping is called in a swarm of peers like this, which completes."""
    cls, names = BOOKKEEPING[part]
    seen: set[str] = set()

    def watch(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, *told: Any) -> Any:
            if getattr(self, "rate", None) in RATES or not isinstance(self, TokenBucket):
                seen.add(name)
            return method(self, *told)

        return watched

    for name in names:
        monkeypatch.setattr(cls, name, watch(name, getattr(cls, name)))
    origin = OriginLine(upload=kind.upload, uplink=kind.uplink)
    simulation = Simulation(Scenario((kind,), MIB, 64 * KIB, origin))
    simulation.run(100.0)
    assert all(peer.complete for peer in simulation.peers.values())
    return seen


@pytest.mark.parametrize("part", ["allowance", "bucket"])
def test_without_a_limit_nobody_counts_what_may_be_sent_or_asked_for(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    assert called(monkeypatch, part, PeerClass(count=3, uplink=MIB)) == set()


def test_with_a_limit_nobody_measures_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert called(monkeypatch, "line", PeerClass(count=3, upload=MIB)) == set()


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("allowance", PeerClass(count=3, upload=MIB, download=MIB)),
        ("bucket", PeerClass(count=3, upload=MIB)),
        ("line", PeerClass(count=3, uplink=MIB)),
    ],
)
def test_what_is_limited_is_counted(monkeypatch: pytest.MonkeyPatch, part: str, kind: PeerClass) -> None:
    assert called(monkeypatch, part, kind) >= {BOOKKEEPING[part][1][0]}
