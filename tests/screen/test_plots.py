"""Pictures of reports: where they may go, that all curves are in them, and the same bytes each time."""

from pathlib import Path

import pytest

from minibit.errors import UsageError
from minibit.lab.report import Line, Panel, Report
from minibit.screen import plots
from minibit.screen.plots import TITLE_LETTERS, plot, plottable

REPORT = Report(
    "a title that goes on and on " * 4,
    (),
    panels=(
        Panel(
            "first",
            "seconds",
            "copies",
            (Line("one", [0.0, 1.0], [0.0, 2.0]), Line("", [0.0], [1.0], 1, faint=True)),
        ),
        Panel("second", "peers", "last", (Line("two", [10, 100], [1, 2], points=True),), logarithmic=True),
        Panel("third", "x", "y", (Line("", [0.0, 1.0], [1.0, 1.0], steps=True),)),
    ),
)


@pytest.mark.parametrize("name", ["x.gif", "x", "svg"])
def test_another_kind_of_picture_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"is no picture: give it a name that ends in \.svg or \.png"):
        plottable(tmp_path / name)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        plottable(tmp_path / "no" / "x.svg")
    assert plottable(tmp_path / "X.SVG") == tmp_path / "X.SVG"


def test_without_matplotlib_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(plots, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install 'minibit\[plot\]'"):
        plottable(tmp_path / "x.png")


def test_all_that_has_a_name_is_in_the_picture_and_no_title_is_cut_off(tmp_path: Path) -> None:
    plot(REPORT, tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    for word in ("first", "second", "third", "seconds", "copies", ">one<", ">two<"):
        assert word in drawn
    assert REPORT.title.strip() not in drawn
    assert REPORT.title[:TITLE_LETTERS].rsplit(" ", 1)[0] in drawn


def test_the_same_report_is_the_same_svg(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot(REPORT, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_one(tmp_path: Path) -> None:
    plot(REPORT, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(UsageError, match=r"--plot: cannot write .*Is a directory"):
        plot(REPORT, tmp_path / "a.svg")
