"""What a running peer remembers: the last of everything, in bounds, and a sum of what it forgot."""

import pytest
from fakes.logs import HEADER
from fakes.told import chosen, joined, met, sampled, scene

from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.events.kinds import Event
from minibit.inquiry import recollection as module
from minibit.inquiry.recollection import Recent, Recollection


def remembered(*happened: tuple[float, Event]) -> Recollection:
    memory = Recollection()
    for t, event in happened:
        memory.hear(Entry(t, "ana", event))
    return memory


def test_nothing_has_happened() -> None:
    memory = Recollection()
    assert memory.entries() == []
    assert memory.recent() == Recent(None, None, None, None, 10.0)


def test_all_of_a_short_life_is_told_in_order() -> None:
    told: list[tuple[float, Event]] = [
        (0.0, joined()),
        *((1.0, event) for event in met("bia", "caio")),
        (2.0, kinds.Picked(1, "bia", "rarest", 1, 1, 1)),
        (3.0, chosen("bia", moves={"bia": "filled"}, round_due=False)),
        (4.0, kinds.Verified(1, (("bia", 2),))),
        (5.0, kinds.Banned("eva", "lies")),
        (6.0, kinds.Completed()),
        (7.0, sampled()),
    ]
    assert [(entry.t, entry.event) for entry in remembered(*told).entries()] == told


def test_who_left_and_old_samples_are_forgotten() -> None:
    memory = remembered(
        (0.0, joined()),
        (1.0, met("bia")[0]),
        (2.0, sampled(up=1.0)),
        (3.0, kinds.Disconnected("bia", "")),
        (4.0, sampled(up=2.0)),
    )
    kept = [entry.event for entry in memory.entries()]
    assert kept == [joined(), kinds.Disconnected("bia", ""), sampled(up=2.0)]


def test_blocks_that_are_forgotten_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS_REMEMBERED", 4)
    told = [(0.0, joined()), *((1.0 + block, kinds.Verified(block, (("bia", 2),))) for block in range(8))]
    entries = remembered(*told).entries()
    assert entries[1].event == kinds.Recalled(0b1111, (("bia", 8),))
    assert len(entries) == 6
    ana = scene([(entry.t, entry.peer, entry.event) for entry in entries]).actors["ana"]
    assert (ana.blocks, ana.senders) == (0b11111111, {"bia": 16})
    assert all(Entry.decode(entry.encode().encode()) == entry for entry in entries)
    assert HEADER.layout.block_count == 8


def test_a_long_life_takes_no_more_memory() -> None:
    memory = remembered((0.0, joined()))
    for number in range(20_000):
        who = f"n{number}"
        for event in (
            met(who)[0],
            chosen(who, round_due=bool(number % 2)),
            kinds.Picked(number, who, "any", 1, 1, None),
            kinds.Verified(number, ((who, 1),)),
            kinds.Dialled(who),
            sampled(),
        ):
            memory.hear(Entry(float(number), "ana", event))
    assert len(memory.entries()) < 6000
    assert len(memory.entries()[1].event.senders) == module.MAX_SENDERS  # type: ignore[union-attr]


def test_the_last_decisions_and_the_next_round() -> None:
    pick = kinds.Picked(1, "bia", "rarest", 1, 1, 1)
    moved = chosen("bia", moves={"bia": "filled"}, round_due=False)
    memory = remembered((2.0, joined()), (3.0, pick), (4.0, moved))
    assert memory.recent() == Recent(3.0, pick, 4.0, moved, 12.0)
    memory.hear(Entry(12.0, "ana", chosen("bia")))
    assert memory.recent() == Recent(3.0, pick, 4.0, moved, 22.0)
