"""1 → 1: one origin gives a share to one peer, as fast as it goes; MiniBit, libtorrent and aria2 in turns.

    python tests/benchmarks/transfer.py [--size 1G] [--runs 5]

Speed is from the first payload byte until the last block is verified and written; from the first dial it is
so for aria2 too, which does not say when it dials. The first byte and the whole are counted from the launch
of the peer: a new command for MiniBit and aria2, while libtorrent, a library, stands by in a running process.
CPU seconds are from the launch on, of both ends, and for MiniBit and aria2 include the start of the peer.
Blocks have 256 KiB (`--block-size`). Settings: MiniBit's defaults; libtorrent with large buffers and deep
queues, plain TCP; aria2 without DHT and encryption.
"""

from rig.aria2_swarm import Aria2Swarm
from rig.comparison import Figure
from rig.ground import folder
from rig.libtorrent_swarm import LibtorrentSwarm
from rig.meeting import Meeting, Tell, bytes_of, options, run
from rig.minibit_swarm import MinibitCommands
from rig.swarm import COST, play
from rig.task import Task, prepare

CONTENDERS = {each.name: each for each in (MinibitCommands, LibtorrentSwarm, Aria2Swarm)}
LIMIT_SECONDS = 600.0
FIGURES = (
    Figure("speed", "MiB/s", ".0f", lower_wins=False),
    Figure("dial_speed", "from dial MiB/s", ".0f", lower_wins=False),
    Figure("first_byte", "first byte s", ".3f", lower_wins=True),
    Figure("launch", "from launch s", ".2f", lower_wins=True),
    Figure("cpu_origin", "origin CPU s", ".2f"),
    Figure("cpu_peer", "peer CPU s", ".2f"),
    *COST,
)


def main() -> None:
    parser = options(__doc__, runs=5, size="1G")
    parser.add_argument("--block-size", default="256K")
    chosen = parser.parse_args()
    length = bytes_of(chosen.size)
    meeting = Meeting(chosen, CONTENDERS)
    with folder(chosen.work, 2 * length) as place:
        share, metainfo = prepare(place, length, bytes_of(chosen.block_size, "--block-size"), meeting.say)
        task = Task(share, metainfo, 0, (0,))

        def once(name: str, tell: Tell) -> dict[str, float]:
            kind = CONTENDERS[name]
            with folder(place, length) as work:
                done = play(kind, task, work, tell, LIMIT_SECONDS)
            since_first = done.last - done.first_byte
            since_dial = done.last if kind.dials_at_launch else max(done.registered, default=since_first)
            return {
                "speed": length / since_first / (1 << 20),
                "dial_speed": length / since_dial / (1 << 20),
                "first_byte": done.first_byte,
                "launch": done.last,
                "cpu_origin": done.cpu_origin,
                "cpu_peer": done.cpu_peers,
                **done.cost,
            }

        meeting.hold(f"1 → 1, {chosen.size}", FIGURES, once)
    meeting.close()


if __name__ == "__main__":
    run(main)
