"""Who competes for slots, through the engine: a slot that is not used goes to somebody who uses it."""

from fakes.puppets import FULL, Stage, request, told

from minibit.engine.contenders import MAX_RESTS, REST_SECONDS, SLOTS, UNUSED_SECONDS
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m


def unchoked(stage: Stage) -> set[int]:
    return {key for key, n in stage.engine.neighbours.items() if n.demand.unchoked}


def mutes(stage: Stage, *keys: int) -> None:
    """Neighbours that want everything, hold what is rare, and never ask."""
    for key in keys:
        stage.puppet(key, have=1 << key % 8, interested=True)


def test_mute_neighbours_lose_their_slots_to_who_waits() -> None:
    stage = Stage(have=FULL)
    mutes(stage, *range(1, 9))
    stage.wait(30.0)
    honest = [11, 12, 13]
    for key in honest:
        stage.puppet(key, interested=True)
    stage.wait(UNUSED_SECONDS + 1)
    held = dict.fromkeys(honest, 0)
    for _ in range(300):
        for key in honest:
            if key in unchoked(stage):
                held[key] += 1
                stage.says(key, request(0))
                stage.flushed(key, CHUNK_SIZE)
        stage.wait(1.0)
    assert min(held.values()) > 285, f"of 300 s: {held}"


def test_a_slot_that_nobody_else_wants_may_stay_unused() -> None:
    stage = Stage(have=FULL)
    mutes(stage, *range(1, SLOTS + 1))
    stage.wait(150.0)
    assert unchoked(stage) == set(range(1, SLOTS + 1))


def test_who_rested_has_another_chance_and_uses_it() -> None:
    stage = Stage(have=FULL)
    for key in range(1, SLOTS + 2):
        stage.puppet(key, interested=True)

    def ask(*keys: int) -> None:
        for key in keys:
            stage.says(key, request(0))
            stage.flushed(key, stage.neighbour(key).demand.unsent)

    (late,) = set(range(1, SLOTS + 2)) - unchoked(stage)
    idle = min(unchoked(stage))
    busy = unchoked(stage) - {idle}
    for _ in range(int(UNUSED_SECONDS) + 1):
        ask(*busy)
        stage.wait(1.0)
    assert idle not in unchoked(stage)
    assert late in unchoked(stage)
    chances = 0
    for _ in range(60):
        ask(*(set(range(1, SLOTS + 2)) & unchoked(stage)))
        chances += idle in unchoked(stage)
        stage.wait(1.0)
    assert chances > 10
    assert stage.neighbour(idle).demand.rests == 0


def test_each_unused_slot_means_a_longer_rest() -> None:
    stage = Stage(have=FULL)
    mutes(stage, 1, 2, 3, 4, 5, 6)
    stage.wait(170.0)
    assert 1 < max(n.demand.rests for n in stage.engine.neighbours.values()) <= MAX_RESTS
    assert all(
        n.demand.rests_until <= stage.now + REST_SECONDS * 2**MAX_RESTS
        for n in stage.engine.neighbours.values()
    )


def test_fifty_mute_strangers_that_come_and_go_do_not_keep_a_listed_peer_from_a_slot() -> None:
    stage = Stage(have=FULL)
    key = 100
    crowd: list[int] = []
    ana = b"A" * 20
    stage.note(stage.engine.peers_found(told(("10.0.0.1", 6881, ana)), stage.now))
    waited = 0.0
    for second in range(60):
        for _ in range(10):
            key += 1
            stage.connect(key)
            stage.greet(key, peer_id=key.to_bytes(20, "big"))
            stage.says(key, m.HaveAll(), m.Interested())
            crowd.append(key)
        while len(crowd) > 40:
            stage.leaves(crowd.pop(0))
        if second == 10:
            stage.puppet(1, peer_id=ana, interested=True)
        if second >= 10:
            if 1 in unchoked(stage):
                stage.says(1, request(0))
                stage.flushed(1, CHUNK_SIZE)
            else:
                waited += 1.0
        stage.wait(1.0)
    assert waited <= UNUSED_SECONDS + 1
