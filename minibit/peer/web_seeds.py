"""The web seeds of one peer (BEP 19): called when they are needed, left alone for a while when they fail."""

import asyncio
from collections.abc import Callable, Iterable
from hashlib import sha1
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from minibit.address import Address
from minibit.engine.reserve import Reserve, stretch
from minibit.net.node import Node
from minibit.net.web_transport import Source, WebTransport
from minibit.peer.web_rules import Rule
from minibit.text import MAX_NAME, plain_text
from minibit.torrent.metainfo import Metainfo
from minibit.wire.web_remote import MAX_RUN, WebRemote

if TYPE_CHECKING:
    from minibit.peer.web_source import WebSource

LOOK_SECONDS: Final = 1.0  # between looks at whether they are needed
MAX_SEEDS: Final = 20  # of one torrent; more are passed over
MAX_CALLED: Final = 2  # at a time
FIRST_STRETCH: Final = 256 * 1024  # bytes in a row that one shows at first: what an engine asks for at once
FIRST_PAUSE: Final = 15.0  # s in which one that failed is not called again; doubled each time…
LONGEST_PAUSE: Final = 30 * 60.0  # …up to this


class WebSeed:
    """One of them; `due` is when it may be called, `wanted` what it is to bring."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.peer_id = sha1(url.encode()).digest()  # no peer's: it only has to differ from others
        self.name = plain_text(f"web seed {parts.hostname}", MAX_NAME)
        # No IP address, for nobody is to dial it.
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        self.address: Address = (f"web seed {parts.hostname}", port)
        self.due = 0.0
        self.wanted = 0
        self.failures = 0
        self.transport: WebTransport | None = None
        self._brought = 0  # in connections before this one

    @property
    def brought(self) -> int:
        """Bytes of the share that it has handed on, in all."""
        return self._brought + (self.transport.remote.brought if self.transport is not None else 0)

    def call(self, node: Node, source: Source, rng: Random) -> None:
        """Make it a neighbour of this node's."""
        engine = node.engine
        remote = WebRemote(engine.layout, engine.info_hash, self.peer_id, self.name)
        size = FIRST_STRETCH

        def more() -> int:
            nonlocal size
            new = self.wanted & ~remote.shown
            chosen = stretch(new & engine.blocks.wanted, max(1, size // engine.layout.block_size), rng)
            size = min(2 * size, MAX_RUN)
            return chosen or new

        remote.show(more())
        self.transport = WebTransport(remote, source, more)
        node.connected(self.transport, self.address, outgoing=False)

    def ended(self, now: float) -> None:
        """Its connection is over."""
        assert self.transport is not None
        if self.transport.remote.brought:
            self.failures = 0
        if not self.transport.left:
            self.due = now + min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)
            self.failures += 1
        self._brought, self.transport = self.brought, None


class WebSeeds:
    """Those at `urls`, for whoever shares `share`.

    Args:
        rule: which of their addresses may be near.
        tell: called with a line when one is called for the first time.
    """

    def __init__(
        self, urls: Iterable[str], share: Metainfo, rule: Rule, tell: Callable[[str], None], rng: Random
    ) -> None:
        self._seeds = [WebSeed(url) for url in list(urls)[:MAX_SEEDS]]
        self._share = share
        self._rule = rule
        self._tell = tell
        self._rng = rng
        self._source: type[WebSource] | None = None

    async def stay(self, node: Node) -> None:
        """Call them whenever the node needs them, as long as we trade."""
        reserve = Reserve({seed.address for seed in self._seeds}, node.now)
        while True:
            for seed in self._seeds:
                if seed.transport is not None and seed.transport.closed:
                    seed.ended(node.now)
            brought = sum(seed.brought for seed in self._seeds)
            wanted = reserve.wanted(node.engine, brought, node.now)
            if wanted and self._source is None:
                self._source = await asyncio.to_thread(_web_source)
            self._look(node, wanted)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self, node: Node, wanted: int) -> None:
        called = 0
        for seed in self._seeds:
            seed.wanted = wanted
            if seed.transport is not None:
                called += 1
                if wanted:
                    seed.transport.show_more()
                else:
                    seed.transport.leave()
        if wanted and called < MAX_CALLED:
            ready = (s for s in self._seeds if s.transport is None and s.due <= node.now)
            good = (s for s in ready if not node.engine.addresses.banned(s.address, s.peer_id))
            if (chosen := next(good, None)) is not None:
                if not chosen.failures and not chosen.brought:
                    self._tell(f"peers bring too little: asking {chosen.name}")
                assert self._source is not None
                chosen.call(node, self._source(chosen.url, self._share, self._rule), self._rng)


def _web_source() -> "type[WebSource]":
    """Called in a thread: it reads a library that most peers never need, and trading goes on meanwhile."""
    from minibit.peer.web_source import WebSource

    return WebSource
