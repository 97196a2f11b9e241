"""Who relieves whom: where a neighbour with nothing to do is asked for what others are slow to deliver.

A supplier is late by its own pace (`debts`), never by a fixed time, and is relieved only by who is likely to
be much quicker. So in a crowd of equals hardly anything is asked for twice, and nobody slow, however many
they are, keeps a quick one out. Pure functions: `blocks` carries out what they answer.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from minibit.engine.debts import Debts
from minibit.engine.flight import OpenBlock

MAX_ASKED: Final = 3  # neighbours asked for the same chunk
HASTE: Final = 2.0  # how many times as quick one must be to relieve another
ENDGAME_AGE: Final = 1.0  # s; who is to deliver within that is not late…
STALL_AGE: Final = 30.0  # …nor within that while there is something else to ask for
MOVE_AGE: Final = 0.1  # s; how long a block stays where it was asked for, at least…
MOVE_TRIPS: Final = 2.0  # …and in round trips: what is under way already is not asked for twice
MAX_MOVES: Final = 32  # of one block: nobody passes it round for ever
LONG: Final = 10.0  # s; a block that takes no longer keeps its place


class Relief(NamedTuple):
    """A chunk to be asked of one more neighbour, and who is asked for it no more, if anybody."""

    block: int
    chunk: int
    relieved: int | None


def chunks(
    flying: Mapping[int, OpenBlock], debts: Debts, key: int, blocks: int, room: int, now: float, least: float
) -> list[Relief]:
    """Up to `room` chunks of `blocks` that this neighbour is likely to deliver much sooner than all whom they
    were asked of, those that would be the last to come first; `least` is how late they are at least."""
    bar = max(least, HASTE * debts.promise(key, 1, now))
    expected: dict[tuple[int, int], dict[int, float]] = {}
    for other, debt in debts.items():
        if debt.chunks and other != key:
            for block, chunk, seconds in debt.late(now, bar, blocks):
                opened = flying[block]
                if not opened.exclusive and not opened.asked.get(key, 0) >> chunk & 1:
                    expected.setdefault((block, chunk), {})[other] = seconds
    chosen: list[Relief] = []
    for (block, chunk), when in sorted(expected.items(), key=lambda e: (-min(e[1].values()), e[0])):
        bar = max(least, HASTE * debts.promise(key, len(chosen) + 1, now))
        if len(chosen) == room or min(when.values()) <= bar:
            break
        suppliers = [other for other, theirs in flying[block].asked.items() if theirs >> chunk & 1]
        if when.keys() >= set(suppliers):  # else somebody is in time
            full = len(suppliers) >= MAX_ASKED
            # Who never delivered anything goes first: fresh mutes would else drive out the slow and honest.
            worst = max(suppliers, key=lambda other: (not debts[other].paid, when[other], other))
            chosen.append(Relief(block, chunk, worst if full else None))
    return chosen


def move(
    flying: Mapping[int, OpenBlock], debts: Debts, key: int, blocks: int, room: int, now: float
) -> tuple[int, int] | None:
    """The block of `blocks` that this idle neighbour is asked for instead of who was asked before, and who
    that is; None if there is none. Nobody is late, but a free line is not left waiting: it takes from whoever
    owes us most the block that was asked of it last, if nothing of that is here and `room` chunks hold it.

    A crowd ends together by this: without it, the last blocks wait in the queues of those who have many.
    """
    found: tuple[int, float, int, int] | None = None
    for number, opened in flying.items():
        if opened.here or opened.exclusive or len(opened.asked) != 1 or not blocks >> number & 1:
            continue
        ((other, owed),) = opened.asked.items()
        if other == key or owed.bit_count() > room or opened.moves >= MAX_MOVES:
            continue
        debt = debts[other]
        if now - opened.since < max(MOVE_AGE, MOVE_TRIPS * max(debt.trip, debts[key].trip)):
            continue
        each = (debt.chunks, opened.since, number, other)
        found = each if found is None else max(found, each)
    return None if found is None else found[2:]


def block(
    flying: Mapping[int, OpenBlock],
    debts: Debts,
    key: int,
    *,
    size: int,
    waiting: int,
    losses: Mapping[int, int],
    now: float,
) -> int | None:
    """The block in flight that gives way to those that this idle neighbour has for us, if one does.

    That costs what is here of it: so it must be likely to take long yet, and to have cost less than it will,
    or less than `waiting` blocks of `size` chunks from this neighbour would be delayed. What a block has lost
    before (`losses`, how often) counts double each time, so that it comes in the end, whoever comes and goes.
    """
    own = debts.promise(key, size, now)
    bar = max(LONG, HASTE * own)
    if not any(debt.chunks and debt.expected(now, size) > bar for debt in debts.values()):
        return None
    found: tuple[float, int] | None = None
    for number, opened in flying.items():
        suppliers = set(opened.asked)
        if opened.owner is not None:
            suppliers.add(opened.owner)
        left = opened.missing
        rest = min((debts[other].expected(now, left) for other in suppliers), default=0.0)
        spent = rest / left * opened.here.bit_count() * 2 ** losses.get(number, 0)
        if rest > bar and spent <= max(rest, waiting * own) and key not in suppliers:
            found = max(found or (rest, number), (rest, number))
    return None if found is None else found[1]
