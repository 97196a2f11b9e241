"""One peer from within: what `minibit peer` shows.

A pure function of a `PeerStatus`, as `swarm_table` is of the swarm. Above: which blocks it holds, fetches and
was granted, and how it fares; below: a row per neighbour, the most telling ones if there are many.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from minibit import units
from minibit.screen import bars
from minibit.screen.phrases import blocks_phrase, copies_phrase
from minibit.screen.sheet import STRETCH, Cell, Column, Paragraph, Sheet, name_list
from minibit.screen.swarm_table import (
    COMPLETE_MARK,
    ORIGIN_MARK,
    fact,
    marked,
    optimistic,
    rate,
)
from minibit.snapshot import NeighbourRow, PeerStatus, Role
from minibit.text import plain_text

MAX_ROWS: Final = 20
MAP_LINES: Final = 3
MAX_LABEL_CELLS: Final = 24
NOTES_WIDTH: Final = 21

_ROLE_STYLES: Final = {Role.FIXED: "green", Role.OPTIMISTIC: "magenta", Role.CHOKED: ""}
_RANK: Final = {Role.FIXED: 0, Role.OPTIMISTIC: 1, Role.CHOKED: 2}
_CONCESSIONS: Final = (
    ("neighbour", 18),
    ("gave", 0),
    ("got", 0),
    ("neighbour", 14),
    ("rare", 0),
    ("notes", 14),
    ("up", 0),
    ("down", 0),
    ("notes", 0),
    ("role", 0),
    ("neighbour", 8),
)


def peer_table(
    view: PeerStatus,
    decided: Sequence[str] = (),
    *,
    max_neighbours: int = MAX_ROWS,
    max_lines: int | None = None,
) -> Sheet:
    """The peer's own picture, what it `decided` last, then its neighbours; with `max_lines`, on a screen of
    that height."""
    neighbours = view.neighbours
    count = view.block_count
    columns = [
        Column("neighbour", _label_width(neighbours), [_label(each, count) for each in neighbours]),
        Column("blocks", STRETCH, [partial(_bar, each, count) for each in neighbours]),
        Column("%", units.PERCENT_WIDTH, [_percent(each, count) for each in neighbours], right=True),
        Column("down", units.RATE_WIDTH, [rate(each.down_rate) for each in neighbours], right=True),
        Column("up", units.RATE_WIDTH, [rate(each.up_rate) for each in neighbours], right=True),
        Column("role", 10, [Text(each.role.value, _ROLE_STYLES[each.role]) for each in neighbours]),
        Column("rare", 4, [Text(str(each.rare)) for each in neighbours], right=True),
        Column(
            "got", units.SIZE_WIDTH, [Text(units.size(each.downloaded)) for each in neighbours], right=True
        ),
        Column(
            "gave", units.SIZE_WIDTH, [Text(units.size(each.uploaded)) for each in neighbours], right=True
        ),
        Column("notes", NOTES_WIDTH, [partial(_notes, each) for each in neighbours]),
    ]

    def importance(number: int) -> tuple[int, bool, float]:
        each = neighbours[number]
        return _RANK[each.role], not each.origin, -each.down_rate - each.up_rate

    above: list[Paragraph] = [
        _identity(view),
        partial(_map, view),
        bars.legend(),
        [Text()],
        _progress(view),
        _amounts(view),
        _slots(view),
        *([[Text(fact, "bright_black") for fact in decided]] if decided else []),
        [Text()],
    ]
    order = sorted(range(len(neighbours)), key=importance)
    return Sheet(above, columns, _CONCESSIONS, (), order, lambda _: "", max_neighbours, max_lines)


def flags(neighbour: NeighbourRow) -> str:
    """What there is to say of a neighbour, the most telling first."""
    said = (
        (neighbour.origin, "origin"),
        (neighbour.snubbed, "snubbed"),
        (neighbour.interested, "interested"),
        (neighbour.choking, "chokes us"),
    )
    return ", ".join(word for holds, word in said if holds)


def label(neighbour: NeighbourRow) -> str:
    """A neighbour's name; a foreign client has none, and goes by its address."""
    return neighbour.name or neighbour.address


