"""Many peers, and a huge share: crowds of 50 and 100 on this machine, and 100 GiB.

    python tests/benchmarks/scale.py [--runs 3] [--crowds 50x1M 100x1M] [--size 16M] [--sparse 100G]

Crowds are played as in `crowd.py`, with 16 MiB in 256 blocks. All of a hundred clients share the machine's
cores, so from some number on it is their CPU seconds, not the uplinks, that decide.

The huge share is a sparse file that takes hardly any room, with islands of data at its ends, its middle, and
across 2 and 4 GiB; holes are known without reading them. A peer that has all but the islands fetches them at
those offsets, and its copy is compared with the share. Told are the start-up of the tracker, from its launch
until it stands by, and of the peer, from its launch until it is complete, and the memory of each process.
`--sparse 0` leaves this out, `--crowds` with nothing behind it the crowds. How fast data is checked, and how
fast others do it, is what `recheck.py` measures.
"""

import time
from pathlib import Path

from rig import sparse_share
from rig.comparison import Figure
from rig.crowd import Crowd, hold, kinds
from rig.ground import folder
from rig.measured_process import Crew
from rig.meeting import Meeting, Tell, bytes_of, options, run
from rig.minibit_swarm import (
    LOOK_SECONDS,
    MINIBIT,
    REPORT_SECONDS,
    MinibitSwarm,
    open_tracker,
    status_rows,
)

from minibit.errors import MinibitError

BLOCKS = 256
MIB = 1 << 20
PATIENCE = 3600.0  # s
ROOM = 256 << 20  # bytes of the disk
SPARSE = (
    Figure("open", "tracker open s"),
    Figure("complete", "peer complete s"),
    Figure("fetched", "fetched MiB", ".0f"),
    Figure("cpu", "CPU s"),
    Figure("peak_origin", "tracker MiB", ".0f"),
    Figure("peak_peer", "peer MiB", ".0f"),
)


def main() -> None:
    parser = options(__doc__, runs=3, size="16M")
    parser.add_argument("--crowds", nargs="*", default=["50x1M", "100x1M"], metavar="COUNTxRATE")
    parser.add_argument("--sparse", default="100G", metavar="SIZE", help="default: 100G; 0 is none")
    chosen = parser.parse_args()
    contenders = kinds(commands=False)
    meeting = Meeting(chosen, contenders)
    for crowd in map(Crowd.parse, chosen.crowds):
        hold(meeting, crowd, chosen.size, BLOCKS, contenders)
    if length := bytes_of(chosen.sparse, "--sparse"):
        with folder(chosen.work, ROOM) as place:

            def once(_: str, tell: Tell) -> dict[str, float]:
                with folder(place, 0) as work:
                    return resumed(work, length, tell)

            meeting.hold(f"a sparse share of {chosen.sparse}", SPARSE, once, names=[MinibitSwarm.name])
    meeting.close()


def resumed(work: Path, length: int, tell: Tell) -> dict[str, float]:
    """One tracker, and one peer that has all but the islands.

    Raises:
        MinibitError: its copy is not the share in the end, or not by what it fetched.
    """
    share, copy = work / "share" / "huge.bin", work / "copy" / "huge.bin"
    for path in (share, copy):
        path.parent.mkdir()
    sparse_share.write(share, length)
    sparse_share.write(copy, length, only_first=True)
    with Crew(work) as crew:
        tell("the tracker hashes")
        begun = time.monotonic()
        tracker, url = open_tracker(crew, share, None, patience=PATIENCE)
        opened = time.monotonic() - begun
        tell("the peer fetches what it lacks")
        where = ["--tracker", url, "--dir", str(copy.parent), "--until-eof"]
        peer = crew.start("MiniBit's peer", [*MINIBIT, "peer", "ana", "0", *where])
        complete, _ = peer.said("complete:", PATIENCE)
        figures = {
            "open": opened,
            "complete": complete - peer.launched,
            "fetched": received(url) / MIB,
            "cpu": tracker.cpu() + peer.cpu(),
            "peak_origin": tracker.peak(),
            "peak_peer": peer.peak(),
        }
    if not sparse_share.identical(share, copy):
        raise MinibitError("the copy of the sparse share is not the share")
    return figures


def received(url: str) -> int:
    """Bytes that the peer has fetched, once it has told its tracker that it is complete."""
    deadline = time.monotonic() + REPORT_SECONDS
    while time.monotonic() < deadline:
        _, row = status_rows(url)
        if row["completed_after"] is not None:
            return int(row["downloaded"])
        time.sleep(LOOK_SECONDS)
    raise MinibitError("the peer has not told the tracker that it is complete")


if __name__ == "__main__":
    run(main)
