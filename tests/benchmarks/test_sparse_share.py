"""A share of holes: where its islands are, and that copies are compared."""

from pathlib import Path

from rig.sparse_share import ISLAND, identical, islands, write


def test_islands_lie_across_what_32_bits_count_and_inside_the_share() -> None:
    length = 100 << 30
    begins = islands(length)

    assert {0, length // 2, length - ISLAND} <= set(begins)
    assert any(begin < 1 << 32 < begin + ISLAND for begin in begins)
    assert islands(ISLAND) == [0]


def test_a_copy_that_lacks_islands_is_another(tmp_path: Path) -> None:
    share, copy = tmp_path / "share", tmp_path / "copy"
    write(share, 1 << 34)
    write(copy, 1 << 34)
    assert identical(share, copy)
    assert share.stat().st_blocks * 512 < 1 << 26

    write(copy, 1 << 34, only_first=True)
    assert not identical(share, copy)
    write(copy, (1 << 34) + 1)
    assert not identical(share, copy)


def test_one_byte_in_a_hole_is_found(tmp_path: Path) -> None:
    share, copy = tmp_path / "share", tmp_path / "copy"
    for path in (share, copy):
        write(path, 1 << 30)
    with copy.open("r+b") as file:
        file.seek(300 << 20)
        file.write(b"x")

    assert not identical(share, copy)
    assert not identical(copy, share)
