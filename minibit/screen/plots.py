"""The curves of a report as a picture. Matplotlib is loaded when one is asked for, and only then."""

from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from minibit.errors import UsageError
from minibit.lab.report import Panel, Report

KINDS: Final = (".svg", ".png")
COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:cyan")
PANEL_INCHES: Final = (7.0, 4.2)
TITLE_LETTERS: Final = 70  # on a line


def plottable(path: Path) -> Path:
    """`path`, if a picture can be written there; asked before the runs, whose picture it is to be.

    Raises:
        UsageError: it is of another kind, it has no folder, or Matplotlib is not installed.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"--plot: {str(path)!r} is no picture: give it a name that ends in .svg or .png")
    if not path.parent.is_dir():
        raise UsageError(f"--plot: there is no folder {str(path.parent)!r}: make it first")
    try:
        import_module("matplotlib")
    except ImportError:
        raise UsageError("--plot needs Matplotlib: pip install 'minibit[plot]'") from None
    return path


def plot(report: Report, path: Path) -> None:
    """Write the picture; the same report gives the same SVG.

    Raises:
        UsageError: it cannot be written.
    """
    matplotlib = import_module("matplotlib")
    width, height = PANEL_INCHES
    with matplotlib.rc_context({"svg.hashsalt": "minibit", "svg.fonttype": "none"}):
        figure: Any = import_module("matplotlib.figure").Figure(
            figsize=(width, height * len(report.panels) + 0.4), layout="constrained"
        )
        figure.suptitle(fill(report.title, TITLE_LETTERS))
        for axes, panel in zip(
            figure.subplots(len(report.panels), squeeze=False)[:, 0], report.panels, strict=True
        ):
            _draw(axes, panel)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else {})
        except OSError as error:
            raise UsageError(
                f"--plot: cannot write {str(path)!r} ({error.strerror}): choose another place"
            ) from None


def _draw(axes: Any, panel: Panel) -> None:
    for line in panel.lines:
        axes.plot(
            line.xs,
            line.ys,
            color=COLOURS[line.group % len(COLOURS)],
            linewidth=0.7 if line.faint else 1.6,
            alpha=0.5 if line.faint else 1.0,
            linestyle="none" if line.points else "-",
            marker="o" if line.points or (len(line.xs) < 12 and not line.steps) else "",
            markersize=4,
            drawstyle="steps-post" if line.steps else "default",
            label=line.label or None,
        )
    axes.set_title(panel.title, fontsize="medium")
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    axes.set_ylim(bottom=0)
    if panel.logarithmic:
        axes.set_xscale("log")
    axes.grid(alpha=0.3)
    if any(line.label for line in panel.lines):
        axes.legend(fontsize="small")
