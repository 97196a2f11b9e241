"""The event log of a simulation: what every peer of it sees, in virtual time from 0.

The same scenario and seed give the same bytes, on every Python: nothing here asks for the time or for
chance, and nothing goes by the order of a set.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from minibit import __version__
from minibit.address import Address
from minibit.engine.chronicle import Chronicle
from minibit.engine.effects import Effect
from minibit.engine.engine import Engine
from minibit.engine.journal import Journal
from minibit.eventlog.writing import Writer
from minibit.events.entries import Header, Kind
from minibit.lab.clock import Clock
from minibit.lab.scenario import Scenario
from minibit.lab.scenario_file import to_document
from minibit.text import ORIGIN

SAMPLE_SECONDS: Final = 1.0
WHY: Final = {"silent": "nothing reaches it any more, and nobody is told"}


class SimulatedLog:
    """Watches a simulation as its observer, and writes to `path`. Call `keep_time` before it runs, and
    `close` after.
    """

    def __init__(self, path: Path, scenario: Scenario, *, tell: Callable[[str], None]) -> None:
        header = Header(
            kind=Kind.SIMULATED,
            version=__version__,
            start=0.0,
            share=scenario.name,
            total_size=scenario.size,
            block_size=scenario.block_size,
            info_hash=scenario.info_hash.hex(),
            seed=scenario.seed,
            settings=to_document(scenario),
        )
        self._writer = Writer(path, header, tell=tell)
        self._present: dict[str, Chronicle] = {}
        self._coming: dict[str, Chronicle] = {}

    def keep_time(self, clock: Clock) -> None:
        """Sample everybody once a second of this clock."""
        self.sample(clock.now)
        clock.after(SAMPLE_SECONDS, self.keep_time, clock)

    def sample(self, now: float) -> None:
        """Note how everybody stands."""
        for chronicle in self._present.values():
            chronicle.sample(now)

    def close(self, now: float) -> None:
        """The simulation is over: note how everybody stands, and write the rest."""
        self.sample(now)
        self._writer.close()

    # --- as an observer

    def journal(self, name: str) -> Journal:
        chronicle = self._coming[name] = Chronicle(name, self._writer.write)
        return chronicle

    def joined(self, name: str, address: Address, engine: Engine, granted: int, now: float) -> None:
        chronicle = self._present[name] = self._coming.pop(name)
        ip, port = address
        chronicle.joined(engine, f"{ip}:{port}", granted, now, origin=name == ORIGIN)

    def performs(self, name: str, effect: Effect, now: float) -> None:
        """Engines tell their journals all that a log has of it."""

    def left(self, name: str, how: str, now: float) -> None:
        chronicle = self._present.pop(name, None)
        if chronicle is not None:
            chronicle.sample(now)
            chronicle.left(how, WHY.get(how, ""), now)
