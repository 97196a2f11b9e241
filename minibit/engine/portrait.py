"""An engine's picture of itself: the frozen figures that displays and heartbeats read."""

from math import fsum  # the same on every Python, as `sum` of floats is not

from minibit import snapshot
from minibit.engine.engine import Engine
from minibit.engine.neighbour import Neighbour
from minibit.snapshot import Role, State
from minibit.strategies.tit_for_tat import rare_blocks

ETA_HORIZON = 99 * 3600.0  # s; beyond that an estimate says nothing


def figures(engine: Engine, now: float, granted: int = 0) -> snapshot.Figures:
    """What this peer, to which these blocks were dealt, reports of itself."""
    slots = engine.slots
    neighbours = engine.neighbours
    labels = {key: neighbours[key].label for key in slots.held if key in neighbours}
    downloads = engine.downloads
    return snapshot.Figures(
        state=State.COMPLETE if engine.blocks.complete else State.DOWNLOADING,
        down_rate=fsum(n.supply.flow.rate(now) for n in engine.neighbours.values()),
        up_rate=fsum(n.demand.flow.rate(now) for n in engine.neighbours.values()),
        downloaded=downloads.total,
        uploaded=engine.uploads.total,
        from_origin=downloads.from_origin,
        verified=downloads.verified,
        resumed=engine.resumed,
        dealt_by_origin=(granted & downloads.by_origin).bit_count(),
        dealt_by_peers=(granted & downloads.by_peers).bit_count(),
        corrupt=downloads.corrupt,
        banned=engine.banned,
        completed_after=None if engine.completed_at is None else engine.completed_at - engine.started,
        fixed=snapshot.served(
            (labels[key] for key in slots.fixed if key in labels),
            (labels[key] for key in slots.extra if key in labels),
        ),
        optimistic=labels.get(slots.optimistic) if slots.optimistic is not None else None,
    )


def portrait(engine: Engine, share: str, granted: int, now: float) -> snapshot.PeerStatus:
    """The whole picture: this peer and a row per neighbour. `granted` are the blocks it was dealt."""
    own = figures(engine, now, granted)
    layout, blocks = engine.layout, engine.blocks
    present = [n for n in engine.neighbours.values() if n.greeted]
    rare = rare_blocks(engine.copies, sum(n.known for n in present))
    missing = layout.total_size - layout.size_of(blocks.have)
    eta = missing / own.down_rate if own.down_rate > 0 else None
    return snapshot.PeerStatus(
        name=engine.identity.name,
        port=engine.identity.port,
        share=share,
        total_size=layout.total_size,
        block_size=layout.block_size,
        block_count=layout.block_count,
        blocks=blocks.have,
        in_flight=blocks.in_flight | blocks.verifying,
        granted=granted,
        rarest_copies=engine.copies.rarest(blocks.full)[0],
        eta=eta if missing and eta is not None and eta < ETA_HORIZON else None,
        figures=own,
        neighbours=tuple(_neighbour(engine, n, rare, now) for n in present),
    )


def _neighbour(engine: Engine, neighbour: Neighbour, rare: int, now: float) -> snapshot.NeighbourRow:
    slots = engine.slots
    if neighbour.key in slots.fixed:
        role = Role.FIXED
    elif neighbour.key == slots.optimistic:
        role = Role.OPTIMISTIC
    elif neighbour.key in slots.extra:
        role = Role.EXTRA
    else:
        role = Role.CHOKED
    return snapshot.NeighbourRow(
        name=neighbour.name,
        address=f"{neighbour.address[0]}:{neighbour.address[1]}",
        client=neighbour.client,
        blocks=neighbour.blocks,
        role=role,
        interested=neighbour.demand.interested,
        choking=neighbour.supply.choking,
        snubbed=neighbour.snubbed,
        origin=neighbour.origin,
        rare=(neighbour.blocks & rare).bit_count(),
        down_rate=neighbour.supply.flow.rate(now),
        up_rate=neighbour.demand.flow.rate(now),
        downloaded=neighbour.supply.flow.total,
        uploaded=neighbour.demand.flow.total,
    )
