"""What lines can have carried by now, at best: nobody may hold more than that, whatever happens.

These are the three terms of the least distribution time D (Kumar & Ross 2006), each as a bound at every
moment: everything comes from the origin first, every copy takes its bytes of somebody's uplink, and nobody
is quicker than its own downlink. Where D bounds the last finisher, this bounds everybody all along.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from minibit.engine.allowance import BURST_SECONDS, overdrawn
from minibit.lab.scenario import Scenario
from minibit.lab.simulated_peer import SimulatedPeer
from minibit.torrent.layout import CHUNK_SIZE
from minibit.units import size

EXACT: Final = 1e-9  # relative: sums of times differ by less


class Ceiling:
    """Of one run of `scenario`. A limit on uploads may save up a little, in each life of a peer."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._arrivals = {newcomer.name: newcomer.arrives for newcomer in scenario.newcomers()}

    def passed(self, origin: SimulatedPeer, peers: Iterable[SimulatedPeer], now: float) -> Iterator[str]:
        """Who holds more than can be; all is well if nobody does."""
        layout = self._scenario.layout
        first = self._scenario.origin.fastest * now + _saved(origin)
        given, everything, somewhere = first, 0, 0
        for peer in peers:
            have, present = peer.engine.blocks.have, now - self._arrivals[peer.name]
            held = layout.size_of(have)
            everything += held
            somewhere |= have
            if peer.kind.fastest:
                given += peer.kind.fastest * present + _saved(peer)
            if held > (peer.kind.download or math.inf) * present * (1 + EXACT):
                yield f"{peer.name} holds {size(held)}, more than its line can have brought"
        if layout.size_of(somewhere) > first * (1 + EXACT):
            yield f"{size(layout.size_of(somewhere))} are out, more than the origin's line can have carried"
        if everything > given * (1 + EXACT):
            yield f"all hold {size(everything)}, more than all lines can have carried"


def _saved(peer: SimulatedPeer) -> float:
    """Bytes that a limit lets through at once, in all lives: what it saves up, and what it overdraws."""
    limit = peer.kind.upload
    return (peer.life + 1) * (max(CHUNK_SIZE, BURST_SECONDS * limit) + overdrawn(limit)) if limit else 0.0
