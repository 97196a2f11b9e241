"""Long virtual hours of what goes wrong in swarms, all at once: who stays finishes, come what may."""

from random import Random

import pytest
from fakes.fake_link import Net

from minibit import bitfield
from minibit.torrent.layout import Layout

BLOCKS = 24
LAYOUT = Layout(BLOCKS * 32768 - 5000, 32768)
FULL = bitfield.full(BLOCKS)
HOUR = 3600.0
UPLINKS = (5_000.0, 20_000.0, 100_000.0)  # bytes per second
PATIENCE = 2 * HOUR


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_churn_breaks_tricklers_and_liars_ends_complete(seed: int) -> None:
    rng = Random(seed)
    net = Net(LAYOUT, seed=seed)
    net.origin(uplink=20_000.0, upload_limit=20_000.0)
    net.join("trickler", have=FULL, uplink=300.0)
    net.join("liar", have=FULL, uplink=100_000.0, spoil=FULL // 3)
    honest = [net.join(f"peer{number}", uplink=rng.choice(UPLINKS)) for number in range(6)]
    net.introduce()
    ended = net.now + HOUR
    while net.now < ended:
        net.run(rng.uniform(20.0, 200.0))
        victim = rng.choice(honest)
        match rng.choice(["killed", "silent", "gone", "new"]):
            case "killed":  # its memory is lost, its disk is kept: it is somebody new with the same blocks
                victim.leave()
                honest.remove(victim)
                name = f"{victim.name}+"
                honest.append(net.join(name, have=victim.engine.blocks.have, uplink=rng.choice(UPLINKS)))
            case "silent":  # and comes back as the same, from another address
                victim.fall_silent()
                honest.remove(victim)
                honest.append(net.join(victim.name, have=victim.engine.blocks.have, uplink=20_000.0))
            case "gone" if len(honest) > 3:
                victim.leave()
                honest.remove(victim)
            case _:
                honest.append(net.join(f"late{net.now:.0f}", uplink=rng.choice(UPLINKS)))
        living = [peer for peer in net.peers if peer.alive and not peer.cut]
        for peer in living:
            peer.meet(living)
    for _ in range(int(PATIENCE // 30)):  # a tracker goes on telling who is there
        if all(peer.engine.blocks.complete for peer in honest):
            break
        net.run(30.0)
        for peer in honest:
            peer.meet(p for p in net.peers if p.alive and not p.cut)
    missing = {peer.name: BLOCKS - peer.engine.blocks.have.bit_count() for peer in honest}
    assert not any(missing.values()), missing
    assert all(peer.engine.banned <= 2 for peer in honest), "the liar, as who was dialled and as who dialled"
