"""Who keeps us waiting for too long, and whether another would be any quicker.

Everybody is measured by its own pace: who is slow but delivers is left to it, as long as nobody is likely to
have done it sooner. Pure functions: `downloads` carries out what they answer.
"""

from collections.abc import Iterable
from typing import Final

from minibit.engine.debts import Debts
from minibit.engine.neighbour import Neighbour
from minibit.engine.relief import HASTE

SNUB_SECONDS: Final = 60.0  # BEP 3: no data for a minute…
SNUB_CHUNKS: Final = 2.0  # …or for the time in which it usually sends so many chunks…
MAX_SNUB_SECONDS: Final = 600.0  # …but no longer than this
EXCLUSIVE_SECONDS: Final = 30.0  # how long the one supplier of a block may take between requests


def late(neighbour: Neighbour, debts: Debts, now: float) -> bool:
    """Whether it owes us something and has sent nothing for too long, also for who is slow."""
    asked_at = neighbour.supply.asked_at
    if asked_at is None or now - asked_at < SNUB_SECONDS or not debts.outstanding(neighbour.key):
        return False
    usual = SNUB_CHUNKS * debts[neighbour.key].usual
    return now - asked_at >= min(max(SNUB_SECONDS, usual), MAX_SNUB_SECONDS)


def giveable(neighbour: Neighbour) -> int:
    """The blocks that it would send us if we asked it."""
    supply = neighbour.supply
    ready = neighbour.blocks if not supply.choking else neighbour.blocks & supply.allowed
    return 0 if supply.snubbed else ready & ~supply.refused


def outpaced(
    owner: Neighbour,
    others: Iterable[Neighbour],
    debts: Debts,
    block: int,
    *,
    left: int,
    size: int,
    now: float,
) -> bool:
    """Whether somebody among `others` would bring all `size` chunks of this block, which only one may supply,
    much sooner than its owner the `left` ones."""
    rest = debts[owner.key].expected(now, left)
    able = [n for n in others if n is not owner and giveable(n) >> block & 1]
    return any(HASTE * debts.promise(n.key, size, now) < rest for n in able)
