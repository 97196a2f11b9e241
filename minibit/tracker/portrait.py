"""One active peer as displays see it, whether it reports how it does or only announces itself."""

from minibit.dialects.announce import Announce
from minibit.snapshot import Figures, State, SwarmRow
from minibit.tracker.peer_record import PeerRecord


def row(record: PeerRecord, blocks: int, granted: int, *, complete: bool) -> SwarmRow:
    """The row of a peer that holds `blocks` and was `granted` others, both as bitfields."""
    return SwarmRow(
        name=record.name,
        ip=record.ip,
        port=record.port,
        timestamp=record.timestamp,
        blocks=blocks,
        given=granted.bit_count(),
        origin=record.origin,
        figures=record.figures or _figures(record.announced, complete=complete),
    )


def _figures(announced: Announce | None, *, complete: bool) -> Figures:
    """Those of a peer that reports none."""
    state = State.COMPLETE if complete else State.DOWNLOADING
    if announced is None:
        return Figures(state)
    return Figures(state, downloaded=announced.downloaded, uploaded=announced.uploaded)
