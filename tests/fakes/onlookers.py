"""What strategies look at, made by hand: neighbours with nothing behind them, and views of them."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from minibit.copies import Copies
from minibit.lab.stand_ins import StandIn
from minibit.strategies.view import Slots, SwarmView

BLOCKS = 10


def seen(
    onlookers: Iterable[StandIn],
    *,
    fixed: tuple[int, ...] = (),
    optimistic: int | None = None,
    round_due: bool = False,
    **more: Any,
) -> SwarmView:
    """The swarm of these neighbours; their copies are counted as an engine would count them."""
    neighbours = {onlooker.key: onlooker for onlooker in onlookers}
    copies = Copies(BLOCKS)
    for onlooker in neighbours.values():
        copies.add(onlooker.blocks)
    defaults: dict[str, Any] = {"block_count": BLOCKS, "have": 0, "wanted": 0}
    return SwarmView(
        copies=copies,
        neighbours=neighbours,
        slots=Slots(fixed, optimistic),
        round_due=round_due,
        **(defaults | more),
    )


def scoring(scores: dict[int, int], **more: Any) -> list[StandIn]:
    """Interested neighbours such that tit-for-tat gives each its score.

    Each holds that many blocks that nobody else holds, so that each of them is rare.
    """
    onlookers, next_block = [], 0
    for key, score in scores.items():
        onlookers.append(StandIn(key, ((1 << score) - 1) << next_block, **more))
        next_block += score
    assert next_block <= BLOCKS, "more rare blocks than there are blocks"
    return onlookers


@st.composite
def swarms(draw: st.DrawFn) -> SwarmView:
    """Any swarm, with slots as a manager may have left them before somebody came, told or lost interest."""
    keys = draw(st.lists(st.integers(0, 30), unique=True, max_size=12))
    onlookers = [
        StandIn(
            key,
            blocks=draw(st.integers(0, (1 << BLOCKS) - 1)) if known else 0,
            known=known,
            interested=draw(st.booleans()),
            snubbed=draw(st.booleans()),
            unchoked_since=draw(st.none() | st.floats(0, 90)),
            received=draw(st.sampled_from([0.0, 1.0, 2.0, 50.0])),
        )
        for key in keys
        for known in [draw(st.booleans())]
    ]
    holders = draw(st.lists(st.integers(0, 30), unique=True, max_size=5))
    optimistic = holders.pop() if holders and draw(st.booleans()) else None
    return seen(
        onlookers,
        fixed=tuple(holders[:4]),
        optimistic=optimistic,
        round_due=draw(st.booleans()),
        have=draw(st.sampled_from([0, (1 << BLOCKS) - 1])),
    )
