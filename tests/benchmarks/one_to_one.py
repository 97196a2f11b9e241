"""One seed to one peer over loopback, MiniBit against libtorrent, in turns: A B A B …

Run by hand, from the root of a checkout: `python tests/benchmarks/one_to_one.py [--mib 1024] [--runs 5]`.
Machines are shared and noisy, and runs that write a fresh file vary about twofold, so the figure to
quote is the median of the ratios of neighbouring runs. Either clock runs from the first dial until the
last block is verified and written.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
MINIBIT = [sys.executable, "-m", "minibit"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def peak_rss(pid: int) -> int:
    """The largest resident size of a running process so far, in MiB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


def cpu_seconds() -> float:
    """What all processes that have ended so far have used, start and hashing of the share included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def minibit(share: Path, work: Path, torrent: Path) -> tuple[float, int, int]:
    """Seconds, and the peak MiB of the origin's and the peer's process."""
    tracker = subprocess.Popen(
        [*MINIBIT, "tracker", "--json", "--port", "0", "--share", str(share), "--until-eof"], **PIPES
    )
    try:
        url = json.loads(tracker.stdout.readline())["url"]
        torrent.write_bytes(urllib.request.urlopen(f"{url}/torrent").read())
        peer = subprocess.Popen(
            [*MINIBIT, "peer", "ana", "0", "--tracker", url, "--dir", str(work), "--until-eof"], **PIPES
        )
        try:
            for line in peer.stdout:
                if line.startswith("complete:"):
                    break
            view = json.loads(urllib.request.urlopen(f"{url}/status").read())
            (row,) = (row for row in view["peers"] if row["peer_id"] == "ana")
            return row["completed_after"] or seconds_in(line), peak_rss(tracker.pid), peak_rss(peer.pid)
        finally:
            peer.communicate()
    finally:
        tracker.communicate()


def seconds_in(line: str) -> float:
    """The seconds in `complete: all 2048 blocks verified after 2.3 s`, should `/status` be behind."""
    return float(re.search(r"after ([\d.]+) s", line)[1])


def libtorrent(share: Path, work: Path, torrent: Path) -> tuple[float, int, int]:
    """Seconds, and the peak MiB of the seed's and the peer's process."""
    command = [sys.executable, str(HERE / "libtorrent_peer.py"), str(torrent)]
    seed = subprocess.Popen([*command, str(share.parent), "seed"], **PIPES)
    try:
        port = seed.stdout.readline().split()[1]
        peer = subprocess.run([*command, str(work), port], capture_output=True, text=True, check=True)
        _, seconds, peak = peer.stdout.split()
        return float(seconds), peak_rss(seed.pid), int(peak)
    finally:
        seed.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minibit-bench-") as folder:
        root = Path(folder)
        share = root / "share.bin"
        with share.open("wb") as file:
            for _ in range(options.mib):
                file.write(os.urandom(1 << 20))
        torrent = root / "share.torrent"
        ratios = []
        print(f"{options.mib} MiB, {options.runs} pairs of runs; MiB/s (peak MiB seed/peer)")
        for run in range(options.runs + 1):
            speeds = []
            for engine in (minibit, libtorrent):
                work = root / f"work-{engine.__name__}"
                work.mkdir()
                before = cpu_seconds()
                seconds, seed_peak, peer_peak = engine(share, work, torrent)
                used = cpu_seconds() - before
                subprocess.run(["cmp", str(share), str(work / share.name)], check=True)
                shutil.rmtree(work)
                speeds.append(options.mib / seconds)
                print(
                    f"  {engine.__name__:10} {speeds[-1]:6.0f} ({seed_peak}/{peer_peak}) {used:.1f} CPU s",
                    flush=True,
                )
            if run:  # the first pair warms the page cache
                ratios.append(speeds[0] / speeds[1])
                print(f"  ratio {ratios[-1]:.2f}", flush=True)
        print(f"MiniBit / libtorrent: {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


main()
