"""Strategies to compare the defaults with: other pickings (`random`, `sequential`), other chokings
(`reciprocity`, `unchoke-all`, `unchoke-none`). Each is short enough to be the model for your own.
"""

from random import Random
from typing import Final

from minibit import bitfield
from minibit.strategies.choking_manager import FIXED_SLOTS, withdrawals
from minibit.strategies.view import Choice, NeighbourView, Pick, Slots, SwarmView

OPTIMISTIC_SECONDS: Final = 30.0  # BEP 3: the optimistic unchoke rotates every 30 s


class RandomPicking:
    """Any candidate, each equally likely: what rarest first is measured against."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:  # noqa: ARG002
        if not view.candidates:
            return None
        return Pick(bitfield.choose(view.candidates, rng), view.candidates, view.candidates, "any")


class Sequential:
    """The first candidate: good for playing while downloading, bad for the swarm."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:  # noqa: ARG002
        if not view.candidates:
            return None
        first = view.candidates & -view.candidates
        return Pick(first.bit_length() - 1, view.candidates, first, "first")


class Reciprocity:
    """BEP 3's choking: the 4 interested neighbours that upload to us fastest, and 1 optimistic.

    Rates are averages over 20 s; a snubbed neighbour has no claim to a fixed slot. A complete peer
    receives nothing to repay: each round its longest-served slot passes to somebody who waits.
    """

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:
        competing = {key: n for key, n in view.neighbours.items() if n.interested and n.known}
        scores = {
            key: 0.0 if neighbour.snubbed else neighbour.received_rate(now)
            for key, neighbour in competing.items()
        }
        fixed = [key for key in view.slots.fixed if key in competing]
        optimistic = view.slots.optimistic if view.slots.optimistic in competing else None
        if view.round_due:
            if view.complete:
                waiting = [key for key in competing if key not in fixed and key != optimistic]
                if waiting and len(fixed) == FIXED_SLOTS:
                    fixed.remove(min(fixed, key=lambda key: _served_since(competing[key], now)))
                    fixed.append(rng.choice(waiting))
            else:
                ranked = sorted(competing, key=lambda key: (-scores[key], key not in fixed))
                fixed = ranked[:FIXED_SLOTS]
            if optimistic in fixed or (
                optimistic is not None
                and now - _served_since(competing[optimistic], now) >= OPTIMISTIC_SECONDS
                and len(competing) > len(fixed) + 1
            ):
                pool = [key for key in competing if key not in fixed and key != optimistic]
                optimistic = rng.choice(pool) if pool else None
        while len(fixed) < FIXED_SLOTS:
            pool = [key for key in competing if key not in fixed and key != optimistic]
            if not pool:
                break
            fixed.append(max(pool, key=lambda key: (scores[key], rng.random())))
        if optimistic is None:
            pool = [key for key in competing if key not in fixed]
            optimistic = rng.choice(pool) if pool else None
        after = Slots(tuple(fixed), optimistic)
        rule = "served by turns" if view.complete else "bytes per second received, over 20 s"
        return Choice(after, scores, _moves(view, after), rule)


class UnchokeAll:
    """Everybody who is interested gets a slot: what choking is measured against."""

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:  # noqa: ARG002
        after = Slots(tuple(key for key, n in view.neighbours.items() if n.interested))
        return Choice(after, {}, _moves(view, after), "everybody who is interested")


class UnchokeNone:
    """Nobody gets a slot: a free rider, which takes and never gives."""

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:  # noqa: ARG002
        return Choice(Slots(), {}, _moves(view, Slots()), "nobody")


def _moves(view: SwarmView, after: Slots) -> tuple[tuple[int, str], ...]:
    before = view.slots
    moves = list(withdrawals(view, after))
    withdrawn = {key for key, _ in moves}
    moves += [(key, "fixed") for key in after.fixed if key not in before.fixed]
    if after.optimistic is not None and after.optimistic != before.optimistic:
        moves.append((after.optimistic, "optimistic"))
    moves += [(key, "choked") for key in before.held if key not in after and key not in withdrawn]
    return tuple(moves)


def _served_since(neighbour: NeighbourView, now: float) -> float:
    return now if neighbour.unchoked_since is None else neighbour.unchoked_since
