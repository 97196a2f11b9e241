import re

import pytest
from fakes.pictures import COUNT, FULL, MIB, drawn, neighbour_view, peer_view
from msgspec.structs import replace
from rich.cells import cell_len

from minibit.screen.peer_table import flags, label, peer_table
from minibit.snapshot import Figures, Role, State

BIA = neighbour_view("bia", role=Role.FIXED, interested=True, choking=True, down_rate=2.0 * MIB)
CAIO = neighbour_view("caio", role=Role.OPTIMISTIC, blocks=FULL, up_rate=1.0 * MIB)
ORIGIN = neighbour_view("origin", origin=True, blocks=FULL)
FOREIGN = neighbour_view("", client="qBittorrent/4.6")


def rows_of(picture: str) -> list[str]:
    return picture.split("─\n")[1].splitlines()


def test_above_stands_how_the_peer_fares() -> None:
    above = drawn(peer_table(peer_view(BIA))).split("neighbour")[0].splitlines()
    assert above == [
        "ana  •  port 5001  •  sample.bin  •  12.0 MiB in 192 blocks of 64 KiB",
        "■" * 20 + "█" * 76,
        "█" * 4 + "▁" * 3 + "·" * 89,
        "█ have  •  ■ have, granted  •  ▁ in flight  •  · missing",
        "",
        "52%  •  blocks 100/192  •  down 1.0 MiB/s  •  up —  •  ETA 0:09",
        "from origin 2.0 MiB (25%)  •  from peers 6.0 MiB (75%)  •  uploaded 0 B  •  rarest block 1 copy",
        "granted 15/20, 12 of them from origin",
        "fixed bia caio  •  optimistic eva",
        "",
    ]


def test_a_row_per_neighbour_with_everything_in_a_wide_console() -> None:
    picture = drawn(peer_table(peer_view(ORIGIN, BIA, CAIO)), 150)
    head = picture.split("\n\n")[2].splitlines()[0].split()
    assert head == ["neighbour", "blocks", "%", "down", "up", "role", "rare", "got", "gave", "notes"]
    origin, bia, caio = (re.split(r" {2,}", row) for row in rows_of(picture))
    assert origin[2:] == ["100%", "—", "—", "choked", "31", "5.0 MiB", "7.0 MiB", "origin"]
    assert bia[3:6] == ["52%", "2.0 MiB/s", "—"]
    assert bia[6:] == ["fixed", "31", "5.0 MiB", "7.0 MiB", "interested, chokes us"]
    assert caio[2:6] == ["100%", "—", "1.0 MiB/s", "optimistic"]


def test_a_hundred_cells_keep_rare_blocks_and_words_and_eighty_keep_shorter_words() -> None:
    rare, role, notes = ("31", "fixed", "interested, chokes us")
    assert re.search(rf"{role} +{rare}  {notes}$", rows_of(drawn(peer_table(peer_view(BIA)), 100))[0])
    many = peer_table(peer_view(BIA, FOREIGN))
    assert rows_of(drawn(many, 80))[0].endswith("fixed      wants, chokes")


def test_a_foreign_client_goes_by_address_and_client() -> None:
    table = peer_table(peer_view(FOREIGN))
    assert "  192.168.1.13:51413 qBit" not in drawn(table, 100)
    assert "  192.16…51413  " in drawn(table, 100)
    assert "  192.168.1.13:51413  " in drawn(table, 160)
    short = replace(FOREIGN, address="10.0.0.1:99", client="aria2")
    assert "  10.0.0.1:99 aria2  " in drawn(peer_table(peer_view(short)), 160)
    assert label(replace(FOREIGN, name="bia")) == "bia"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"interested": True}, "interested"),
        ({"snubbed": True, "choking": True}, "snubbed, chokes us"),
        ({"origin": True, "interested": True}, "origin, interested"),
    ],
)
def test_flags_are_words(changes: dict[str, bool], words: str) -> None:
    assert flags(neighbour_view("bia", **changes)) == words


def test_of_many_neighbours_the_busy_ones_are_shown_in_their_own_order() -> None:
    crowd = [neighbour_view(f"lab-{number:02}", down_rate=float(number)) for number in range(51)]
    crowd[7] = replace(crowd[7], role=Role.FIXED)
    crowd[3] = replace(crowd[3], role=Role.OPTIMISTIC)
    crowd[5] = replace(crowd[5], origin=True)
    rows = rows_of(drawn(peer_table(peer_view(*crowd))))
    shown = [row[2:8] for row in rows[:-1]]
    assert shown == ["lab-03", "lab-05", "lab-07", *(f"lab-{number}" for number in range(34, 51))]
    assert rows[-1] == "… and 31 more"
    assert len(rows_of(drawn(peer_table(peer_view(*crowd), max_neighbours=60)))) == 51


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_a_live_view_fits_its_screen(width: int) -> None:
    crowd = [neighbour_view(f"lab-{number:02}") for number in range(51)]
    for height in (22, 30):
        assert len(drawn(peer_table(peer_view(*crowd), max_lines=height), width).splitlines()) <= height


@pytest.mark.parametrize("width", [16, 20, 40, 79, 80, 96, 100, 140])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_console_and_a_pipe_gets_no_control_codes(
    width: int, encoding: str
) -> None:
    neighbours = (ORIGIN, BIA, CAIO, FOREIGN, neighbour_view("日本語の名前の長いピア"))
    picture = drawn(peer_table(peer_view(*neighbours)), width, encoding=encoding)
    assert max(map(cell_len, picture.splitlines())) <= width
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", picture)


@pytest.mark.parametrize(
    ("figures", "blocks", "words"),
    [
        (Figures(), 1, "ETA —"),
        (Figures(state=State.COMPLETE, completed_after=8.25), FULL, "complete in 8.2 s"),
        (Figures(state=State.COMPLETE), FULL, "complete"),
    ],
)
def test_the_end_of_the_progress_line(figures: Figures, blocks: int, words: str) -> None:
    view = peer_view(figures=figures, blocks=blocks, in_flight=0, eta=None)
    line = next(line for line in drawn(peer_table(view)).splitlines() if "blocks" in line and "%" in line)
    assert line.split("  •  ")[-1] == words


def test_trouble_is_said_only_when_there_was_some() -> None:
    quiet = drawn(peer_table(peer_view()))
    assert not re.search("corrupt|banned|disk", quiet)
    figures = Figures(corrupt=3, banned=1, resumed=12)
    loud = drawn(peer_table(peer_view(figures=figures))).replace("\n", "  •  ")
    assert "found on disk 12  •  corrupt blocks thrown away 3  •  banned 1" in loud


def test_roles_have_colours_on_a_terminal() -> None:
    picture = drawn(peer_table(peer_view(BIA, CAIO)), terminal=True)
    assert "\x1b[32mfixed" in picture
    assert "\x1b[35moptimistic" in picture


def test_before_anything_was_downloaded_no_share_is_claimed() -> None:
    picture = drawn(peer_table(peer_view(figures=Figures(), block_count=COUNT)))
    assert "from origin 0 B  •  from peers 0 B  •" in picture
    assert "fixed —  •  optimistic —" in picture
