"""How much more the origin carries when one address registers thousands of peers that do not exist.

Run by hand, from the root of a checkout: `python tests/soak/invented_peers.py [--invented 4000] [--peers 8]
[--mib 24]`. The invented peers come first, then honest ones fetch over loopback; once they are complete, the
origin's bytes are told in multiples of the share. It ends with 1 if that is more than `--most`.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from e2e.running import Command, Tracker, eventually, write_random  # noqa: E402

ATTACKER = "127.0.0.2"  # this machine too, and yet another address
NOBODY = 9  # the port at which none of the invented peers listens
PATIENCE = 300.0  # s


class From(HTTPAdapter):
    """Connects from `ATTACKER`."""

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, source_address=(ATTACKER, 0), **kwargs)  # type: ignore[arg-type]


def invent(url: str, how_many: int) -> int:
    """Register so many peers that do not exist; returns how many the tracker took."""
    rng = random.Random(1)
    taken = 0
    with requests.Session() as session:
        session.mount("http://", From())
        for number in range(how_many):
            who = {"peer_id": f"ghost{number}", "porta": NOBODY, "bt_id": rng.randbytes(20).hex()}
            taken += session.post(f"{url}/registrar_peer", json=who, timeout=30).ok
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invented", type=int, default=4000)
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--mib", type=int, default=24)
    parser.add_argument("--origin-limit", default="8M", help="bytes per second")
    parser.add_argument("--most", type=float, default=2.0, help="times the share that the origin may carry")
    wanted = parser.parse_args()
    names = [f"p{number}" for number in range(wanted.peers)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        place = Path(folder)

        def start(*words: object) -> Command:
            command = Command(words, place)
            running.callback(command.end)
            return command

        share = write_random(place / "share.bin", wanted.mib << 20)
        limits = ("--upload-limit", wanted.origin_limit, "--block-size", "64K")
        tracker = Tracker(start("tracker", "--json", "--port", 0, "--share", share, *limits))
        began = time.monotonic()
        taken = invent(tracker.url, wanted.invented)
        print(f"{taken} of {wanted.invented} invented peers registered in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        for name in names:
            start("peer", name, 0, "--tracker", tracker.url)
        tracker.await_complete(*names, patience=PATIENCE)
        took = time.monotonic() - began
        carried = eventually(lambda: tracker.view().origin, "the origin is listed").figures.uploaded
        times = carried / share.stat().st_size
        print(f"{wanted.peers} peers complete in {took:.1f} s; the origin carried {times:.2f} x the share")
        return int(times > wanted.most)


if __name__ == "__main__":
    sys.exit(main())
