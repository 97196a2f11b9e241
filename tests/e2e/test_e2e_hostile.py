"""Hostile input is normal input: liars are found out and banned, and garbage costs only its sender."""

import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from e2e.liar import Liar
from e2e.running import PATIENCE, PROC, Start, Track, Tracker, contents, eventually, write_random

from minibit.engine.greeting import HANDSHAKE_SECONDS
from minibit.engine.places import MAX_WAITING
from minibit.snapshot import SwarmRow
from minibit.wire import messages

MIB = 1 << 20
IDLE = 200


@pytest.fixture
def liars() -> Iterator[Callable[..., Liar]]:
    with ExitStack() as stack:

        def start(url: str, name: str = "liar") -> Liar:
            liar = Liar(url, name)
            stack.callback(liar.close)
            liar.start()
            return liar

        yield start


def test_a_liar_is_found_out_and_banned(
    minibit: Start, track: Track, tmp_path: Path, liars: Callable[..., Liar]
) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_000_000)
    tracker = track(share, "--block-size", "32K", "--upload-limit", "500K")
    liar = liars(tracker.url)

    for name in ("ana", "bia"):
        minibit("peer", name, 0, "--tracker", tracker.url)

    rows = tracker.await_complete("ana", "bia")
    assert liar.served >= 4
    for name in ("ana", "bia"):
        assert contents(tmp_path / name) == {"film.bin": share.read_bytes()}

        def guilty(name: str = name) -> SwarmRow | None:
            row = tracker.row(name)
            return row if row is not None and row.figures.banned == 1 else None

        figures = eventually(guilty, f"{name} bans the liar").figures
        assert figures.corrupt >= 2
    assert rows["ana"].figures.downloaded > share.stat().st_size, "what was corrupt was fetched again"


Garbage = Callable[[socket.socket, Tracker, random.Random], None]


def greeting(tracker: Tracker) -> bytes:
    info_hash = bytes.fromhex(tracker.document["info_hash"])
    return messages.Handshake(info_hash, b"-XX0000-" + os.urandom(12)).encode()


def random_bytes(sock: socket.socket, _: Tracker, rng: random.Random) -> None:
    sock.sendall(rng.randbytes(100_000))


def web_request(sock: socket.socket, _: Tracker, __: random.Random) -> None:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def another_share(sock: socket.socket, _: Tracker, rng: random.Random) -> None:
    sock.sendall(messages.Handshake(rng.randbytes(20), rng.randbytes(20)).encode())


def oversized_frame(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    sock.sendall(greeting(tracker) + struct.pack(">I", 0xFFFFFFFF) + b"\x07" + bytes(64 * 1024))


def a_bitfield_of_another_share(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    size = tracker.document["block_count"] // 8 + 2
    sock.sendall(greeting(tracker) + messages.Bitfield(bytes(size)).encode())


def two_greetings(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    sock.sendall(greeting(tracker) + messages.HaveNone().encode() + greeting(tracker))


def words_of_an_extension_not_spoken(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    info_hash = bytes.fromhex(tracker.document["info_hash"])
    plain = messages.Handshake(info_hash, b"-XX0000-" + os.urandom(12), fast=False, extended=False)
    sock.sendall(plain.encode() + messages.HaveAll().encode())


def nothing_told_first(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    sock.sendall(greeting(tracker) + messages.Request(0, 0, 16384).encode())


def a_block_that_is_none(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    sock.sendall(greeting(tracker) + messages.HaveNone().encode() + struct.pack(">IBI", 5, 4, 0x7FFFFFFF))


def an_absurd_request(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    absurd = messages.Request(0, 0, 0x7FFFFFFF)
    sock.sendall(greeting(tracker) + messages.HaveNone().encode() + absurd.encode())


def a_malformed_introduction(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    sock.sendall(greeting(tracker) + messages.Extended(0, b"l" * 10_000).encode())


def data_nobody_asked_for(sock: socket.socket, tracker: Tracker, _: random.Random) -> None:
    piece = messages.Piece(0, 0, bytes(16384)).encode()
    sock.sendall(greeting(tracker) + messages.HaveAll().encode())
    for _ in range(2000):
        sock.sendall(piece)


GARBAGE: list[Garbage] = [
    random_bytes,
    web_request,
    another_share,
    oversized_frame,
    a_bitfield_of_another_share,
    two_greetings,
    words_of_an_extension_not_spoken,
    nothing_told_first,
    a_block_that_is_none,
    an_absurd_request,
    a_malformed_introduction,
    data_nobody_asked_for,
]


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_closed_by_the_other_side(sock: socket.socket) -> bool:
    sock.settimeout(HANDSHAKE_SECONDS / 2)  # sooner than whoever says nothing at all is hung up on
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def is_closed_now(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return not sock.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def throw(send: Garbage, victim: int, tracker: Tracker) -> None:
    """Send garbage on a connection of its own, and see that it is closed."""
    with socket.create_connection(("127.0.0.1", victim), timeout=PATIENCE) as sock:
        with suppress(ConnectionError):  # closed before all of it was sent
            send(sock, tracker, random.Random(1))
        assert is_closed_by_the_other_side(sock), f"{send.__name__} was not refused"


def test_garbage_costs_only_its_sender(minibit: Start, track: Track, tmp_path: Path) -> None:
    share = write_random(tmp_path / "source" / "film.bin", 1_500_000)
    tracker = track(share, "--block-size", "16K", "--upload-limit", "300K")
    ana = minibit("peer", "ana", 0, "--tracker", tracker.url)
    port = int(ana.says(r"^listening on port (\d+)$")[1])
    minibit("peer", "bia", 0, "--tracker", tracker.url)
    eventually(lambda: (row := tracker.row("ana")) and row.blocks.bit_count() > 3, "ana has some blocks")
    before = resident(ana.pid) if PROC.exists() else 0

    for send in GARBAGE:
        throw(send, port, tracker)
        throw(send, tracker.document["origin_port"], tracker)
    with ExitStack() as stack:
        many = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            for _ in range(IDLE)
        ]
        for sock in many[::2]:
            with suppress(ConnectionError):  # one of too many
                sock.sendall(b"\x13BitTorrent prot")
        eventually(
            lambda: sum(map(is_closed_now, many)) >= IDLE - MAX_WAITING, "idle connections are turned away"
        )
        tracker.await_complete("ana", "bia")
        if before:
            assert resident(ana.pid) - before < 64 * MIB

    rows = tracker.await_complete("ana", "bia")
    assert {name: row.figures.banned for name, row in rows.items()} == {"ana": 0, "bia": 0}
    for name in ("ana", "bia"):
        assert contents(tmp_path / name) == {"film.bin": share.read_bytes()}
    assert ana.err == []
