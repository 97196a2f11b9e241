"""Faults are told once for each machine, and of a bounded number of machines."""

from minibit.net.blame import MAX_BANNED, MAX_BLAMED, MAX_MISTAKEN, MAX_OURSELVES, Blame


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


def test_who_was_never_a_peer_is_told_seldom_and_keeps_nobody_from_being_told() -> None:
    told: list[str] = []
    blame = Blame(told.append)
    for number in range(MAX_BLAMED):
        blame.put_on((f"10.0.0.{number}", 8080), "does not speak BitTorrent", mistaken=True)
    assert len(told) == MAX_MISTAKEN
    blame.put_on(("10.0.0.200", 6881), "lies")
    assert told[MAX_MISTAKEN:] == ["hung up on 10.0.0.200 port 6881: lies"]


def test_bans_and_our_own_troubles_are_told_so_often_and_no_more() -> None:
    told: list[str] = []
    blame = Blame(told.append)
    blame.banned(None, "lied")
    for port in range(MAX_BANNED):
        blame.banned(("10.0.0.1", port), "lied")
    assert len(told) == MAX_BANNED
    assert told[:2] == ["banned the peer that has left: lied", "banned the peer at 10.0.0.1 port 0: lied"]
    told.clear()
    for _ in range(MAX_OURSELVES + 1):
        blame.ourselves("Too many open files")
    assert told == ["cannot accept a connection: Too many open files"] * MAX_OURSELVES
