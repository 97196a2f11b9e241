"""Faults are told once for each machine, and of a bounded number of machines."""

from minibit.net.blame import MAX_BLAMED, Blame


def test_each_machine_is_blamed_once() -> None:
    told: list[str] = []
    blame = Blame(told.append)
    blame.put_on(("10.0.0.1", 7), "says too much")
    blame.put_on(("10.0.0.1", 8), "says too much again")
    blame.put_on(("10.0.0.2", 7), "lies")
    assert told == [
        "hung up on 10.0.0.1 port 7: says too much",
        "hung up on 10.0.0.2 port 7: lies",
    ]


def test_what_is_remembered_is_bounded() -> None:
    told: list[str] = []
    blame = Blame(told.append)
    for number in range(MAX_BLAMED + 10):
        blame.put_on((f"10.0.{number >> 8}.{number & 255}", 7), "lies")
    assert len(told) == MAX_BLAMED
