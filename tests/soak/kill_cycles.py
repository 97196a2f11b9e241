"""Peers and their tracker, killed at random moments and started again by the same line, many times over.

Run by hand, from the root of a checkout: `python tests/soak/kill_cycles.py [--cycles 200] [--seed 1]`. Two
peers fetch a folder; whenever both are complete, their copies are compared, everything below their folders
is, and they begin anew. It ends with 1 and the finding as soon as something is wrong. A short slice of it
runs with the end-to-end tests.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from e2e.running import Command, Tracker, contents, status, write_random  # noqa: E402

NAMES = ("ana", "bia")
LONGEST = 3.0  # s that a process lives at most before somebody is killed
PATIENCE = 90.0  # s for a round to become complete once nobody is killed any more
BLOCK = 16384


class Cycles:
    """The tracker and the peers; `kills` says who was killed how often, and in which state.

    Raises AssertionError from any method when something was spoilt, forgotten or left behind.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.rounds = 0
        self._folder = folder
        self._rng = random.Random(seed)
        self._share = folder / "source" / "collection"
        for number, size in enumerate((5, BLOCK * 9 + 1, 3 * BLOCK - 7, 70, BLOCK * 20, BLOCK // 2)):
            write_random(self._share / f"d{number % 2}" / str(number), size, seed=number)
        (self._share / "d0" / "empty").touch()
        self._expected = contents(self._share)
        self._options = ("--share", self._share, "--block-size", "16K", "--upload-limit", "150K")
        self._tracker = Tracker(self._start("tracker", "--json", "--port", 0, *self._options))
        self._url = self._tracker.url
        self._known = dict.fromkeys(NAMES, 0)  # how many blocks each was known to hold when it was killed
        self._due = dict(self._known)  # …and so must find again, now that it has been started
        self._peers = {name: self._start_peer(name) for name in NAMES}

    def cycle(self) -> None:
        """Kill somebody at some moment, and start it again; begin anew if all are complete."""
        time.sleep(self._rng.uniform(0.0, LONGEST))
        self._look()
        victim = self._rng.choice((*NAMES, *NAMES, "tracker"))
        if victim == "tracker":
            self._tracker.command.kill()
            self.kills["tracker"] += 1
            time.sleep(self._rng.uniform(0.0, LONGEST / 2))
            ports = (
                "--port", self._tracker.port, "--origin-port", self._tracker.document["origin_port"]
            )  # fmt: skip
            self._tracker = Tracker(self._start("tracker", "--json", *ports, *self._options))
        else:
            self._kill(victim)
            self._peers[victim] = self._start_peer(victim)
        if self._complete():
            self._end_round()
            self._peers = {name: self._start_peer(name) for name in NAMES}

    def finish(self) -> None:
        """Let the last round become complete, and end everything."""
        end = time.monotonic() + PATIENCE
        while not self._complete():
            assert time.monotonic() < end, f"not complete: {self._peers['ana']} {self._peers['bia']}"
            time.sleep(0.1)
        self._end_round()

    def close(self) -> None:
        """End every process, whatever happened."""
        for command in (*self._peers.values(), self._tracker.command):
            command.end()

    def _start(self, *arguments: object) -> Command:
        return Command(arguments, self._folder)

    def _start_peer(self, name: str) -> Command:
        self._due[name] = self._known[name]
        return self._start("peer", name, 0, "--tracker", self._url)

    def _kill(self, name: str) -> None:
        peer = self._peers[name]
        before = next((word for word in ("complete", "granted", "registered") if _said(peer, word)), "start")
        peer.kill()
        self.kills[f"peer after {before}"] += 1
        assert not peer.err, f"{peer}"
        if found := _said(peer, r"blocks; (\d+) on disk$"):
            assert int(found[1]) >= self._due[name], f"knew of {self._due[name]} blocks: {peer}"

    def _look(self) -> None:
        """Remember what each peer is known to hold; what it told others it must find again."""
        for row in status(self._url).peers:
            if row.name in self._known:
                self._known[row.name] = max(self._known[row.name], row.blocks.bit_count())

    def _complete(self) -> bool:
        for peer in self._peers.values():
            assert peer.process.poll() is None, f"ended by itself: {peer}"
        return all(_said(peer, "^complete") for peer in self._peers.values())

    def _end_round(self) -> None:
        for name, peer in self._peers.items():
            peer.kill()
            assert not peer.err, f"{peer}"
            place = self._folder / name
            assert contents(place) == {f"collection/{path}": data for path, data in self._expected.items()}
            folders = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_dir()}
            assert folders == {"collection", "collection/d0", "collection/d1"}
            place.rename(self._folder / f"{name} of round {self.rounds}")
            self._known[name] = 0
        self.rounds += 1
        left = {path.name for path in self._folder.iterdir()}
        done = {f"{name} of round {number}" for name in NAMES for number in range(self.rounds)}
        assert left == {"source", *done}, "something was left behind"


def _said(command: Command, pattern: str) -> re.Match[str] | None:
    return next((found for line in list(command.out) if (found := re.search(pattern, line))), None)


def run(cycles: int, folder: Path, seed: int, tell: Callable[[str], None] = lambda _: None) -> Cycles:
    """So many kills, and a round that becomes complete after them."""
    one = Cycles(folder, seed)
    try:
        for number in range(cycles):
            one.cycle()
            tell(f"{number + 1} kills, {one.rounds} rounds")
        one.finish()
    finally:
        one.close()
    return one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minibit-kills-") as folder:
        try:
            done = run(options.cycles, Path(folder).resolve(), options.seed, print)
        except AssertionError as finding:
            print(finding)
            return 1
    print(f"{sum(done.kills.values())} kills ({dict(done.kills)}), {done.rounds} rounds: all identical")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
