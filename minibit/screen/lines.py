"""The same figures in lines, for a pipe, a log or a screen reader: no control codes, no colours, no columns.

A line stands for itself, begins with a name, and is stable: words are added at its end, never moved.
Apart from names, it is ASCII. Pure functions of a snapshot, as `swarm_table` and `peer_table` are.
"""

from minibit import units
from minibit.screen.phrases import carried_phrase, copies_phrase
from minibit.snapshot import Figures, PeerStatus, State, Summary, SummaryRow, SwarmStatus


def plain_swarm(view: SwarmStatus, *, elapsed: float | None = None) -> list[str]:
    """A line for the swarm, then one per peer, the origin first."""
    count = view.block_count
    peers = view.peers
    complete = sum(row.blocks.bit_count() == count for row in peers)
    since = units.duration(view.uptime if elapsed is None else elapsed)
    lines = [
        f"swarm {since} complete {complete}/{len(peers)}, rarest block {copies_phrase(view.rarest_copies)}, "
        f"origin carried {carried_phrase(view)}"
    ]
    for row in sorted(view.rows, key=lambda row: not row.origin):
        state = "origin" if row.origin else row.figures.state.value
        lines.append(f"{row.name} {_held(row.blocks, count)} {_moving(row.figures)} {state}")
    return lines


def plain_peer(view: PeerStatus) -> str:
    """One line of progress."""
    figures = view.figures
    ending = f"neighbours {len(view.neighbours)} {figures.state.value}"
    if figures.state is State.DOWNLOADING and view.eta is not None:
        ending += f" ETA {units.duration(view.eta)}"
    return f"{view.name} {_held(view.blocks, view.block_count)} {_moving(figures)} {ending}"


def plain_summary(summary: Summary) -> list[str]:
    """A line per peer, then one for the whole swarm."""
    total = summary.awaited
    wrong = total - summary.complete
    verdict = (
        "all copies identical"
        if summary.identical
        else f"{wrong} of {units.count(total, 'copy', 'copies')} not right"
    )
    if summary.simulated:
        verdict = "simulated" if summary.identical else f"{wrong} of {total} not complete, simulated"
    if total < len(summary.rows):
        verdict += f", {units.count(len(summary.rows) - total, 'was', 'were')} not to stay"
    return [
        *(_outcome(row, summary) for row in summary.rows),
        f"swarm complete {summary.complete}/{total} in {units.duration(summary.elapsed, tenths=True)}, "
        f"origin carried {units.size(summary.origin_uploaded)} = {summary.origin_carried:.1f} x the share "
        f"(without trading: {len(summary.rows)} x), {verdict}",
    ]


def _held(blocks: int, count: int) -> str:
    have = blocks.bit_count()
    return f"{units.percent(have, count) if count else '-'} {have}/{count}"


def _moving(figures: Figures) -> str:
    rates = (units.rate(each, nothing="0 B/s") for each in (figures.down_rate, figures.up_rate))
    down, up = rates
    fixed = ",".join(figures.fixed) or "-"
    return f"down {down} up {up} fixed={fixed} optimistic={figures.optimistic or '-'}"


def _outcome(row: SummaryRow, summary: Summary) -> str:
    finished = row.completed_after
    when = "not complete" if finished is None else f"complete in {units.duration(finished, tenths=True)}"
    parts = []
    for source, part in (("origin", row.from_origin), ("peers", row.from_peers)):
        whole = row.from_origin + row.from_peers
        share = f" ({units.proportion(part, whole)})" if whole else ""
        parts.append(f"from {source} {units.size(part)}{share}")
    verified = f"verified {row.verified}/{summary.block_count}"
    given = f"given {row.given} ({row.given_by_origin} by the origin)"
    return f"{row.name} {when}, {', '.join(parts)}, {given}, {verified}"
