"""1 → many, as fast as it goes, from launch; MiniBit, libtorrent and aria2 in turns.

    python tests/benchmarks/fanout.py [--size 256M] [--peers 8] [--runs 5]

Seconds are from the launch of the peers to the last block of the last one, verified and written; the
origin stands by before. MiniBit's peers are forked as `minibit swarm` does (`--commands`: each is a command
of its own), aria2's are commands, libtorrent's sessions stand by and are told of each other. Blocks have
256 KiB (`--block-size`). Settings: as for `transfer.py`; CPU seconds are of all processes, from the launch.
"""

from statistics import mean

from rig.aria2_swarm import Aria2Swarm
from rig.comparison import Figure
from rig.ground import folder
from rig.libtorrent_swarm import LibtorrentSwarm
from rig.meeting import Meeting, Tell, bytes_of, options, run
from rig.minibit_swarm import MinibitCommands, MinibitSwarm
from rig.swarm import COST, play
from rig.task import Task, prepare

CONTENDERS = {each.name: each for each in (MinibitSwarm, LibtorrentSwarm, Aria2Swarm)}
LIMIT_SECONDS = 600.0
FIGURES = (
    Figure("last", "last s", ".2f", lower_wins=True),
    Figure("mean", "mean s", ".2f", lower_wins=True),
    Figure("first_byte", "first byte s", ".3f", lower_wins=True),
    Figure("origin", "origin ×", ".2f"),
    *COST,
)


def main() -> None:
    parser = options(__doc__, runs=5, size="256M")
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--block-size", default="256K")
    parser.add_argument("--commands", action="store_true", help="MiniBit's peers are not forked")
    chosen = parser.parse_args()
    kinds = CONTENDERS | ({"MiniBit": MinibitCommands} if chosen.commands else {})
    length = bytes_of(chosen.size)
    meeting = Meeting(chosen, kinds)
    with folder(chosen.work, (1 + chosen.peers) * length) as place:
        share, metainfo = prepare(place, length, bytes_of(chosen.block_size, "--block-size"), meeting.say)
        task = Task(share, metainfo, 0, (0,) * chosen.peers)

        def once(name: str, tell: Tell) -> dict[str, float]:
            with folder(place, chosen.peers * length) as work:
                done = play(kinds[name], task, work, tell, LIMIT_SECONDS)
            return {
                "last": done.last,
                "mean": mean(done.complete),
                "first_byte": done.first_byte,
                "origin": done.sent[0] / length,
                **done.cost,
            }

        meeting.hold(f"1 → {chosen.peers}, {chosen.size}", FIGURES, once)
    meeting.close()


if __name__ == "__main__":
    run(main)
