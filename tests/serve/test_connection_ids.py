"""Connection ids: good for one address and about two minutes, and nobody makes them up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.serve.connection_ids import ConnectionIds, slot_at

IDS = ConnectionIds(b"secret")


@given(st.floats(0, 1e9), st.floats(0, 120))
def test_an_id_is_good_for_two_minutes_and_no_three(now: float, age: float) -> None:
    connection = IDS.issue("192.0.2.1", slot_at(now))
    assert IDS.valid(connection, "192.0.2.1", slot_at(now + age))
    assert not IDS.valid(connection, "192.0.2.1", slot_at(now + 151))


@pytest.mark.parametrize("after", [256, 2 * 256])
def test_an_id_does_not_come_back_with_its_slots_number(after: int) -> None:
    assert not IDS.valid(IDS.issue("192.0.2.1", 0), "192.0.2.1", after)


def test_an_id_is_good_for_one_address_under_one_secret() -> None:
    connection = IDS.issue("192.0.2.1", 1000)
    assert not IDS.valid(connection, "192.0.2.2", 1000)
    assert not ConnectionIds(b"other").valid(connection, "192.0.2.1", 1000)


@given(st.integers(0, (1 << 64) - 1))
def test_a_forged_id_is_none(connection: int) -> None:
    assert not IDS.valid(connection, "192.0.2.1", 1000)
