"""Announces per second, over HTTP and UDP: MiniBit, npm's bittorrent-tracker and opentracker in turns.

    python tests/benchmarks/announce.py [--npm DIR] [--runs 5] [--seconds 3] [--peers 400]

Every run starts its tracker, lets all peers announce once, and then announces for them as fast as it
answers, each time asking for 50 peers; refusals end the benchmark. HTTP is driven by `wrk` (one thread), UDP
by a driver of our own; both have one core and the tracker has the other. How much of a core each of the two
was busy is told: where the driver's is the larger, the tracker could do more than its figure says. Peers are
of this machine's one address, from which MiniBit lets 500 be active; more than 400 (`--peers 10000`) come
from several addresses, over UDP, and over HTTP the first 400 of them announce. `--npm DIR` says in which
folder `npm install bittorrent-tracker` was run. Settings: defaults, without statistics and WebSockets at
npm's.
"""

import time
from pathlib import Path

from rig.comparison import Figure
from rig.ground import folder
from rig.http_load import HttpLoad
from rig.measured_process import Crew
from rig.meeting import Meeting, Tell, options, run
from rig.trackers import MinibitTracker, NpmTracker, Opentracker, Tracker
from rig.udp_load import Load, Source

from minibit.errors import MinibitError

CONTENDERS = {each.name: each for each in (MinibitTracker, NpmTracker, Opentracker)}
PER_SOURCE = 400
WARM_SECONDS = 0.5
SLICE_SECONDS = 0.05  # of one source, before the next one's turn
MOST_LOST = 0.01
HTTP = {
    "HTTP, 1 connection": (1, False),
    "HTTP, 32 connections": (32, False),
    "HTTP, 32 at a time, a connection each": (32, True),
}
UDP = {"UDP, 1 at a time": 1, "UDP, 32 at a time": 32}
RATE = Figure("rate", "announces/s", ",.0f", lower_wins=False)
CPU = Figure("cpu", "CPU µs each", ".1f", lower_wins=True)
PEAK = Figure("peak", "MiB", ".0f", lower_wins=True)
LATENCY = Figure("p99", "99 % in ms", ".2f", lower_wins=True)
BUSY = Figure("busy", "tracker busy", ".2f")
DRIVER = Figure("driver", "driver busy", ".2f")
LISTED = Figure("listed", "peers listed", ".0f")


def main() -> None:
    parser = options(__doc__, runs=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load in each run (default: 3)")
    parser.add_argument("--peers", type=int, default=PER_SOURCE, help=f"default: {PER_SOURCE}")
    parser.add_argument("--npm", type=Path, metavar="DIR", help="where bittorrent-tracker is installed")
    chosen = parser.parse_args()
    NpmTracker.place = chosen.npm
    meeting = Meeting(chosen, CONTENDERS)
    if (missing := HttpLoad.absence()) is not None:
        meeting.say(f"[bold red]ABSENT: wrk[/bold red], so nothing is measured over HTTP: {missing}")
    with folder(chosen.work, 0) as place:
        for title, (connections, close) in HTTP.items() if missing is None else ():

            def over_http(
                name: str, tell: Tell, connections: int = connections, close: bool = close
            ) -> dict[str, float]:
                with folder(place, 0) as work, Crew(work) as crew:
                    tell("starts")
                    tracker = CONTENDERS[name](work, crew)
                    warm(tracker, chosen.peers)
                    url = f"http://127.0.0.1:{tracker.port}"
                    load = HttpLoad(url, tracker.info_hash, min(PER_SOURCE, chosen.peers), work)
                    tell("answers")
                    before = tracker.process.cpu()
                    measured = load.press(chosen.seconds, connections, close=close)
                    used = tracker.process.cpu() - before
                    return {
                        **measured,
                        "cpu": 1e6 * used / (measured["rate"] * chosen.seconds),
                        "busy": used / chosen.seconds,
                        "peak": tracker.process.peak(),
                        "listed": load.listed(),
                    }

            meeting.hold(
                f"{title}, {chosen.peers} peers", (RATE, LATENCY, CPU, BUSY, DRIVER, PEAK, LISTED), over_http
            )
        for title, at_a_time in UDP.items():

            def over_udp(name: str, tell: Tell, at_a_time: int = at_a_time) -> dict[str, float]:
                with folder(place, 0) as work, Crew(work) as crew:
                    tell("starts")
                    tracker = CONTENDERS[name](work, crew)
                    warm(tracker, chosen.peers)
                    tell("answers")
                    before, ours = tracker.process.cpu(), time.process_time()
                    load = pressed(tracker, chosen.peers, chosen.seconds, at_a_time)
                    used, ours = tracker.process.cpu() - before, time.process_time() - ours
                    return {
                        "rate": load.answered / load.seconds,
                        "cpu": 1e6 * used / load.answered,
                        "busy": used / load.seconds,
                        "driver": ours / load.seconds,
                        "peak": tracker.process.peak(),
                        "listed": load.peers / load.answered,
                    }

            meeting.hold(f"{title}, {chosen.peers} peers", (RATE, CPU, BUSY, DRIVER, PEAK, LISTED), over_udp)
    meeting.close()


def warm(tracker: Tracker, peers: int) -> None:
    """Every peer announces, so that the tracker knows them all and has run for a moment.

    Whoever is new costs a tracker more, ours many times more, which deals him blocks: newcomers among the
    announces that are measured would make a slow tracker slower.
    """
    pressed(tracker, peers, WARM_SECONDS, 8)


def pressed(tracker: Tracker, peers: int, seconds: float, at_a_time: int) -> Load:
    """UDP announces of so many peers, for so long at least and until each has announced.

    Raises:
        MinibitError: some were refused, or too many lost.
    """
    counts = [min(PER_SOURCE, peers - begin) for begin in range(0, peers, PER_SOURCE)]
    sources = [
        Source(
            f"127.0.{number >> 8}.{number & 255 or 1}", ("127.0.0.1", tracker.port), tracker.info_hash, count
        )
        for number, count in enumerate(counts, start=1)
    ]
    load = Load()
    try:
        while load.seconds < seconds or not all(source.rounds for source in sources):
            for source in sources:
                source.press(load, SLICE_SECONDS, at_a_time)
    finally:
        for source in sources:
            source.close()
    if load.refused or not load.answered or load.lost > MOST_LOST * load.answered:
        raise MinibitError(f"{tracker.name} did not answer as it should: {load}")
    return load


if __name__ == "__main__":
    run(main)
