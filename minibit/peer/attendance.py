"""How a peer keeps up with its tracker for as long as it lives: comes, beats its heart, says goodbye.

A slow tracker never stops the trade; one that is gone is asked again and again, and one that has forgotten
us, because it restarted say, is told anew what we hold. What is said, and how, is `membership`'s matter.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar, Final, TypeVar
from urllib.parse import urlsplit

from minibit.address import PeerAddress, is_loopback
from minibit.engine.greeting import Identity
from minibit.engine.portrait import figures
from minibit.errors import MinibitError, TrackerRefusedError, TrackerUnreachableError
from minibit.net.listener import EVERYWHERE
from minibit.net.node import Node
from minibit.peer.membership import Membership
from minibit.peer.tracker_client import NameTakenError, TrackerClient, normalised, retrying
from minibit.torrent.metainfo import Metainfo

T = TypeVar("T")

PROBE_SECONDS: Final = 2.0
GOODBYE_SECONDS: Final = 3.0
LOOPBACK: Final = "127.0.0.1"
MAX_PAUSE: Final = 8.0  # s between heartbeats while the tracker does not answer


class Attendance:
    """One peer's presence in the swarm of the MiniBit tracker at `tracker`.

    Args:
        timeout: how many seconds to look for the tracker at first, None for ever.
        tell: called with a line about each thing that a user wants to know.
    """

    grants: ClassVar = True

    def __init__(self, tracker: str, timeout: float | None, tell: Callable[[str], None]) -> None:
        self.granted = 0
        self.peers: tuple[PeerAddress, ...] = ()
        self.unanswered = False
        self.host = default_host(tracker)
        self._client = TrackerClient(tracker)
        self.web_seeds: tuple[str, ...] = ()
        self.trusted = {urlsplit(self._client.url).hostname or ""}
        self._timeout = timeout
        self._tell = tell
        self._hurry = asyncio.Event()
        self._membership: Membership | None = None
        self._interval = 0.0

    def hurry(self, reason: str) -> None:
        del reason  # whatever it is, the next heartbeat is now
        self._hurry.set()

    def close(self) -> None:
        self._client.close()

    async def share(self) -> Metainfo:
        torrent = await self._patiently(self._client.torrent)
        self.web_seeds = torrent.web_seeds
        return torrent.metainfo

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """`call`, repeated while no tracker answers.

        Raises:
            TrackerUnreachableError: none within the time allowed.
        """

        def waiting(error: TrackerUnreachableError, pause: float) -> None:
            self._tell(f"{error} Trying again in {pause:.1f} s")

        url = self._client.url
        return await retrying(call, url=url, timeout=self._timeout, on_retry=waiting)

    async def come(self, identity: Identity, share: Metainfo, have: int) -> tuple[PeerAddress, ...]:
        """Register, holding these blocks.

        Raises:
            NameTakenError: somebody who lives has our name.
        """
        membership = Membership(
            self._client, share, identity.name, identity.peer_id, identity.port, identity.ip
        )
        try:
            welcome = await self._patiently(lambda: membership.register(have))
        except NameTakenError as error:
            if await asyncio.to_thread(_answers, error.peer):
                raise
            # Its holder is gone without a goodbye: we are that peer come back, or its heir.
            welcome = await self._patiently(lambda: membership.register(have, replace=True))
        self.granted, self._interval, self._membership = welcome.granted, welcome.interval, membership
        self._tell(f"registered as {identity.name} with the tracker at {self._client.url}")
        if identity.ip is not None and welcome.ip not in (None, identity.ip):
            self._tell(
                f"the tracker lists us at {welcome.ip}, and we listen at {identity.ip} alone: "
                "who is not on our network can only be dialled by us"
            )
        return tuple(entry.address for entry in welcome.entries)

    async def stay(self, node: Node) -> None:
        """Say how we stand, again and again; the node hears who else is there.

        Raises:
            OtherShareError: the tracker shares something else now.
        """
        membership = self._membership
        assert membership is not None
        pause = self._interval
        while True:
            with suppress(TimeoutError):
                # Not `wait_for`: on Python 3.11 it forgets to be cancelled if it is done at the same time.
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()
            have, own = node.engine.blocks.have, figures(node.engine, node.now, self.granted)
            try:
                listing = await membership.heartbeat(have, own)
                entries = listing.entries
                if not listing.registered:
                    welcome = await membership.come_back(have)
                    entries, self.granted = welcome.entries, welcome.granted
                    self._tell("the tracker had forgotten us: registered again")
            except (TrackerUnreachableError, TrackerRefusedError) as error:
                if not self.unanswered:
                    self._tell(f"{error} Trading goes on without it")
                self.unanswered, pause = True, min(max(2 * pause, 1.0), MAX_PAUSE)
                continue
            if self.unanswered:
                self._tell("the tracker answers again")
            self.unanswered, pause = False, listing.interval
            node.peers_found(entry.address for entry in entries)

    async def leave(self, node: Node | None) -> None:
        membership = self._membership
        if membership is None:
            return
        with suppress(MinibitError, TimeoutError):  # else it will notice our silence by itself
            async with asyncio.timeout(GOODBYE_SECONDS):
                if node is not None:
                    # The heartbeat before this one may be older than the last block.
                    own = figures(node.engine, node.now, self.granted)
                    await membership.heartbeat(node.engine.blocks.have, own)
                await membership.leave()


def _answers(peer: PeerAddress) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((peer.ip, peer.port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def default_host(tracker: str) -> str:
    """Where to listen: on this machine only if the tracker is on it and nowhere else, else everywhere."""
    host = urlsplit(normalised(tracker)).hostname or ""
    if is_loopback(host):
        return "::1" if ":" in host else LOOPBACK
    return LOOPBACK if host == "localhost" else EVERYWHERE
