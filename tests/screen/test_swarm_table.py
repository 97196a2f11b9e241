import re

import pytest
from fakes.pictures import COUNT, FULL, MIB, NAMES, drawn, summary, summary_row, swarm_row, swarm_view
from msgspec.structs import replace
from rich.cells import cell_len

from minibit.screen.swarm_table import status_table, summary_table, swarm_table
from minibit.snapshot import State, SwarmStatus

LAB = tuple(f"computador-{number:02}" for number in range(40))
WIDE = ("日本語の名前", "joão", "[bold]x", "a" * 32, "z")


def rows_of(picture: str) -> dict[str, list[str]]:
    """The cells of each row under its peer's name."""
    rows = {}
    for line in picture.split("─\n")[1].split("\n\n")[0].splitlines():
        name, *cells = re.split(r" {2,}", line[2:].rstrip())
        rows[name] = cells
    return rows


def test_every_column_in_a_hundred_cells() -> None:
    picture = drawn(swarm_table(swarm_view()))
    head = picture.splitlines()[0].split()
    assert head == ["peer", "blocks", "%", "have", "down", "up", "fixed", "optimistic"]
    rows = rows_of(picture)
    assert list(rows) == ["origin", *NAMES]
    bar, *figures = rows["ana"]
    assert bar.startswith("████")
    assert bar.endswith("····")
    assert figures == ["20%", "40/192", "1.5 MiB/s", "12.0 MiB/s", "bia caio davi eva", "eva"]
    assert rows["origin"][1:] == ["100%", "192/192", "—", "4.0 MiB/s", "ana bia caio davi", "—"]


def test_a_wide_console_says_the_state_in_words() -> None:
    rows = rows_of(drawn(swarm_table(swarm_view()), 140))
    assert {name: cells[-1] for name, cells in rows.items()} == {
        "origin": "origin",
        "ana": "downloading",
        "bia": "downloading",
        "caio": "done 0:18",
        "davi": "downloading",
        "eva": "downloading",
    }


def test_a_wide_console_says_how_much_of_a_grant_came_and_from_the_origin() -> None:
    view = swarm_view()
    ana = view.rows[0]
    view = replace(
        view, rows=(replace(ana, figures=replace(ana.figures, dealt_by_origin=12, dealt_by_peers=30)),)
    )
    assert "42/70 ★12" in drawn(swarm_table(view), 140)
    assert "grant" not in drawn(swarm_table(view), 100)


def test_eighty_cells_keep_the_bar_the_rates_and_every_name() -> None:
    picture = drawn(swarm_table(swarm_view()), 80)
    assert picture.splitlines()[0].split() == ["peer", "blocks", "%", "down", "up", "fixed", "optimistic"]
    assert "1.5 MiB/s 12.0 MiB/s bia caio davi eva eva" in picture
    assert "…" not in picture


def test_marks_say_who_is_what_without_colour() -> None:
    lines = drawn(swarm_table(swarm_view())).splitlines()[2:8]
    assert [line[0] for line in lines] == ["★", " ", " ", "✓", " ", " "]


def test_below_the_table_stands_what_the_swarm_reached() -> None:
    picture = drawn(swarm_table(swarm_view(), elapsed=12.5, note="upload limited"))
    assert picture.splitlines()[-2:] == [
        "complete 1/5  •  rarest block 2 copies  •  origin carried 15.0 MiB (50%)  •  elapsed 0:12",
        "upload limited",
    ]
    assert "elapsed 1:23" in drawn(swarm_table(swarm_view()))


@pytest.mark.parametrize(("copies", "text"), [(0, "no copy"), (1, "1 copy"), (2, "2 copies")])
def test_copies_are_counted_in_words(copies: int, text: str) -> None:
    assert f"rarest block {text}  •" in drawn(swarm_table(replace(swarm_view(), rarest_copies=copies)))


def test_status_adds_what_is_shared_above() -> None:
    lines = drawn(status_table(swarm_view()), 130).splitlines()
    assert (
        lines[0] == f"sample.bin  •  12.0 MiB in 192 blocks of 64 KiB  •  info hash {'ab' * 20}  •  up 1:23"
    )
    assert lines[-1] == "complete 1/5  •  rarest block 2 copies  •  origin carried 15.0 MiB (50%)"


def test_an_empty_swarm_and_a_swarm_without_its_origin() -> None:
    empty = replace(swarm_view(), rows=())
    assert "complete 0/0" in drawn(swarm_table(empty))
    rows = [swarm_row(name, downloaded=4 << 20, from_origin=1 << 20) for name in ("ana", "bia")]
    view = replace(swarm_view(), rows=tuple(rows))
    assert "origin carried 2.0 MiB (25%)" in drawn(swarm_table(view)), "what they had from it"


