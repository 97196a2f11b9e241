"""The choking manager: up to 4 fixed slots and 1 optimistic one, a round every 10 s, and idle lines used.

It owns the *slots*; how good a neighbour is, a strategy tells it by a score. The rules:

* Only neighbours that are interested in us, and have told us their blocks, compete.
* Each round draws a new optimistic at random among those neither fixed nor optimistic; if there is
  none, the current one stays. Candidate and fixed are then ranked by score, ties keep the incumbents,
  and the best 4 are fixed. A promoted optimistic leaves its slot, which is drawn again at once.
* Between rounds no slot stands empty while someone interested is choked: the optimistic one is drawn,
  so that a newcomer first shows what it is worth, then fixed ones go to the best scores (ties by lot).

* A line that stands idle though somebody waits admits one of these by lot, and goes on so; a line that never
  rests dismisses the last admitted, one each second. These are *extra*: they hold no slot, and a slot that is
  free is filled with the best as ever. So a fast peer serves many and a slow one few, each blocks that come
  whole; in a small swarm nobody waits, and it stays at 4 + 1.

A fixed peer that falls out of a round is choked: it takes part in that round's second draw only if
nobody else waits.

Moves name everybody who got a place ("drawn", "promoted", "filled", "admitted") and everybody who lost one:
"demoted" by a round, "replaced" as the optimistic one, "dismissed" by a busy line, or gone from the contest
by itself ("lost interest", "left").
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from minibit.strategies.view import Choice, NeighbourView, Slots, SwarmView

FIXED_SLOTS: Final = 4
ROUND_SECONDS: Final = 10.0

Score = Callable[[NeighbourView], float]


def manage(view: SwarmView, rng: Random, score: Score, rule: str = "") -> Choice:
    """The slots after this moment, by the rules above; `score` is asked once per competing neighbour, if
    anybody is to be ranked. `rule` says in a few words what it is."""
    if not view.round_due and not view.spare and _full(view):
        return Choice(view.slots, rule=rule)
    competing = {key: n for key, n in view.neighbours.items() if n.interested and n.known}
    scores = {key: score(neighbour) for key, neighbour in competing.items()}
    fixed = [key for key in view.slots.fixed if key in competing]
    optimistic = view.slots.optimistic if view.slots.optimistic in competing else None
    fallen: list[int] = []
    moves: list[tuple[int, str]] = []

    def waiting(*excluded: int | None) -> list[int]:
        return [key for key in competing if key not in fixed and key not in excluded]

    if view.round_due:
        pool = waiting(optimistic)
        if pool:
            optimistic = rng.choice(pool)
            moves.append((optimistic, "drawn"))
        # A stable sort leaves an incumbent before an equal candidate.
        contenders = fixed if optimistic is None else [*fixed, optimistic]
        ranked = sorted(contenders, key=lambda key: -scores[key])
        fixed = ranked[:FIXED_SLOTS]
        if optimistic in fixed:
            moves.append((optimistic, "promoted"))
            optimistic = None
            fallen = ranked[FIXED_SLOTS:]
            moves += [(key, "demoted") for key in fallen]

    if optimistic is None and (pool := waiting(*fallen) or waiting()):
        optimistic = rng.choice(pool)
        moves.append((optimistic, "drawn"))
    while len(fixed) < FIXED_SLOTS and (pool := waiting(optimistic)):
        best = max(scores[key] for key in pool)
        chosen = rng.choice([key for key in pool if scores[key] == best])
        fixed.append(chosen)
        moves.append((chosen, "filled"))
    extra = [key for key in view.slots.extra if key in competing and key not in fixed and key != optimistic]
    if view.spare < 0 and extra:
        moves.append((extra.pop(), "dismissed"))
    if view.spare > 0 and (pool := waiting(optimistic, *extra)):
        extra.append(rng.choice(pool))
        moves.append((extra[-1], "admitted"))
    slots = Slots(tuple(fixed), optimistic, tuple(extra))
    before = view.slots.optimistic
    if before in competing and before not in slots:  # known only now: it may have been drawn again
        moves.append((before, "replaced"))
    return Choice(slots, scores, (*withdrawals(view, slots), *moves), rule)


def _full(view: SwarmView) -> bool:
    """Whether every slot is held by somebody who competes."""
    slots = view.slots
    if slots.optimistic is None or len(slots.fixed) < FIXED_SLOTS:
        return False
    for key in slots.held:
        neighbour = view.neighbours.get(key)
        if neighbour is None or not (neighbour.interested and neighbour.known):
            return False
    return True


def withdrawals(view: SwarmView, after: Slots) -> Iterator[tuple[int, str]]:
    """Who held a slot, holds none after this moment, and would not have it: the neighbour and why."""
    for key in view.slots.held:
        if key in after:
            continue
        neighbour = view.neighbours.get(key)
        if neighbour is None:
            yield key, "left"
        elif not (neighbour.interested and neighbour.known):
            yield key, "lost interest"
