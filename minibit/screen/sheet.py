"""A sheet: lines of facts, a table, more lines of facts, fitted to the width of a console.

Column widths come from what a column may hold, never from what it holds just now: a live table must
not jump about when a rate grows a digit. A console that is not UTF-8 gets the same picture in ASCII.
What the figures mean is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from minibit.screen.outlet import ASCII

ROOMY: Final = 96  # columns from which gaps are wide and the drawn column may ask for more

Cell = Text | Callable[[int], Text]
"""What stands in a table: a text, or what draws itself in a given number of cells."""
Paragraph = Sequence[Text] | Callable[[int], Text]
"""Facts that flow over lines without being broken, or what draws itself in a given width."""

_SEPARATOR: Final = Text("  •  ", "bright_black")


class Column(Struct, frozen=True):
    """One column: its head, the cells that it may need, and what stands in it, row by row.

    The one column of width `STRETCH` takes all that the others leave.
    """

    head: str
    width: int
    cells: Sequence[Cell]
    right: bool = False


STRETCH: Final = 0


class Sheet(Struct, frozen=True):
    """A renderable. The same value in the same width gives the same lines, none wider than that width.

    `concessions` say, least painful first, which column shrinks to (head, width) or goes (head, 0)
    when the console is narrow. With `max_rows`, or with `max_lines` (a live display must fit its
    screen), the rows named first in `order` stay, in their own order, and `rest` sums up the others.
    """

    above: Sequence[Paragraph]
    columns: Sequence[Column]
    concessions: Sequence[tuple[str, int]]
    below: Sequence[Paragraph]
    order: Sequence[int]
    rest: Callable[[Sequence[int]], str]
    max_rows: int | None = None
    max_lines: int | None = None

    def lines(self, width: int) -> list[Text]:
        """The sheet for a console of `width` columns."""
        above = [line for paragraph in self.above for line in _flow(paragraph, width)]
        below = [line for paragraph in self.below for line in _flow(paragraph, width)]
        shown, hidden = self._choose(len(above) + len(below))
        lines = [*above, *self._table(shown, width)]
        if hidden:
            lines.append(Text(f"… and {len(hidden)} more{self.rest(hidden)}", "italic"))
        lines += below
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            line.rstrip()
        return lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(options.max_width):
            line.no_wrap = True
            yield _in_ascii(line) if options.ascii_only else line

    def _choose(self, other_lines: int) -> tuple[list[int], list[int]]:
        """Which rows are shown and which are not; the table's head takes two lines, the rest one."""
        kept = len(self.order) if self.max_rows is None else min(self.max_rows, len(self.order))
        if self.max_lines is not None:
            room = max(1, self.max_lines - other_lines - 2)
            if len(self.order) > room or kept < len(self.order):
                kept = min(kept, room - 1)
        return sorted(self.order[:kept]), sorted(self.order[kept:])

    def _table(self, rows: Sequence[int], width: int) -> Iterator[Text]:
        widths, gap = fit({column.head: column.width for column in self.columns}, self.concessions, width)
        columns = [(column, widths[column.head]) for column in self.columns if column.head in widths]
        between = Text(" " * gap)
        yield between.join(_cell(Text(column.head, "bold"), cells, column) for column, cells in columns)
        yield Text("─" * width, "bright_black")
        for row in rows:
            yield between.join(_cell(column.cells[row], cells, column) for column, cells in columns)


def fit(
    wanted: Mapping[str, int], concessions: Sequence[tuple[str, int]], width: int
) -> tuple[dict[str, int], int]:
    """The width of each column that stays, and of the gap between them.

    Concessions are made until the stretching column has what it needs to show something.
    """
    gap, needed = (2, 18) if width >= ROOMY else (1, 10)
    widths = dict(wanted)
    stretching = next(head for head, cells in wanted.items() if cells == STRETCH)

    def spare() -> int:
        return width - sum(widths.values()) - gap * (len(widths) - 1)

    for head, smaller in concessions:
        if spare() >= needed:
            break
        if smaller:
            widths[head] = min(widths[head], smaller)
        else:
            del widths[head]
    widths[stretching] = max(1, spare())
    return widths, gap


def shortened(name: str, cells: int) -> str:
    """`name` in at most `cells` cells; the number at its end stays, for it tells `lab-01` from `lab-02`."""
    if cell_len(name) <= cells:
        return name
    number = name[len(name.rstrip("0123456789")) :]
    if len(number) > cells - 2:
        number = ""
    head = Text(name)
    head.truncate(cells - 1 - len(number))
    return f"{head.plain.rstrip()}…{number}"


def name_list(names: Sequence[str], style: str) -> Callable[[int], Text]:
    """Names side by side; in too little room shortened, to four cells at least, and the others counted."""

    def draw(cells: int) -> Text:
        if not names:
            return Text("—", "bright_black")
        text = " ".join(names)
        longest = max(map(cell_len, names))
        while cell_len(text) > cells and longest > 4:
            longest -= 1
            text = " ".join(shortened(name, longest) for name in names)
        for left_out in range(1, len(names)):
            if cell_len(text) <= cells:
                break
            kept = [shortened(name, longest) for name in names[: len(names) - left_out]]
            text = " ".join([*kept, f"+{left_out}"])
        return Text(text, style)

    return draw


def _cell(content: Cell, cells: int, column: Column) -> Text:
    text = content.copy() if isinstance(content, Text) else content(cells)
    text.truncate(cells, overflow="ellipsis")
    text.align("right" if column.right else "left", cells)
    return text


def _flow(paragraph: Paragraph, width: int) -> list[Text]:
    """The lines of a paragraph: as many whole facts on each as fit; one too long for any is broken."""
    if not isinstance(paragraph, Sequence):
        return list(paragraph(width).split())
    lines: list[Text] = []
    for fact in paragraph:
        if lines and lines[-1].cell_len + _SEPARATOR.cell_len + fact.cell_len <= width:
            lines[-1].append_text(_SEPARATOR).append_text(fact)
            continue
        lines.append(fact.copy())
        while lines[-1].cell_len > width and (space := lines[-1].plain.rfind(" ", 1, width + 1)) > 0:
            line, _, after = lines.pop().divide([space, space + 1])
            lines += [line, after]
    return lines


def _in_ascii(line: Text) -> Text:
    """The same line for a console that can write nothing else, each character as wide as before."""
    folded = line.copy()
    folded.plain = "".join(c if c.isascii() else "?" * cell_len(c) for c in line.plain.translate(ASCII))
    return folded
