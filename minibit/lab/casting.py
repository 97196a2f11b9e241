"""A scenario cast anew: with what somebody asks for in place of its own, or for real processes."""

import math
from typing import Final

from msgspec.structs import replace

from minibit.engine.places import SEEKS
from minibit.errors import UsageError
from minibit.lab.scenario import LATENCY, Departure, PeerClass, Scenario
from minibit.torrent.layout import block_size_for

MAX_LIVE: Final = 100  # peers that are processes of one machine


def refined(
    scenario: Scenario,
    *,
    peers: int | None = None,
    upload: float | None = None,
    download: float | None = None,
    picking: str | None = None,
    choking: str | None = None,
    grant: tuple[float, float] | None = None,
    size: int | None = None,
    block_size: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """The scenario with what is not None in place of its own; `peers` keeps the classes' proportions.

    Raises:
        UsageError: fewer peers than classes, or such a swarm cannot be.
    """
    classes, origin = scenario.classes, scenario.origin
    if peers is not None:
        classes = _scaled(scenario, peers)
    if upload is not None:
        classes = tuple(replace(kind, upload=upload) for kind in classes)
        origin = replace(origin, upload=upload)
    if download is not None:
        classes = tuple(replace(kind, download=download) for kind in classes)
    if picking is not None:
        classes = tuple(replace(kind, picking=picking) for kind in classes)
    if choking is not None:
        classes = tuple(replace(kind, choking=choking) for kind in classes)
        origin = replace(origin, choking=choking)
    if size is not None and block_size is None:
        block_size = block_size_for(size)
    return replace(
        scenario,
        classes=classes,
        origin=origin,
        grant=scenario.grant if grant is None else grant,
        size=size or scenario.size,
        block_size=block_size or scenario.block_size,
        seed=scenario.seed if seed is None else seed,
    )


def refuse_live(scenario: Scenario) -> None:
    """Nothing, if real processes can play it.

    Raises:
        UsageError: they cannot; the message names the key.
    """
    kinds = scenario.classes
    simulated_only = {
        "peers.uplink": any(kind.uplink for kind in kinds),
        "peers.liar": any(kind.liar for kind in kinds),
        "peers.leave = 'silent after …'": any(kind.leave is Departure.SILENT for kind in kinds),
        "origin.uplink": scenario.origin.uplink,
        "origin.leave": scenario.origin.leaves,
        "latency": scenario.latency != LATENCY,
        "neighbours": scenario.neighbours != SEEKS,
        "a grant in parts of a percent": any(
            abs(100 * part - round(100 * part)) > 1e-9 for part in scenario.grant
        ),
    }
    for key, asked in simulated_only.items():
        if asked:
            raise UsageError(
                f"scenario {scenario.name!r}: {key} is not for real processes: "
                "add --simulate, or leave it out"
            )
    if scenario.peers > MAX_LIVE:
        raise UsageError(
            f"scenario {scenario.name!r}: {scenario.peers} processes are too many for one machine: "
            f"at most {MAX_LIVE} with --peers, or add --simulate"
        )


def _scaled(scenario: Scenario, peers: int) -> tuple[PeerClass, ...]:
    kinds, before = scenario.classes, scenario.peers
    if peers < len(kinds):
        raise UsageError(
            f"--peers: scenario {scenario.name!r} has {len(kinds)} classes of peers: "
            "ask for at least that many"
        )
    counts = [max(1, peers * kind.count // before) for kind in kinds]
    while sum(counts) != peers:  # the class that is furthest from its part gives, or takes
        step = 1 if sum(counts) < peers else -1
        gaps = [
            step * (peers * kind.count / before - count) if count + step > 0 else -math.inf
            for kind, count in zip(kinds, counts, strict=True)
        ]
        counts[gaps.index(max(gaps))] += step
    return tuple(replace(kind, count=count) for kind, count in zip(kinds, counts, strict=True))
