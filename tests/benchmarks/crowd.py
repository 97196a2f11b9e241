"""A flash crowd with limited uplinks: how near its bound it ends; MiniBit, libtorrent and aria2 in turns.

    python tests/benchmarks/crowd.py [CROWD …] [--size 64M] [--runs 5] [--timeline]

A crowd is COUNTxRATE, several of them joined by +, with the origin's rate behind an @ unless it is like the
first. Without one: 8x4M and 16x2M with 64 MiB, and the uneven 4x4M+12x256K@1M with 16 MiB, each of 256
blocks (`--blocks`). All come at once and start empty. D is the bound, max(F/u of the origin, N·F/Σu)
(Kumar & Ross 2006); figures are of the last one to be complete, verified and written.

The launch: MiniBit's origin has hashed its share, and its peers are forked from a process that has read the
modules, as `minibit swarm` does (`--commands`: each is a command of its own); aria2's peers are commands;
libtorrent's sessions stand by and are told of each other. Settings: MiniBit's defaults with grants of
30-50 %; libtorrent with upload limits that count on loopback too, once with default choking and once with
super-seeding at the origin; aria2 with `--max-overall-upload-limit`. Takes 40 minutes with all crowds.

`--timeline` shows how busy each of MiniBit's uplinks was, from the event logs of its last run.
"""

from rig.crowd import Crowd, hold, kinds
from rig.meeting import Meeting, options, run

CROWDS = {"8x4M": "64M", "16x2M": "64M", "4x4M+12x256K@1M": "16M"}


def main() -> None:
    parser = options(__doc__, runs=5)
    parser.add_argument("crowds", nargs="*", metavar="CROWD")
    parser.add_argument("--size", help="bytes of the share (default: as above, else 64M)")
    parser.add_argument("--blocks", type=int, default=256, help="that the share is cut into (default: 256)")
    parser.add_argument("--commands", action="store_true", help="MiniBit's peers are not forked")
    parser.add_argument("--timeline", action="store_true", help="show how busy each uplink was")
    chosen = parser.parse_args()
    crowds = {each: Crowd.parse(each) for each in chosen.crowds or CROWDS}
    contenders = kinds(commands=chosen.commands)
    meeting = Meeting(chosen, contenders)
    for name, crowd in crowds.items():
        size = chosen.size or CROWDS.get(name, "64M")
        hold(meeting, crowd, size, chosen.blocks, contenders, timeline=chosen.timeline)
    meeting.close()


if __name__ == "__main__":
    run(main)
