"""The swarm on a screen: what `minibit swarm`, `minibit tracker` and `minibit status` show, and the summary.

Pure functions of a snapshot: no clock, no I/O, no engine. `sheet` fits them to a console, `lines`
says the same in lines for a pipe, `peer_table` shows one peer from within.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from minibit import units
from minibit.screen import bars
from minibit.screen.phrases import blocks_phrase, carried_phrase, copies_phrase
from minibit.screen.sheet import STRETCH, Cell, Column, Paragraph, Sheet, name_list, shortened
from minibit.snapshot import State, Summary, SummaryRow, SwarmRow, SwarmStatus
from minibit.text import plain_text

ORIGIN_MARK: Final = "★"
COMPLETE_MARK: Final = "✓"
FAINT: Final = "bright_black"
MAX_NAME_CELLS: Final = 16
MAX_FIXED_CELLS: Final = 32

_SWARM_CONCESSIONS: Final = (
    ("grant", 0),
    ("state", 0),
    ("have", 0),
    ("fixed", 19),
    ("peer", 12),
    ("peer", 9),
    ("fixed", 14),
    ("optimistic", 8),
    ("up", 0),
    ("down", 0),
    ("fixed", 10),
    ("fixed", 0),
    ("optimistic", 0),
    ("peer", 8),
)
_SUMMARY_CONCESSIONS: Final = (
    ("… by ★", 0),
    ("given", 0),
    ("peer", 12),
    ("complete in", 0),
    ("verified", 0),
    ("peer", 8),
)


def swarm_table(
    view: SwarmStatus,
    *,
    elapsed: float | None = None,
    stalls: Sequence[str] = (),
    note: str = "",
    max_lines: int | None = None,
) -> Sheet:
    """A row per peer, the origin first; below it what the swarm as a whole has reached.

    `elapsed` is in seconds, the tracker's uptime if not given; `stalls` are lines about who stands still,
    `note` is one more at the end. A live display passes its screen's height as `max_lines`.
    """
    facts = [*swarm_facts(view), fact("elapsed", units.duration(view.uptime if elapsed is None else elapsed))]
    halts: list[Paragraph] = [[Text(line, "yellow")] for line in stalls]
    below: list[Paragraph] = [facts, *halts, *([[Text(note, "italic")]] if note else [])]
    return _swarm_sheet(view, (), below, max_lines)


def status_table(view: SwarmStatus, *, max_lines: int | None = None) -> Sheet:
    """`swarm_table` under a line that says what is shared."""
    above = [*share_facts(view), Text(f"up {units.duration(view.uptime)}")]
    return _swarm_sheet(view, (above, [Text()]), [swarm_facts(view)], max_lines)


def share_facts(view: SwarmStatus) -> list[Text]:
    """What is shared, as facts: name, size, blocks, info hash."""
    return [
        Text(plain_text(view.share, 48), "bold"),
        Text(f"{units.size(view.total_size)} in {blocks_phrase(view.block_count, view.block_size)}"),
        Text(f"info hash {view.info_hash}"),
    ]


def _swarm_sheet(
    view: SwarmStatus, above: Sequence[Paragraph], below: Sequence[Paragraph], max_lines: int | None
) -> Sheet:
    rows = sorted(view.rows, key=lambda row: not row.origin)
    count = view.block_count
    have_width = 2 * len(str(count)) + 1
    columns = [
        Column("peer", name_width(row.name for row in rows), [_name(row, count) for row in rows]),
        Column("blocks", STRETCH, [partial(_bar, row, count) for row in rows]),
        Column("%", units.PERCENT_WIDTH, [_percent(row, count) for row in rows], right=True),
        Column("have", max(4, have_width), [Text(f"{_have(row)}/{count}") for row in rows], right=True),
        Column("grant", 14, [_grant(row) for row in rows], right=True),
        Column("down", units.RATE_WIDTH, [rate(row.figures.down_rate) for row in rows], right=True),
        Column("up", units.RATE_WIDTH, [rate(row.figures.up_rate) for row in rows], right=True),
        Column("fixed", _fixed_width(rows), [name_list(row.figures.fixed, "green") for row in rows]),
        Column("optimistic", 10, [optimistic(row.figures.optimistic) for row in rows]),
        Column("state", 12, [Text(_state(row, count)) for row in rows]),
    ]

    def rest(numbers: Sequence[int]) -> str:
        hidden = [rows[number] for number in numbers]
        whole = sum(_have(row) == count for row in hidden)
        mean = units.percent(sum(map(_have, hidden)), count * len(hidden))
        return f": {whole} complete, mean {mean}"

    below = [[Text()], *below]
    return Sheet(above, columns, _SWARM_CONCESSIONS, below, range(len(rows)), rest, max_lines=max_lines)


def _grant(row: SwarmRow) -> Text:
    """How many of the blocks that were dealt to it came, and how many of these from the origin."""
    if not row.given:
        return Text()
    came = row.figures.dealt_by_origin + row.figures.dealt_by_peers
    return Text(f"{came}/{row.given} ").append(f"{ORIGIN_MARK}{row.figures.dealt_by_origin}", "yellow")


def swarm_facts(view: SwarmStatus) -> list[Text]:
    """What the swarm as a whole has reached, as facts."""
    peers = view.peers
    complete = sum(_have(row) == view.block_count for row in peers)
    return [
        fact("complete", f"{complete}/{len(peers)}", "bold green" if complete else "bold"),
        fact("rarest block", copies_phrase(view.rarest_copies), "bold" if view.rarest_copies else "bold red"),
        fact("origin carried", carried_phrase(view), "bold yellow"),
    ]


def summary_table(summary: Summary) -> Sheet:
    """How each peer came out, and below what it means: did trading happen, are all copies right."""
    rows = summary.rows
    columns = [
        Column("peer", name_width(row.name for row in rows), [_outcome(row, summary) for row in rows]),
        Column("complete in", 11, [_completed_in(row) for row in rows], right=True),
        Column("from origin ▒", 13, [_part(row.from_origin, row, "yellow") for row in rows], right=True),
        Column("from peers █", 13, [_part(row.from_peers, row, bars.HELD) for row in rows], right=True),
        Column("", STRETCH, [partial(_split, row) for row in rows]),
        Column("given", 10, [_given(row, summary) for row in rows], right=True),
        Column("… by ★", 10, [_given_by_origin(row) for row in rows], right=True),
        Column("verified", 2 * len(str(summary.block_count)) + 3, [_verified(row, summary) for row in rows]),
    ]
    below: list[Paragraph] = [[Text()], summary_facts(summary)]
    return Sheet((), columns, _SUMMARY_CONCESSIONS, below, range(len(rows)), lambda _: "")


def summary_facts(summary: Summary) -> list[Text]:
    """The swarm's result, as facts."""
    total = summary.awaited
    wrong = total - summary.complete
    if summary.identical and summary.simulated:
        subject = "the peer holds" if total == 1 else f"all {total} hold"
        verdict = Text(f"{subject} every block, in a simulation", "bold green")
    elif summary.identical:
        subject = "the copy is" if total == 1 else f"all {total} copies are"
        verdict = Text(f"{subject} identical to the share", "bold green")
    else:
        verdict = Text(
            f"{wrong} of {units.count(total, 'copy', 'copies')} {'is' if wrong == 1 else 'are'} not right",
            "bold red",
        )
    passers = len(summary.rows) - total
    return [
        fact("complete", f"{summary.complete}/{total}"),
        fact("elapsed", units.duration(summary.elapsed, tenths=True)),
        fact(
            "origin carried",
            f"{units.size(summary.origin_uploaded)}, {summary.origin_carried:.1f} × the share "
            f"(without trading: {len(summary.rows)} ×)",
            "bold yellow",
        ),
        *([fact("were not to stay", str(passers))] if passers else []),
        verdict,
    ]


