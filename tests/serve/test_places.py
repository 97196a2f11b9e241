"""Who has a place: so many in all, so many from one address, and whoever sits idle makes room."""

from dataclasses import dataclass

import pytest

from minibit.serve import places as rules
from minibit.serve.places import CONNECTIONS_FROM_HERE, CONNECTIONS_PER_SOURCE, MAX_CONNECTIONS, Places


@dataclass(eq=False)
class Sitter:
    source: str
    busy: bool = False
    out: bool = False

    def throw_out(self) -> None:
        self.out = True

    def sweep(self, now: float) -> None: ...


def crowd(places: Places, source: str, count: int, *, busy: bool = False) -> list[Sitter]:
    sitters = [Sitter(source, busy) for _ in range(count)]
    for sitter in sitters:
        places.enter(sitter)
    return sitters


@pytest.mark.parametrize("attackers", [2, 4, 40])
def test_whoever_comes_has_a_place_however_many_addresses_drip(attackers: int) -> None:
    places = Places()
    dripping = [sitter for n in range(attackers) for sitter in crowd(places, f"10.0.0.{n}", 150)]
    for number in range(50):
        honest = Sitter(f"192.168.1.{number}")
        assert places.enter(honest)
        assert not honest.out
        places.leave(honest)
    assert len(places) <= MAX_CONNECTIONS
    assert sum(not sitter.out for sitter in dripping) == len(places)


def test_an_address_that_is_full_makes_room_for_its_own_next_one() -> None:
    for source, limit in (("10.0.0.1", CONNECTIONS_PER_SOURCE), ("127.0.0.1", CONNECTIONS_FROM_HERE)):
        places = Places()
        other = crowd(places, "10.9.9.9", 1)
        first, second, *_ = crowd(places, source, limit)
        assert places.enter(Sitter(source))
        assert (first.out, second.out, other[0].out, len(places)) == (True, False, False, limit + 1)


def test_nobody_loses_his_place_while_his_answer_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_CONNECTIONS", 4)
    places = Places()
    working = crowd(places, "10.0.0.1", 3, busy=True)
    (idle,) = crowd(places, "10.0.0.2", 1)
    assert places.enter(late := Sitter("10.0.0.3", busy=True))
    assert idle.out
    assert not places.enter(Sitter("10.0.0.4"))
    assert not any(sitter.out for sitter in (*working, late))


def test_who_left_is_forgotten_and_may_leave_twice() -> None:
    places = Places()
    (sitter,) = crowd(places, "10.0.0.1", 1)
    places.leave(sitter)
    places.leave(sitter)
    assert (len(places), places.guests()) == (0, [])
