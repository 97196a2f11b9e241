"""How fast a copy on the disk is checked before a peer goes on, against SHA-1 on one core.

    python tests/benchmarks/recheck.py [--size 4G] [--runs 5]

Each client finds the whole share in its folder, knows nothing of it, and hashes all of it: MiniBit's
`minibit peer` from its launch to "complete: every block was on disk already"; libtorrent from the moment it
is given the torrent (Python's start is not on its account) until it seeds; aria2 with `--check-integrity
--hash-check-only` from its launch to its end. "one core's SHA-1" hashes as many bytes in memory, a block at
a time, in one thread. The share is in the page cache. `sharing` is how fast MiniBit hashes a share, from the
launch of `minibit tracker` until it stands by. Blocks have 1 MiB (`--block-size`).
"""

import os

from rig.comparison import Figure
from rig.ground import folder
from rig.measured_process import Crew
from rig.meeting import Meeting, Tell, bytes_of, options, run
from rig.rechecks import Aria2Recheck, Copy, LibtorrentRecheck, MinibitRecheck, OneCore
from rig.task import prepare

CONTENDERS = {each.name: each for each in (MinibitRecheck, OneCore, LibtorrentRecheck, Aria2Recheck)}
FIGURES = (
    Figure("speed", "MiB/s", ".0f", lower_wins=False),
    Figure("seconds", "s", ".2f", lower_wins=True),
    Figure("cpu", "CPU s", ".2f", lower_wins=True),
    Figure("peak", "MiB", ".0f", lower_wins=True),
    Figure("sharing", "sharing MiB/s", ".0f"),
)


def main() -> None:
    parser = options(__doc__, runs=5, size="4G")
    parser.add_argument("--block-size", default="1M")
    chosen = parser.parse_args()
    length = bytes_of(chosen.size)
    meeting = Meeting(chosen, CONTENDERS)
    with folder(chosen.work, length) as place:
        share, metainfo = prepare(place, length, bytes_of(chosen.block_size, "--block-size"), meeting.say)

        def once(name: str, tell: Tell) -> dict[str, float]:
            tell("hashing")
            with folder(place, 0) as work, Crew(work) as crew:
                os.link(share, work / share.name)  # a copy that takes no room: nobody has to write to it
                taken = CONTENDERS[name]().check(Copy(share, metainfo, work, crew))
            rates = {"speed": "seconds", "sharing": "sharing"}
            mib = {key: length / taken[by] / (1 << 20) for key, by in rates.items() if by in taken}
            return taken | mib

        meeting.hold(f"recheck, {chosen.size}", FIGURES, once)
    meeting.close()


if __name__ == "__main__":
    run(main)
