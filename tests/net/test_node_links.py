"""A node among fake transports: links that are slow, that are stale, and that nobody can see the end of."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.nodes import BLOCK, bounded, running, shared, until
from fakes.transports import FakeTransport

from minibit.disk.share import Share
from minibit.net.node import MESSAGES_PER_TURN, Node
from minibit.wire import messages as m

OTHER = b"-XX0000-............"
ADDRESS = ("10.0.0.1", 6881)


class Far:
    """A neighbour that is connected through a fake transport, and says only what it is made to say."""

    def __init__(self, node: Node, share: Share, *, peer_id: bytes = OTHER, room: int = 1 << 30) -> None:
        self.transport = FakeTransport(room)
        node.connected(self.transport, ADDRESS, outgoing=False)
        self.say(m.Handshake(share.metainfo.info_hash, peer_id, extended=False), m.HaveNone())

    def say(self, *messages: Any) -> None:
        self.transport.coming.append(b"".join(message.encode() for message in messages))
        self.transport.on_data()

    def end(self) -> None:
        self.transport.coming.append(b"")
        self.transport.on_data()


def on_seed(work: Callable[[Node, Share], Awaitable[None]], tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def run() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True) as seed:
            await work(seed.node, share)
            assert not seed.task.done()

    bounded(run)


@pytest.mark.parametrize("cached", [True, False])
def test_a_slow_link_gets_everything_in_order_and_is_asked_for_room_only_when_it_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    if not cached:
        monkeypatch.setattr("minibit.disk.storage._NO_WAIT", 0)

    async def crawl(node: Node, share: Share) -> None:
        slow = Far(node, share, room=1000)
        slow.say(m.Interested())
        await until(lambda: m.Unchoke().encode() in slow.transport.sent or slow.transport.on_room())
        source = (share.folder / "collection" / "one").read_bytes()
        asked = [(block, begin) for block in range(5) for begin in (0, 16384)]
        slow.say(*(m.Request(block, begin, 16384) for block, begin in asked))
        expected = b"".join(
            m.Piece(block, begin, source[block * BLOCK + begin :][:16384]).encode() for block, begin in asked
        )
        while not bytes(slow.transport.sent).endswith(expected):
            if slow.transport.asked:
                slow.transport.on_room()
            await asyncio.sleep(0)
        assert max(slow.transport.calls) == 1000
        await until(lambda: not slow.transport.asked)
        assert node.engine.uploads.total == len(asked) * 16384

    on_seed(crawl, tmp_path)


def test_nobody_waits_for_a_link_that_takes_nothing(tmp_path: Path) -> None:
    async def stall(node: Node, share: Share) -> None:
        stuck, swift = Far(node, share), Far(node, share, peer_id=b"-YY0000-............")
        for far in (stuck, swift):
            far.say(m.Interested())
        await until(lambda: all(m.Unchoke().encode() in far.transport.sent for far in (stuck, swift)))
        stuck.transport.room = 0
        taken = len(stuck.transport.sent)
        for far in (stuck, swift):
            far.say(*(m.Request(block, 0, 16384) for block in range(5)))
        await until(lambda: len(swift.transport.sent) > 5 * 16384)
        assert len(stuck.transport.sent) == taken
        assert stuck.transport.asked
        assert not swift.transport.asked

    on_seed(stall, tmp_path)


def test_a_flood_of_messages_waits_for_its_turn_and_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood(node: Node, share: Share) -> None:
        loud, quiet = Far(node, share), Far(node, share, peer_id=b"-YY0000-............")
        turns: list[list[int]] = []  # by batch: how many messages each neighbour said
        happened = node.engine.happened

        def counted(batch: Any, now: float) -> Any:
            turns.append([len(messages) for _, messages in batch])
            return happened(batch, now)

        monkeypatch.setattr(node.engine, "happened", counted)
        await asyncio.sleep(0)
        turns.clear()
        loud.say(*[m.KeepAlive()] * (2 * MESSAGES_PER_TURN + 1))
        assert not loud.transport.hearing, "what it says meanwhile holds up itself"
        quiet.say(m.Interested())
        assert turns == [], "whoever is ready in this turn is heard first"
        await asyncio.sleep(0)
        assert turns == [[MESSAGES_PER_TURN, 1]], "and then the engine hears of all of them at once"
        await until(lambda: loud.transport.hearing and len(turns) == 3)
        assert turns[1:] == [[MESSAGES_PER_TURN], [1]]
        loud.say(*[m.KeepAlive()] * MESSAGES_PER_TURN)
        loud.end()
        await asyncio.sleep(0)
        assert loud.transport.closed
        assert not quiet.transport.closed

    on_seed(flood, tmp_path)


def test_a_stale_twin_keeps_its_place_until_its_end_is_seen(tmp_path: Path) -> None:
    async def return_(node: Node, share: Share) -> None:
        stale = Far(node, share)
        early = Far(node, share)
        await asyncio.sleep(0)
        assert early.transport.closed, "the same peer from the same side: the first connection counts"
        assert not stale.transport.closed
        stale.end()
        assert stale.transport.closed
        late = Far(node, share)
        await asyncio.sleep(0)
        assert not late.transport.closed
        assert [n.peer_id for n in node.engine.neighbours.values()] == [OTHER]

    on_seed(return_, tmp_path)


def test_a_broken_link_is_one_neighbour_less(tmp_path: Path) -> None:
    async def break_(node: Node, share: Share) -> None:
        far = Far(node, share)
        await until(lambda: far.transport.sent)
        far.transport.broken = True
        far.say(m.Interested())
        await until(lambda: far.transport.closed)
        assert not node.engine.neighbours

    on_seed(break_, tmp_path)