def fact(label: str, value: str, style: str = "bold") -> Text:
    """`label value`, the value standing out."""
    return Text(f"{label} ").append(value, style)


def name_width(names: Iterable[str]) -> int:
    """Cells for a column of names, each behind its mark."""
    return 2 + max(4, min(MAX_NAME_CELLS, max(map(cell_len, names), default=0)))


def marked(mark: str, name: str, style: str) -> Callable[[int], Text]:
    """A name behind its mark, shortened to its column."""
    return lambda cells: Text(f"{mark or ' '} {shortened(name, max(2, cells - 2))}", style)


def rate(per_second: float) -> Text:
    text = units.rate(per_second)
    return Text(text, FAINT if text == units.NOTHING else "")


def optimistic(name: str | None) -> Callable[[int], Text]:
    return name_list((name,) if name else (), "magenta")


def _name(row: SwarmRow, count: int) -> Cell:
    if row.origin:
        return marked(ORIGIN_MARK, row.name, "bold yellow")
    return (
        marked(COMPLETE_MARK, row.name, "bold green") if _have(row) == count else marked("", row.name, "bold")
    )


def _bar(row: SwarmRow, count: int, cells: int) -> Text:
    return bars.bar(row.blocks, count, cells, "yellow" if row.origin else None)


def _percent(row: SwarmRow, count: int) -> Text:
    return Text(units.percent(_have(row), count), "bold green" if _have(row) == count else "bold")


def _have(row: SwarmRow) -> int:
    return row.blocks.bit_count()


def _state(row: SwarmRow, count: int) -> str:
    """A word; for a peer that completed, when it did."""
    figures = row.figures
    if row.origin:
        return "origin"
    if _have(row) < count:
        return figures.state.value
    if figures.completed_after is None:
        return State.COMPLETE.value
    return f"done {units.duration(figures.completed_after)}"


def _fixed_width(rows: Sequence[SwarmRow]) -> int:
    """Room for the four longest names that can stand there: the origin wants nothing, so nobody serves it."""
    longest = sorted((cell_len(row.name) for row in rows if not row.origin), reverse=True)[:4]
    return max(5, min(MAX_FIXED_CELLS, sum(longest) + len(longest) - 1))


def _outcome(row: SummaryRow, summary: Summary) -> Cell:
    right = row.completed_after is not None and row.verified == summary.block_count
    return marked(COMPLETE_MARK, row.name, "bold green") if right else marked("", row.name, "bold red")


def _completed_in(row: SummaryRow) -> Text:
    if row.completed_after is None:
        return Text("not", "red")
    return Text(units.duration(row.completed_after, tenths=True), "bold")


def _part(part: int, row: SummaryRow, style: str) -> Text:
    whole = row.from_origin + row.from_peers
    return Text(f"{units.size(part)} ").append(f"{units.proportion(part, whole):>4}", style)


def _split(row: SummaryRow, cells: int) -> Text:
    return bars.split(row.from_origin, row.from_peers, cells, ("yellow", bars.HELD))


def _given(row: SummaryRow, summary: Summary) -> Text:
    return Text(f"{row.given} ").append(f"{units.proportion(row.given, summary.block_count):>4}", FAINT)


def _given_by_origin(row: SummaryRow) -> Text:
    whole = Text(f"{row.given_by_origin} ")
    return (
        whole.append(f"{units.proportion(row.given_by_origin, row.given):>4}", FAINT) if row.given else Text()
    )


def _verified(row: SummaryRow, summary: Summary) -> Text:
    right = row.verified == summary.block_count
    return Text(f"{row.verified}/{summary.block_count}", "bold green" if right else "bold red")
