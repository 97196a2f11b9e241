"""A newcomer fetches a share while a stranger attacks it and the origin: how long, with and without that.

Run by hand, from the root of a checkout: `python tests/soak/attacks.py [--attack mute] [--runs 3]`. Another
checkout is measured by the same attacks with `--tree PATH`, and `--python` if it needs an interpreter with
other libraries. Each run has a tracker, a newcomer and ports of its own. It ends with 1 when an attack costs
more than it may; times are of a machine on which the stranger computes too, so an idle one tells most.
"""

import argparse
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Final

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from e2e.running import PROC, Command, Tracker, contents, write_random  # noqa: E402

from minibit.torrent.layout import CHUNK_SIZE  # noqa: E402
from minibit.wire import messages as m  # noqa: E402
from minibit.wire.extended import ExtendedHandshake  # noqa: E402

SHARE: Final = 24 << 20  # bytes
BLOCKS: Final = SHARE // (32 * 1024)
OPTIONS: Final = ("--block-size", "32K", "--upload-limit", "6M")
HEAD_START: Final = 3.0  # s for which the origin is attacked before the newcomer comes
MANY: Final = 5000  # messages of a flood that are sent at once


@dataclass(frozen=True)
class Target:
    """Whom a stranger attacks, and what he knows of the swarm: all of it is public."""

    port: int
    info_hash: bytes
    origin_id: bytes
    over: threading.Event

    def dial(self, opening: bytes = b"") -> socket.socket:
        """A connection on which `opening` is said."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=5.0)
        sock.settimeout(0.5)
        sock.sendall(opening)
        return sock

    def handshake(self, peer_id: bytes = b"") -> bytes:
        """A greeting under this wire id, or one that nobody has had before."""
        return m.Handshake(self.info_hash, peer_id or b"-XX0000-" + os.urandom(12)).encode()

    def stay(self, sock: socket.socket) -> None:
        """Read until the other side hangs up."""
        while not self.over.is_set():
            with suppress(TimeoutError):
                if not sock.recv(65536):
                    return


def interested(target: Target) -> bytes:
    """What a peer says that wants something."""
    return target.handshake() + m.HaveNone().encode() + m.Interested().encode()


def mute(target: Target) -> None:
    with target.dial(interested(target)) as sock:
        target.stay(sock)


def silent(target: Target) -> None:
    with target.dial() as sock:
        target.stay(sock)


def unfinished(target: Target) -> None:
    with target.dial(target.handshake()[:40]) as sock:
        target.stay(sock)


def coming_and_going(target: Target) -> None:
    with target.dial(interested(target)) as sock:
        sock.recv(65536)


def flood(words: bytes, first: bytes = b"") -> Callable[[Target], None]:
    """Says the same over and over, as fast as it is taken; whatever is answered is read."""

    def attack(target: Target) -> None:
        with target.dial(interested(target)) as sock:
            sock.settimeout(30.0)
            sock.sendall(first)
            threading.Thread(target=drain, args=(sock,), daemon=True).start()
            while not target.over.is_set():
                sock.sendall(words)

    return attack


def drain(sock: socket.socket) -> None:
    with suppress(OSError):
        while sock.recv(65536):
            pass


def in_the_origins_name(target: Target) -> None:
    with target.dial(target.handshake(target.origin_id) + m.HaveAll().encode()) as sock:
        sock.sendall(m.Unchoke().encode())
        for block in range(BLOCKS):
            sock.sendall(m.Piece(block, 0, os.urandom(CHUNK_SIZE)).encode())
        target.stay(sock)


def encrypted(target: Target) -> None:
    """As a client that insists on message stream encryption: a key of 96 bytes, and padding."""
    with target.dial(os.urandom(96 + random.randrange(512))) as sock:
        target.stay(sock)


def garbage(target: Target) -> None:
    with target.dial(target.handshake() + os.urandom(65536)) as sock:
        target.stay(sock)


def many(*messages: m.Message) -> bytes:
    return b"".join(message.encode() for message in messages) * MANY


@dataclass(frozen=True)
class Attack:
    """`connections` at a time do this, each anew whenever it is over; at most, the newcomer may take
    `times` as long for it."""

    act: Callable[[Target], None]
    connections: int
    times: float


QUEUE = b"".join(m.Request(n, 0, CHUNK_SIZE).encode() for n in range(512))
ATTACKS: Final[dict[str, Attack | None]] = {
    "none": None,
    "mute": Attack(mute, 60, 2.0),
    "silent": Attack(silent, 100, 2.0),
    "unfinished": Attack(unfinished, 100, 2.0),
    "coming-and-going": Attack(coming_and_going, 4, 2.0),
    "flood-interest": Attack(flood(many(m.Interested(), m.NotInterested())), 1, 1.5),
    "flood-hello": Attack(flood(many(m.Extended(0, ExtendedHandshake().encode()))), 1, 1.5),
    "flood-have": Attack(flood(many(m.Haves.of(0), m.KeepAlive())), 1, 1.5),
    "flood-cancel": Attack(flood(many(m.Cancel(3, 0, CHUNK_SIZE)), QUEUE), 1, 1.5),
    "origins-id": Attack(in_the_origins_name, 4, 1.5),
    "encrypted": Attack(encrypted, 4, 1.5),
    "garbage": Attack(garbage, 4, 1.5),
}


def begin(attack: Attack, target: Target) -> None:
    """Attack until it is over."""

    def again_and_again() -> None:
        while not target.over.is_set():
            with suppress(OSError):
                attack.act(target)
            time.sleep(0.02)

    for _ in range(attack.connections):
        threading.Thread(target=again_and_again, daemon=True).start()


def origin_id(url: str) -> bytes:
    with urllib.request.urlopen(url + "/listar_peers?peer_id=nobody", timeout=10) as reply:
        peers = loads(reply.read())["peers"]
    return next((bytes.fromhex(peer["bt_id"]) for peer in peers if peer.get("bt_id")), bytes(20))


@dataclass(frozen=True)
class Outcome:
    """After how many seconds a newcomer was complete, or given up; the blocks that it had then; and how many
    seconds the two processes that were attacked have computed."""

    seconds: float
    blocks: int
    computed: float


def computed(command: Command) -> float:
    """Seconds of processor time; 0 where /proc does not tell."""
    try:
        fields = (PROC / str(command.pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(attack: Attack | None, folder: Path, python: str, limit: float) -> Outcome:
    """A newcomer's download, given up after `limit` seconds."""
    share = folder / "source" / "share.bin"
    commands = []
    over = threading.Event()
    try:
        where = ("--json", "--port", 0, "--share", share)
        commands.append(Command(("tracker", *where, *OPTIONS), folder, python=python))
        commands[0].says(r"^\{", limit)
        tracker = Tracker(commands[0])
        public = bytes.fromhex(tracker.document["info_hash"]), origin_id(tracker.url), over
        if attack is not None:
            begin(attack, Target(tracker.document["origin_port"], *public))
            time.sleep(HEAD_START)
        started = time.monotonic()
        commands.append(Command(("peer", "ana", 0, "--tracker", tracker.url), folder, python=python))
        port = int(commands[1].says(r"^listening on port (\d+)$", limit)[1])
        if attack is not None:
            begin(attack, Target(port, *public))
        try:
            commands[1].says("^complete", limit - (time.monotonic() - started))
        except AssertionError:
            row = tracker.row("ana")
            blocks = 0 if row is None else row.blocks.bit_count()
            return Outcome(limit, min(blocks, BLOCKS - 1), sum(map(computed, commands)))
        took = time.monotonic() - started
        assert contents(folder / "ana") == {share.name: share.read_bytes()}, "a copy differs"
        return Outcome(took, BLOCKS, sum(map(computed, commands)))
    finally:
        over.set()
        for command in reversed(commands):
            command.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attack", choices=[name for name in ATTACKS if name != "none"], action="append")
    parser.add_argument("--tree", type=Path, default=TESTS.parent)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a newcomer has")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(options.tree.resolve())
    usual = 0.0
    failed = False
    for name in ("none", *(options.attack or [name for name in ATTACKS if name != "none"])):
        attack = ATTACKS[name]
        outcomes = []
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory(prefix="minibit-attack-") as place:
                folder = Path(place).resolve()
                write_random(folder / "source" / "share.bin", SHARE)
                outcomes.append(measure(attack, folder, options.python, options.limit))
        seconds = statistics.median(one.seconds for one in outcomes)
        cpu = statistics.median(one.computed for one in outcomes)
        least = min(one.blocks for one in outcomes)
        usual = usual or seconds
        whole = least == BLOCKS
        told = f"{seconds:5.1f} s  {seconds / usual:4.1f} ×" if whole else f"{least} of {BLOCKS} blocks"
        verdict = "" if attack is None else f"(at most {attack.times} ×)"
        if not whole or (attack is not None and seconds > attack.times * usual):
            failed = True
            verdict += "  TOO MUCH"
        print(f"{name:17} {told:20} computed {cpu:4.1f} s  {verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
