"""Snapshots to draw, and a console to draw them on: the figures are plausible and never change."""

import io
from typing import Any

from msgspec.structs import replace
from rich.console import Console, RenderableType

from minibit import bitfield
from minibit.snapshot import (
    Figures,
    NeighbourRow,
    PeerStatus,
    Role,
    State,
    Summary,
    SummaryRow,
    SwarmRow,
    SwarmStatus,
)

MIB = 1 << 20
COUNT = 192
FULL = bitfield.full(COUNT)
NAMES = ("ana", "bia", "caio", "davi", "eva")


def swarm_row(name: str, have: int = COUNT // 2, **figures: Any) -> SwarmRow:
    """A peer with the first `have` blocks."""
    return SwarmRow(name, "127.0.0.1", 5001, 0.0, bitfield.full(have), 70, False, Figures(**figures))


def swarm_view(names: tuple[str, ...] = NAMES) -> SwarmStatus:
    """An origin, listed third, and peers of which the third is complete."""
    rows = [
        swarm_row(
            name,
            have=min(COUNT, 40 + 90 * (number % 3)),
            down_rate=1.5 * MIB,
            up_rate=12 * MIB,
            uploaded=3 * MIB,
            fixed=tuple(other for other in names if other != name)[:4],
            optimistic=names[number - 1],
        )
        for number, name in enumerate(names)
    ]
    if len(rows) > 2:
        done = replace(rows[2].figures, state=State.COMPLETE, completed_after=18.4, down_rate=0.0)
        rows[2] = replace(rows[2], blocks=FULL, figures=done)
    origin = Figures(state=State.COMPLETE, up_rate=4 * MIB, uploaded=15 * MIB, fixed=names[:4])
    rows.insert(2, SwarmRow("origin", "127.0.0.1", 5000, 0.0, FULL, 0, True, origin))
    return SwarmStatus("sample.bin", 12 * MIB, 64 << 10, COUNT, "ab" * 20, 83.0, 2, tuple(rows))


def neighbour_view(name: str, **changes: Any) -> NeighbourRow:
    plain = NeighbourRow(
        name=name,
        address="192.168.1.13:51413",
        client="MiniBit 0.1.0",
        blocks=bitfield.full(100),
        role=Role.CHOKED,
        interested=False,
        choking=False,
        snubbed=False,
        origin=False,
        rare=31,
        down_rate=0.0,
        up_rate=0.0,
        downloaded=5 * MIB,
        uploaded=7 * MIB,
    )
    return replace(plain, **changes)


def peer_view(*neighbours: NeighbourRow, **changes: Any) -> PeerStatus:
    plain = PeerStatus(
        name="ana",
        port=5001,
        share="sample.bin",
        total_size=12 * MIB,
        block_size=64 << 10,
        block_count=COUNT,
        blocks=bitfield.full(100),
        in_flight=0b111 << 100,
        granted=bitfield.full(20),
        rarest_copies=1,
        eta=9.2,
        figures=Figures(
            down_rate=MIB,
            downloaded=8 * MIB,
            from_origin=2 * MIB,
            dealt_by_origin=12,
            dealt_by_peers=3,
            fixed=("bia", "caio"),
            optimistic="eva",
        ),
        neighbours=neighbours,
    )
    return replace(plain, **changes)


def summary(*rows: SummaryRow) -> Summary:
    return Summary("sample.bin", 12 * MIB, 64 << 10, COUNT, "ab" * 20, 21.4, 15 * MIB, rows)


def summary_row(name: str, **changes: Any) -> SummaryRow:
    plain = SummaryRow(
        name, 18.4, downloaded=12 * MIB, from_origin=3 * MIB, given=70, given_by_origin=60, verified=COUNT
    )
    return replace(plain, **changes)


def drawn(
    renderable: RenderableType, width: int = 100, *, terminal: bool = False, encoding: str = "utf-8"
) -> str:
    """What a console of that width and encoding receives; text that it cannot encode is an error."""
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, encoding=encoding, newline="\n") as file:
        console = Console(
            file=file,
            width=width,
            force_terminal=terminal,
            color_system="truecolor" if terminal else None,
            legacy_windows=False,
            _environ={},
        )
        console.print(renderable)
        file.flush()
        return buffer.getvalue().decode(encoding)
