"""libtorrent and a node of ours dial each other at the same moment, again and again: both get everything.

It connects once per IP address, and of two dials that cross it gives up one by a rule of its own: by ports.
"""

import asyncio
from pathlib import Path

import pytest
from e2e.foreigner import Foreigner
from fakes.nodes import Running, bounded, running, shared, until

from minibit.address import Address, PeerAddress
from minibit.engine import addresses, greeting
from minibit.net.transport import Transport
from minibit.torrent import torrent_file
from minibit.torrent.torrent_file import TorrentFile

TIMES = 6


async def cross(node: Running, theirs: Foreigner, pause: float) -> list[str]:
    """Make the node dial whoever dials it, when it has accepted that and heard no word; how those ended."""
    accept = node.node.connected

    def connected(transport: Transport, address: Address, *, outgoing: bool) -> None:
        if not outgoing:
            them = PeerAddress("", "127.0.0.1", theirs.port)
            loop.call_later(pause, node.node.peers_found, (them,))
        accept(transport, address, outgoing=outgoing)
        ways.append("dialled" if outgoing else "accepted")

    ways: list[str] = []
    loop = asyncio.get_running_loop()
    node.node.connected = connected
    theirs.dial(("127.0.0.1", node.port))
    await until(lambda: node.node.engine.blocks.complete and theirs.done)
    return ways


@pytest.mark.parametrize("pause", [0.0, 0.002])
@pytest.mark.parametrize("gives", ["we", "they"])
def test_dials_that_cross_cost_nobody_the_other(
    gives: str, pause: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "FOREIGN_SECONDS", 0.0)  # we wait for nobody to come…
    monkeypatch.setattr(greeting, "GREETING_SECONDS", 0.0)  # …or to say who he is
    share = shared(tmp_path)
    torrent = torrent_file.encode(TorrentFile(share.metainfo))

    async def once(number: int) -> list[str]:
        theirs = share.folder if gives == "they" else tmp_path / f"theirs{number}"
        ours = share.folder if gives == "we" else tmp_path / f"ours{number}"
        foreigner = Foreigner(torrent, theirs, allow_multiple_connections_per_ip=False)
        try:
            async with running("ours", share.metainfo, ours, seed=gives == "we") as node:
                return await cross(node, foreigner, pause)
        finally:
            foreigner.close()

    async def often() -> list[list[str]]:
        return await asyncio.gather(*map(once, range(TIMES)))

    for ways in bounded(often):
        assert {"accepted", "dialled"} <= set(ways), "the dials crossed"
