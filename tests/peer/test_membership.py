"""A peer's life at a real tracker on loopback, and what it makes of strange answers."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from fakes.trackers import COUNT, LOOP, SHARE, answering, http, running, share

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.dialects.json_replies import Listing, Welcome
from minibit.errors import OtherShareError, TrackerRefusedError, TrackerUnreachableError
from minibit.peer.membership import Membership
from minibit.peer.tracker_client import NameTakenError, TrackerClient
from minibit.snapshot import Figures, State

ALL = bitfield.full(COUNT)


def member(client: TrackerClient, name: str = "ana", port: int = 5001, letter: str = "a") -> Membership:
    return Membership(client, SHARE, name, letter.encode() * 20, port)


@asynccontextmanager
async def at(url: str) -> AsyncIterator[TrackerClient]:
    with closing(TrackerClient(url)) as client:
        yield client


def addresses(reply: Welcome | Listing) -> list[PeerAddress]:
    return [entry.address for entry in reply.entries]


def test_a_peer_joins_says_what_it_holds_and_leaves() -> None:
    async def live(url: str) -> None:
        async with at(url) as client, at(url) as other:
            ana, bia = member(client), member(other, "bia", 5002, "b")
            first = await ana.register(0)
            assert first.new == first.granted
            assert 6 <= first.granted.bit_count() <= 10
            assert (first.entries, first.interval) == ((), 1.0)
            assert (await ana.register(0b11)).new == 0

            assert addresses(await bia.register(0)) == [PeerAddress("ana", LOOP, 5001, b"a" * 20)]
            listing = await ana.heartbeat(0b111, Figures(uploaded=5, fixed=("bia",)))
            assert (listing.registered, listing.total) == (True, 1)
            assert addresses(listing) == [PeerAddress("bia", LOOP, 5002, b"b" * 20)]

            view = await client.status()
            assert [(row.name, row.blocks, row.figures.uploaded) for row in view.rows] == [
                ("ana", 7, 5),
                ("bia", 0, 0),
            ]
            assert view.rows[0].given == first.granted.bit_count()

            await ana.leave()
            await ana.leave()
            assert [row.name for row in (await client.status()).rows] == ["bia"]

    with running() as url:
        asyncio.run(live(url))


def test_a_peer_says_at_which_address_alone_it_listens() -> None:
    async def live(url: str) -> None:
        async with at(url) as client:
            said = Membership(client, SHARE, "ana", b"a" * 20, 5001, "10.1.2.3")
            assert (await said.register(0)).ip == "10.1.2.3"
            assert [row.ip for row in (await client.status()).rows] == ["10.1.2.3"]
            assert (await member(client, "bia", 5002, "b").register(0)).ip == LOOP

    with running() as url:
        asyncio.run(live(url))


def test_a_taken_name_is_refused_unless_it_is_taken_over() -> None:
    async def contend(url: str) -> None:
        async with at(url) as client, at(url) as other:
            old, new = member(client), member(other, port=5002, letter="b")
            await old.register(0)
            with pytest.raises(NameTakenError, match="ana") as caught:
                await new.register(0)
            assert caught.value.peer == PeerAddress("ana", LOOP, 5001, b"a" * 20)
            await new.register(0, replace=True)
            assert not (await old.heartbeat(0, Figures())).registered
            await old.leave()
            assert (await new.heartbeat(0, Figures())).registered

    with running() as url:
        asyncio.run(contend(url))


def test_a_tracker_that_restarts_is_told_everything_again() -> None:
    async def join(url: str) -> None:
        async with at(url) as client:
            await member(client).register(0)
            await member(client).heartbeat(0b11, Figures())

    async def miss(url: str) -> None:
        async with at(url) as client:
            with pytest.raises(TrackerUnreachableError, match="refused"):
                await member(client).register(0b111)

    async def come_back(url: str) -> None:
        async with at(url) as client:
            ana = member(client)
            assert not (await ana.heartbeat(0b111, Figures())).registered
            assert (await ana.come_back(0b111)).granted
            assert (await ana.heartbeat(ALL, Figures(State.COMPLETE))).registered
            (row,) = (await client.status()).rows
            assert (row.blocks, row.figures.state) == (ALL, State.COMPLETE)

    with running() as url:
        asyncio.run(join(url))
        port = int(url.rpartition(":")[2])
    asyncio.run(miss(url))
    with running(port):
        asyncio.run(come_back(url))


def test_a_tracker_that_returns_with_another_share_says_so() -> None:
    async def come_back(url: str) -> None:
        async with at(url) as client:
            with pytest.raises(OtherShareError, match=r"shares '.*' now \(info hash .*another --dir"):
                await member(client).come_back(0)
            with pytest.raises(OtherShareError, match="info hash"):
                await member(client).heartbeat(0b11, Figures())
            with pytest.raises(TrackerRefusedError, match="30 blocks"):
                await member(client).register(0)

    assert share(30) != SHARE
    with running(count=30) as url:
        asyncio.run(come_back(url))


def test_the_trackers_reason_is_passed_on() -> None:
    async def join(url: str) -> None:
        async with at(url) as client:
            with pytest.raises(TrackerRefusedError, match="own"):
                await member(client, "origin").register(0)

    with running() as url:
        asyncio.run(join(url))


def test_addresses_that_cannot_be_dialled_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"peer_id": "bia", "ip": "10.0.0.1", "porta": 5002}
    peers = [
        good,
        good | {"ip": "0.0.0.0", "bt_id": "ab" * 20, "origin": True},
        good | {"ip": "example.org"},
        good | {"porta": 0},
        7,
    ]
    dialable = [
        PeerAddress("bia", "10.0.0.1", 5002),
        PeerAddress("bia", LOOP, 5002, bytes.fromhex("ab" * 20), True),
    ]

    async def call(url: str) -> None:
        async with at(url) as client:
            listing = await member(client).heartbeat(0, Figures())
            assert (listing.registered, listing.interval, addresses(listing)) == (True, 2.0, dialable)
            assert addresses(await member(client).register(0)) == dialable

    looked_up: list[str] = []

    def look_up(_: str) -> str:
        looked_up.append(threading.current_thread().name)
        return LOOP

    monkeypatch.setattr(socket, "gethostbyname", look_up)
    listing = {"registrado": True, "intervalo": 2, "peers": peers}
    welcome = {"concedidos": [], "blocos_iniciais": [], "peers": peers}
    with answering(http(listing), http(welcome)) as url:
        asyncio.run(call(url.replace(LOOP, "localhost")))
    assert looked_up == ["tracker-calls"], "once, and not on the loop"


def test_no_name_is_looked_up_that_nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(url: str) -> None:
        async with at(url) as client, at(url) as other:
            await member(client).register(0)
            await member(other, "bia", 5002, "b").register(0)
            assert (await member(client).heartbeat(0, Figures())).total == 1

    looked_up: list[str] = []
    monkeypatch.setattr(socket, "gethostbyname", looked_up.append)
    with running() as url:
        asyncio.run(call(url.replace(LOOP, "localhost")))
    assert looked_up == []


@pytest.mark.parametrize("blocks", [None, 3, [99], ["x"], [[]], {}])
def test_what_is_no_list_of_blocks_is_no_grant(blocks: object) -> None:
    async def call(url: str) -> None:
        async with at(url) as client:
            with pytest.raises(TrackerUnreachableError, match="concedidos"):
                await member(client).register(0)

    with answering(http({"concedidos": blocks, "blocos_iniciais": [], "peers": []})) as url:
        asyncio.run(call(url))
