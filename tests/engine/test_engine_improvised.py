"""Puppets that say whatever they legally may, badly and at any time: what an engine owes us all the same."""

from random import Random

import pytest
from fakes.puppets import FULL, Stage, cancel, piece, reject, request

from minibit.engine.effects import Effect
from minibit.wire import messages as m


def improvise(seed: int, engine_seed: int = 5) -> tuple[list[list[Effect]], Stage]:
    """Puppets that say whatever they legally may, badly and at any moment; what the engine did each time."""
    rng = Random(seed)
    stage = Stage(
        seed=engine_seed, picking="rarest-first", have=rng.getrandbits(8), offering=rng.random() < 0.2
    )
    did: list[list[Effect]] = []
    present: list[int] = []
    key = 0
    for _ in range(250):
        roll = rng.random()
        present = [k for k in present if k in stage.engine.neighbours]
        if roll < 0.05 or not present:
            key += 1
            stage.puppet(
                key % 200 + 1, have=rng.getrandbits(8), fast=rng.random() < 0.7, unchokes=rng.random() < 0.5
            )
            present.append(key % 200 + 1)
            continue
        who = rng.choice(present)
        block, chunk = rng.randrange(8), rng.randrange(2)
        fast = stage.neighbour(who).fast
        if roll < 0.1:
            did.append(stage.wait(rng.choice([0.1, 1.0, 11.0, 70.0])))
        elif roll < 0.13:
            did.append(stage.leaves(who))
        elif roll < 0.3 and stage.verifying:
            did.append(stage.verified(rng.choice(stage.verifying), rng.random() < 0.7))
        elif roll < 0.4:
            did.append(stage.flushed(who, stage.neighbour(who).demand.unsent))
        else:
            words = [
                *(m.Choke(), m.Unchoke(), m.Interested(), m.NotInterested(), m.Haves.of(block)),
                *(request(block, chunk), cancel(block, chunk)),
                *(piece(block, chunk), piece(block, chunk), piece(block, chunk, 100)),
            ]
            say = rng.choice([*words, reject(block, chunk), m.AllowedFast(block)] if fast else words)
            did.append(stage.says(who, say))
    return did, stage


@pytest.mark.parametrize("seed", range(12))
def test_the_same_seed_and_inputs_give_the_same_effects(seed: int) -> None:
    first, _ = improvise(seed)
    again, _ = improvise(seed)
    assert first == again


@pytest.mark.parametrize("seed", range(12))
def test_whatever_puppets_say_one_that_behaves_completes_the_download(seed: int) -> None:
    _, stage = improvise(seed)
    engine = stage.engine
    for key in list(engine.neighbours):
        stage.leaves(key)
    for block in list(stage.verifying):
        stage.verified(block, False)
    assert engine.copies.held == 0
    assert engine.slots.fixed == ()
    stage.puppet(250, have=FULL, unchokes=True)
    for _ in range(60):
        stage.says(250, *(piece(*chunk) for chunk in stage.asked(250)))
        for block in list(stage.verifying):
            stage.verified(block)
        stage.wait(1.0)
    assert engine.blocks.complete


def test_another_seed_draws_other_lots() -> None:
    def order(seed: int) -> list[int]:
        stage = Stage(seed=seed, picking="random")
        stage.puppet(1, have=FULL, unchokes=True)
        return [block for block, _ in stage.asked(1)]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1
