"""How a peer finds its swarm and is found in it: what `attendance` and `announcing` have in common."""

from typing import ClassVar, Protocol

from minibit.address import PeerAddress
from minibit.engine.greeting import Identity
from minibit.net.node import Node
from minibit.torrent.metainfo import Metainfo


class Presence(Protocol):
    """One peer's. `grants` is whether blocks are dealt at all, `granted` those that were dealt to us, as
    a bitfield; `peers` are those that the user named; `web_seeds` are the servers that the torrent names,
    once it is here, and `trusted` the machines nearby, by name or address, that these may lead to;
    `unanswered` whether no tracker answered last time; `host` where to listen unless the user says
    otherwise."""

    grants: ClassVar[bool]
    granted: int
    peers: tuple[PeerAddress, ...]
    web_seeds: tuple[str, ...]
    trusted: set[str]
    unanswered: bool
    host: str

    async def share(self) -> Metainfo | bytes:
        """What is shared, or its info hash if only its peers can tell more (BEP 9).

        Raises:
            TrackerUnreachableError: nobody says it within the time allowed.
            UsageError: it cannot be had like that.
        """

    async def come(self, identity: Identity, share: Metainfo, have: int) -> tuple[PeerAddress, ...]:
        """Enter the swarm, holding these blocks; who else is there, as far as that is told at once.

        Raises:
            UsageError: we cannot, as we are.
        """

    async def stay(self, node: Node) -> None:
        """Say again and again how we stand, as long as we trade; the node hears who else is there.

        Raises:
            MinibitError: there is nothing to stay for.
        """

    async def leave(self, node: Node | None) -> None:
        """Say goodbye, if that can be done soon; without a node, we never traded."""

    def hurry(self, reason: str) -> None:
        """Say how we stand soon, because of this: "complete", or another reason."""

    def close(self) -> None:
        """Call nobody any more."""
