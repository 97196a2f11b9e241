"""Who is late, by its own pace, and who would be quicker."""

import pytest

from minibit.engine.debts import Debts
from minibit.engine.laggards import MAX_SNUB_SECONDS, SNUB_SECONDS, giveable, late, outpaced
from minibit.engine.neighbour import Neighbour

SIZE = 16  # chunks of a block
ALL = (1 << SIZE) - 1


def supplier(key: int, blocks: int = 0b1) -> Neighbour:
    """A neighbour that holds these blocks and serves us."""
    neighbour = Neighbour(key, (f"10.0.0.{key}", 6881), outgoing=True, now=0.0)
    neighbour.blocks = blocks
    neighbour.supply.choking = False
    return neighbour


def paid(debts: Debts, key: int, *, pace: float, now: float) -> None:
    """This neighbour has sent a block, each chunk in `pace` seconds, until `now`."""
    debts[key].add(9, ALL, now - SIZE * pace)
    debts[key].pay(9, ALL, now)


@pytest.mark.parametrize(
    ("pace", "patience"),
    [(None, SNUB_SECONDS), (1.0, SNUB_SECONDS), (80.0, 160.0), (1000.0, MAX_SNUB_SECONDS)],
)
def test_patience_is_as_long_as_two_chunks_usually_take(pace: float | None, patience: float) -> None:
    debts, neighbour = Debts(), supplier(1)
    if pace is not None:
        paid(debts, 1, pace=pace, now=0.0)
    assert not late(neighbour, debts, 1e6), "who owes nothing is not late"
    debts[1].add(0, 0b11, 0.0)
    neighbour.supply.asked_at = 0.0
    assert not late(neighbour, debts, patience - 1)
    assert late(neighbour, debts, patience)


def test_who_chokes_gives_what_it_allows_and_who_is_snubbed_nothing() -> None:
    neighbour = supplier(1, 0b1111)
    neighbour.supply.refused = 0b1
    assert giveable(neighbour) == 0b1110
    neighbour.supply.choking, neighbour.supply.allowed = True, 0b110011
    assert giveable(neighbour) == 0b10
    neighbour.supply.snubbed = True
    assert giveable(neighbour) == 0


def test_a_block_is_left_to_who_is_slow_if_another_would_take_longer_for_all_of_it() -> None:
    debts, owner, other = Debts(), supplier(1), supplier(2)
    paid(debts, 1, pace=20.0, now=0.0)
    debts[1].add(0, ALL, 0.0)

    def gives_way(left: int) -> bool:
        return outpaced(owner, (owner, other), debts, 0, left=left, size=SIZE, now=0.0)

    assert gives_way(SIZE), "nobody knows how slow the other is"
    paid(debts, 2, pace=19.0, now=0.0)
    assert not gives_way(SIZE)
    del debts[2]
    paid(debts, 2, pace=1.0, now=0.0)
    assert gives_way(SIZE)
    assert not gives_way(2), "it is nearly here"
    other.supply.choking = True
    assert not gives_way(SIZE)
