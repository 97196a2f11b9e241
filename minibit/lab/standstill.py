"""When a whole swarm has come to a halt, and what its tracker knows of it: who lacks what, who holds that."""

from typing import Final

from minibit import bitfield
from minibit.snapshot import SwarmStatus

STANDSTILL_SECONDS: Final = 50.0  # without a byte, anywhere; by then each peer has found out why, for itself
MAX_NAMED: Final = 4  # peers of which one line says what they lack


class Standstill:
    """How long nothing has moved; `now` is any clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._moved: tuple[int, int] | None = None
        self._since = now

    def seconds(self, view: SwarmStatus, now: float) -> float:
        """How long nobody has received anything, as far as the tracker has been told."""
        moved = (
            sum(row.figures.downloaded for row in view.peers),
            sum(row.blocks.bit_count() for row in view.peers),
        )
        if moved != self._moved:
            self._moved, self._since = moved, now
        return now - self._since


def explain(view: SwarmStatus) -> str:
    """Who lacks what, and who holds that: "ana lacks 2 (3, 7) of 64 blocks; held by origin"."""
    everything = bitfield.full(view.block_count)
    lacking = {row.name: everything & ~row.blocks for row in view.peers if row.blocks != everything}
    told = [
        f"{name} lacks {_part(missing, everything)} blocks"
        for name, missing in list(lacking.items())[:MAX_NAMED]
    ]
    if len(lacking) > MAX_NAMED:
        told.append(f"{len(lacking) - MAX_NAMED} more lack some")
    wanted = held = 0
    for missing in lacking.values():
        wanted |= missing
    holders = [row for row in view.rows if row.blocks & wanted]
    for row in holders:
        held |= row.blocks
    if wanted & ~held:
        told.append(f"held by nobody: {bitfield.listed(wanted & ~held)}")
    if holders:
        more = f" and {len(holders) - MAX_NAMED} more" if len(holders) > MAX_NAMED else ""
        names = ", ".join(row.name for row in holders[:MAX_NAMED])
        told.append(f"{'the others ' if wanted & ~held else ''}held by {names}{more}")
    return "; ".join(told)


def _part(blocks: int, everything: int) -> str:
    count = everything.bit_count()
    return f"all {count}" if blocks == everything else f"{bitfield.listed(blocks)} of {count}"