def test_nothing_uploaded_yet_is_no_share_of_anything() -> None:
    view = replace(swarm_view(), rows=(swarm_row("ana"),))
    assert "origin carried 0 B  •" in drawn(swarm_table(view))


def test_a_state_that_its_blocks_belie_is_not_believed() -> None:
    row = swarm_row("ana", have=COUNT - 1, state=State.COMPLETE, completed_after=3.0)
    picture = drawn(swarm_table(replace(swarm_view(), rows=(row,))), 140)
    assert "✓" not in picture
    assert "99%" in picture
    assert "complete 0/1" in picture


@pytest.mark.parametrize("names", [NAMES, LAB, WIDE, ("solo",)])
@pytest.mark.parametrize("width", [20, 33, 40, 60, 79, 80, 95, 96, 100, 120, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_console_and_a_pipe_gets_no_control_codes(
    names: tuple[str, ...], width: int, encoding: str
) -> None:
    view = swarm_view(names)
    results = summary(*(summary_row(name) for name in names))
    for table in (swarm_table(view, note="a note " * 9), status_table(view), summary_table(results)):
        picture = drawn(table, width, encoding=encoding)
        assert max(map(cell_len, picture.splitlines())) <= width
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", picture)
        assert names[0][:1] in picture or encoding == "ascii"


def test_a_terminal_gets_colours() -> None:
    picture = drawn(swarm_table(swarm_view()), terminal=True)
    assert "\x1b[32mbia caio davi eva" in picture
    assert "\x1b[35meva" in picture


@pytest.mark.parametrize("height", [8, 12, 24, 30])
@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_class_of_forty_fits_any_screen(width: int, height: int) -> None:
    lines = drawn(swarm_table(swarm_view(LAB), max_lines=height), width).splitlines()
    assert len(lines) <= height
    rest = next(line for line in lines if line.startswith("… and "))
    assert re.fullmatch(r"… and \d+ more: \d+ complete, mean \d+%", rest)


def test_column_widths_do_not_depend_on_what_flows_just_now() -> None:
    view = swarm_view()
    quiet = tuple(
        replace(row, figures=replace(row.figures, down_rate=0.0, up_rate=0.0, fixed=(), optimistic=None))
        for row in view.rows
    )
    busy, idle = (drawn(swarm_table(each)).splitlines()[0] for each in (view, replace(view, rows=quiet)))
    assert busy == idle


def test_hostile_figures_are_drawn_all_the_same() -> None:
    row = swarm_row(
        "x", have=0, down_rate=2.0**62, uploaded=1 << 62, fixed=("n" * 32,) * 64, optimistic="o" * 32
    )
    view = SwarmStatus("s" * 255, 1 << 62, 1 << 62, 0, "f" * 40, 2.0**62, 1 << 62, (row,))
    for width in (30, 80, 100):
        assert max(map(len, drawn(status_table(view), width).splitlines())) <= width


def test_the_summary_tells_who_got_what_from_whom() -> None:
    picture = drawn(summary_table(summary(summary_row("ana"), summary_row("bia", from_origin=12 * MIB))))
    head, _, ana, bia, _, *facts = picture.splitlines()
    assert re.split(r" {2,}", head) == [
        "peer", "complete in", "from origin ▒", "from peers █", "given", "verified",
    ]  # fmt: skip
    assert re.split(r" {2,}", ana)[:6] == ["✓ ana", "18.4 s", "3.0 MiB", "25%", "9.0 MiB", "75%"]
    assert re.split(r" {2,}", ana)[7:] == ["70", "36%", "192/192"]
    assert re.split(r" {2,}", bia)[2:5] == ["12.0 MiB 100%", "0 B", "0%"]
    assert re.search(r"▒{6,7}█{19,20} ", ana)
    assert "  •  ".join(facts) == (
        "complete 2/2  •  elapsed 21.4 s  •  origin carried 15.0 MiB, 1.2 × the share (without trading: 2 ×)"
        "  •  all 2 copies are identical to the share"
    )


def test_a_summary_hides_no_failure() -> None:
    slow = summary_row("bia", completed_after=None, verified=COUNT - 1)
    wrong = summary_row("caio", verified=COUNT - 1)
    one = drawn(summary_table(summary(summary_row("ana"), slow)))
    assert re.search(r"  bia +not ", one)
    assert "191/192" in one
    assert one.splitlines()[-1] == "1 of 2 copies is not right"
    assert drawn(summary_table(summary(slow, wrong))).splitlines()[-1] == "2 of 2 copies are not right"


def test_a_summary_of_one() -> None:
    assert "the copy is identical to the share" in drawn(summary_table(summary(summary_row("ana"))))


def test_the_bar_of_a_peer_that_has_everything_is_solid() -> None:
    row = replace(swarm_row("ana"), blocks=FULL)
    cells = rows_of(drawn(swarm_table(replace(swarm_view(), rows=(row,)))))["ana"]
    assert set(cells[0]) == {"█"}
