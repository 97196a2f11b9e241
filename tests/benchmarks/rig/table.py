"""A comparison as people read it: a row per contender, and one per ratio below."""

from rich.table import Table

from rig.comparison import Comparison, Figure, Spread

NOTHING = "—"


def table(comparison: Comparison, title: str) -> Table:
    """Medians with their ranges, and ours ÷ each other's; the best of the others is marked."""
    ours, *others = comparison.names
    shown = Table(title=title, title_justify="left", caption="median (least–most)", caption_justify="left")
    shown.add_column("")
    for figure in comparison.figures:
        shown.add_column(figure.title, justify="right")
    for name in comparison.names:
        shown.add_row(name, *(written(comparison.spread(name, f), f.form) for f in comparison.figures))
    shown.add_section()
    for other in others:
        shown.add_row(f"{ours} ÷ {other}", *(_ratio(comparison, other, f) for f in comparison.figures))
    return shown


def written(spread: Spread | None, form: str) -> str:
    """`1.02 (0.99–1.10)`; only the middle where all are the same."""
    if spread is None:
        return NOTHING
    low, middle, high = (format(each, form) for each in (spread.low, spread.median, spread.high))
    return middle if low == middle == high else f"{middle} ({low}–{high})"


def _ratio(comparison: Comparison, other: str, figure: Figure) -> str:
    if figure.lower_wins is None:
        return ""
    text = written(comparison.ratio(other, figure), ".2f")
    return f"[bold]{text}[/bold] *" if other == comparison.best_other(figure) else text
