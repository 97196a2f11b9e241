"""One peer's membership of a swarm: what it says to the tracker in its own name, and what that answers.

What a peer does with the answers, and when it calls again, is unknown here; how calls are made is
`tracker_client`'s matter.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from minibit.dialects.json_replies import Farewell, Listing, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.errors import OtherShareError, TrackerRefusedError
from minibit.peer.tracker_client import TrackerClient
from minibit.snapshot import Figures
from minibit.torrent.metainfo import Metainfo

Reply = TypeVar("Reply", Welcome, Listing)


class Membership:
    """The peer `name` with wire id `bt_id` that listens on `port`, in the swarm of `share`; `ip` is the only
    address that it listens at, None if it listens at all that its machine has.

    Blocks are bitfields. Every call raises what `TrackerClient.call` does.
    """

    def __init__(
        self,
        client: TrackerClient,
        share: Metainfo,
        name: str,
        bt_id: bytes,
        port: int,
        ip: str | None = None,
    ) -> None:
        self._client = client
        self._share = share
        self._name = name
        self._bt_id = bt_id
        self._port = port
        self._ip = ip
        self._count = share.layout.block_count

    async def register(self, blocks: int, *, replace: bool = False) -> Welcome:
        """Joins the swarm, holding `blocks`; `replace` takes the name over from a process that is gone.

        Raises:
            NameTakenError: another process is active under that name.
        """
        registration = Registration(self._name, self._port, self._ip, blocks, self._bt_id, replace)
        read = partial(Welcome.from_json, block_count=self._count)
        body = registration.to_json(self._count)
        return await self._client.call(self._dialable(read), "POST", "/registrar_peer", body)

    async def come_back(self, blocks: int) -> Welcome:
        """Registers again with a tracker that has forgotten us.

        Raises:
            OtherShareError: it shares something else now.
        """
        await self._recognise()
        return await self.register(blocks)

    async def heartbeat(self, blocks: int, figures: Figures) -> Listing:
        """Says what we hold and do, and asks who else is there.

        Raises:
            OtherShareError: it shares something else now.
        """
        body = Heartbeat(self._bt_id, blocks, figures).to_json(self._count)
        query = ListingQuery(self._name, brief=True).to_query()
        read = self._dialable(Listing.from_json)
        try:
            return await self._client.call(read, "GET", "/listar_peers", body, query)
        except TrackerRefusedError:
            await self._recognise()  # our blocks are none of a share with more or fewer
            raise

    async def leave(self) -> None:
        """Says goodbye; that the tracker no longer knows us is fine."""
        goodbye = Goodbye(self._name, self._bt_id).to_json()
        try:
            await self._client.call(Farewell.from_json, "POST", "/desconectar_peer", goodbye)
        except TrackerRefusedError:
            return

    async def _recognise(self) -> None:
        shared = (await self._client.torrent()).metainfo
        if shared.info_hash != self._share.info_hash:
            raise OtherShareError(
                f"the tracker at {self._client.url} shares {shared.name!r} now (info hash "
                f"{shared.info_hash.hex()}), not what it did ({self._share.info_hash.hex()}): to join that, "
                "start again with another --dir"
            )

    def _dialable(self, read: Callable[[object], Reply]) -> Callable[[object], Reply]:
        """`read`, of whose reply only the peers remain that we can dial, as we can dial them."""

        def read_dialable(data: object) -> Reply:
            reply = read(data)
            found = ((entry, self._client.dialable(entry.address)) for entry in reply.entries)
            entries = (replace(entry, address=address) for entry, address in found if address is not None)
            return replace(reply, entries=tuple(entries))

        return read_dialable