def _identity(view: PeerStatus) -> list[Text]:
    return [
        Text(view.name, "bold"),
        Text(f"port {view.port}"),
        Text(plain_text(view.share, 48), "bold"),
        Text(f"{units.size(view.total_size)} in {blocks_phrase(view.block_count, view.block_size)}"),
    ]


def _map(view: PeerStatus, width: int) -> Text:
    return bars.block_map(view.blocks, view.in_flight, view.granted, view.block_count, width, MAP_LINES)


def _progress(view: PeerStatus) -> list[Text]:
    have = view.blocks.bit_count()
    figures = view.figures
    whole = have == view.block_count
    facts = [
        Text(units.percent(have, view.block_count), "bold green" if whole else "bold"),
        fact("blocks", f"{have}/{view.block_count}"),
        fact("down", units.rate(figures.down_rate)),
        fact("up", units.rate(figures.up_rate)),
    ]
    if not whole:
        facts.append(fact("ETA", units.duration(view.eta)))
    elif figures.completed_after is None:
        facts.append(Text("complete", "bold green"))
    else:
        facts.append(fact("complete in", units.duration(figures.completed_after, tenths=True), "bold green"))
    return facts


def _amounts(view: PeerStatus) -> list[Text]:
    figures = view.figures
    from_peers = max(0, figures.downloaded - figures.from_origin)
    whole = figures.from_origin + from_peers
    dealt = figures.dealt_by_origin + figures.dealt_by_peers
    facts = [
        fact("from origin", _part(figures.from_origin, whole), "bold yellow"),
        fact("from peers", _part(from_peers, whole), f"bold {bars.HELD}"),
        fact("uploaded", units.size(figures.uploaded)),
        fact("rarest block", copies_phrase(view.rarest_copies)),
    ]
    if view.granted:
        here = f"{dealt}/{view.granted.bit_count()}"
        facts.append(fact("granted", f"{here}, {figures.dealt_by_origin} of them from origin"))
    if figures.resumed:
        facts.append(fact("found on disk", f"{figures.resumed}"))
    if figures.corrupt:
        facts.append(fact("corrupt blocks thrown away", f"{figures.corrupt}", "bold red"))
    if figures.banned:
        facts.append(fact("banned", f"{figures.banned}", "bold red"))
    return facts


def _slots(view: PeerStatus) -> list[Text]:
    figures = view.figures
    fixed = Text("fixed ").append_text(name_list(figures.fixed, "bold green")(48))
    return [fixed, Text("optimistic ").append_text(optimistic(figures.optimistic)(24))]


def _part(part: int, whole: int) -> str:
    return f"{units.size(part)} ({units.proportion(part, whole)})" if whole else units.size(part)


def _label_width(neighbours: Sequence[NeighbourRow]) -> int:
    longest = max((cell_len(_full_label(each)) for each in neighbours), default=0)
    return 2 + max(7, min(MAX_LABEL_CELLS, longest))


def _full_label(neighbour: NeighbourRow) -> str:
    """With what a foreign client says it is, where there is room."""
    known = neighbour.name not in ("", neighbour.address)
    return neighbour.name if known else f"{label(neighbour)} {neighbour.client}".strip()


def _label(neighbour: NeighbourRow, count: int) -> Cell:
    whole = neighbour.blocks.bit_count() == count
    if neighbour.origin:
        mark, style = ORIGIN_MARK, "bold yellow"
    else:
        mark, style = (COMPLETE_MARK, "bold green") if whole else ("", "bold")

    def draw(cells: int) -> Text:
        full = _full_label(neighbour)
        text = full if cell_len(full) <= cells - 2 else label(neighbour)
        return marked(mark, text, style)(cells)

    return draw


def _notes(neighbour: NeighbourRow, cells: int) -> Text:
    words = flags(neighbour)
    if cells < NOTES_WIDTH:
        words = words.replace("interested", "wants").replace("chokes us", "chokes")
    return Text(words, "red" if neighbour.snubbed else "")


def _bar(neighbour: NeighbourRow, count: int, cells: int) -> Text:
    return bars.bar(neighbour.blocks, count, cells, "yellow" if neighbour.origin else None)


def _percent(neighbour: NeighbourRow, count: int) -> Text:
    return Text(units.percent(neighbour.blocks.bit_count(), count), "bold")
