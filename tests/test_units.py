import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit import units


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1023.6, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (12 << 20, "12.0 MiB"),
        (99.94 * 1024, "99.9 KiB"),
        (99.96 * 1024, "100 KiB"),
        (1000 << 10, "1000 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (1 << 62, "4.0 EiB"),
    ],
)
def test_sizes_are_binary_and_short(count: float, text: str) -> None:
    assert units.size(count) == text


@given(st.integers(0, 1 << 62))
def test_no_figure_is_wider_than_its_column(count: int) -> None:
    assert len(units.size(count)) <= units.SIZE_WIDTH
    assert len(units.rate(count)) <= units.RATE_WIDTH
    assert len(units.duration(count)) <= units.DURATION_WIDTH


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_larger_size_never_reads_as_a_smaller_one(one: int, other: int) -> None:
    def value(text: str) -> float:
        number, unit = text.split()
        return float(number) * float(1 << 10 * "BKMGTP".index(unit[0]))

    low, high = sorted((one, other))
    assert value(units.size(low)) <= value(units.size(high))


def test_a_rate_of_nothing_is_a_dash_or_what_the_caller_says() -> None:
    assert units.rate(0) == units.rate(0.4) == "—"
    assert units.rate(0, nothing="0 B/s") == "0 B/s"
    assert units.rate(1 << 20) == "1.0 MiB/s"


@pytest.mark.parametrize(("number", "text"), [(0, "0 blocks"), (1, "1 block"), (2, "2 blocks")])
def test_a_noun_agrees_with_its_number(number: int, text: str) -> None:
    assert units.count(number, "block") == text


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [units.count(number, "copy", "copies") for number in (1, 2)] == ["1 copy", "2 copies"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "0:00"),
        (23.9, "0:23"),
        (60, "1:00"),
        (3723, "1:02:03"),
        (47 * 3600, "47:00:00"),
        (3 * 86_400 + 4 * 3600, "3d 04h"),
        (2.0**62, "> 999d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (59.94, "59.9 s"), (59.96, "0:59"), (61, "1:01"), (None, "—")]
)
def test_tenths_are_for_less_than_a_minute(seconds: float | None, text: str) -> None:
    assert units.duration(seconds, tenths=True) == text


@given(st.integers(1, 1 << 62), st.data())
def test_100_percent_means_all_of_it(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    assert (units.percent(part, whole) == "100%") == (part == whole)
    assert len(units.percent(part, whole)) <= units.PERCENT_WIDTH


def test_a_percentage_of_nothing_is_a_dash() -> None:
    assert units.percent(0, 0) == units.proportion(0, 0) == "—"


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_part_and_its_complement_add_up(part: int, rest: int) -> None:
    one, other = (int(units.proportion(each, part + rest)[:-1]) for each in (part, rest))
    assert one + other == 100
