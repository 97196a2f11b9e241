"""Views for trying a strategy without a swarm: cases at the edges of what it will meet, and a large one."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from minibit import bitfield
from minibit.copies import Copies
from minibit.strategies.view import Slots, SwarmView

BLOCKS: Final = 20
MANY_BLOCKS: Final = 1000
MANY_NEIGHBOURS: Final = 50


class StandIn(Struct, frozen=True):
    """A neighbour with nothing behind it; rates are bytes per second."""

    key: int
    blocks: int = 0
    known: bool = True
    interested: bool = True
    snubbed: bool = False
    unchoked_since: float | None = None
    received: float = 0.0
    sent: float = 0.0

    def received_rate(self, now: float) -> float:  # noqa: ARG002
        return self.received

    def sent_rate(self, now: float) -> float:  # noqa: ARG002
        return self.sent


def seen(
    neighbours: Sequence[StandIn],
    *,
    count: int = BLOCKS,
    have: int = 0,
    slots: Slots | None = None,
    round_due: bool = False,
) -> SwarmView:
    """What a peer that holds `have` sees of these neighbours; it picks on its connection to the first."""
    copies = Copies(count)
    for neighbour in neighbours:
        copies.add(neighbour.blocks)
    wanted = bitfield.full(count) & ~have
    return SwarmView(
        count,
        have=have,
        wanted=wanted,
        copies=copies,
        neighbours={neighbour.key: neighbour for neighbour in neighbours},
        slots=slots or Slots(),
        candidates=wanted & neighbours[0].blocks if neighbours else 0,
        round_due=round_due,
    )


def edges() -> Iterator[tuple[str, SwarmView]]:
    """Every case by name; what needs a round comes in one and between two."""
    full = bitfield.full(BLOCKS)
    rng = Random(20)
    some = [StandIn(key, rng.getrandbits(BLOCKS), received=float(key)) for key in range(7)]
    held = Slots((0, 1, 2, 3), 4)
    cases = {
        "no neighbours": seen([]),
        "one neighbour": seen(some[:1]),
        "one neighbour, who holds a slot": seen(some[:1], slots=Slots((0,))),
        "one block to choose from": seen([replace(some[0], blocks=1 << (BLOCKS - 1)), *some[1:]]),
        "nothing to choose from": seen([StandIn(0), *some[1:]]),
        "everybody holds everything": seen([replace(each, blocks=full) for each in some]),
        "we are complete": seen(some, have=full, slots=held),
        "nobody is interested": seen([replace(each, interested=False) for each in some]),
        "nobody has told its blocks": seen([replace(each, blocks=0, known=False) for each in some]),
        "everybody is snubbed": seen([replace(each, snubbed=True) for each in some], slots=held),
        "all places are taken": seen(some, slots=held),
        "who holds places has left": seen(some[5:], slots=held),
        "who holds places lost interest": seen(
            [replace(each, interested=each.key > 4) for each in some], slots=held
        ),
        "a share of one block": seen([StandIn(0, 1), StandIn(1, 1)], count=1),
    }
    for name, view in cases.items():
        yield name, view
        yield f"{name}, in a round", replace(view, round_due=True)


def crowd() -> SwarmView:
    """1,000 blocks, half of them here, and 50 neighbours who hold half each, in a round."""
    rng = Random(50)
    neighbours = [
        StandIn(
            key,
            rng.getrandbits(MANY_BLOCKS),
            unchoked_since=0.0 if key < 5 else None,
            received=rng.uniform(0, 1e6),
        )
        for key in range(MANY_NEIGHBOURS)
    ]
    have = rng.getrandbits(MANY_BLOCKS)
    return seen(neighbours, count=MANY_BLOCKS, have=have, slots=Slots((0, 1, 2, 3), 4), round_due=True)
