"""MiniBit as a contender, at its default settings: `minibit tracker` and `minibit peer`."""

import json
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minibit import __version__
from minibit.cli.options import NURSERY
from rig.measured_process import Crew, MeasuredProcess
from rig.swarm import OPEN_SECONDS, Swarm

MINIBIT = [sys.executable, "-m", "minibit"]
REPORT_SECONDS = 5.0  # for the last figures of all peers to be with the tracker
LOOK_SECONDS = 0.2


def open_tracker(
    crew: Crew, share: Path, block_size: int | None, more: Sequence[str] = (), patience: float = OPEN_SECONDS
) -> tuple[MeasuredProcess, str]:
    """`minibit tracker` for `share`, once it stands by, and its URL."""
    cut = [] if block_size is None else ["--block-size", str(block_size)]
    command = ["tracker", "--json", "--port", "0", "--until-eof", "--share", str(share), *cut, *more]
    tracker = crew.start("MiniBit's tracker", [*MINIBIT, *command])
    return tracker, json.loads(tracker.said("{", patience)[1])["url"]


def status_rows(url: str) -> list[dict[str, Any]]:
    """What the tracker at `url` knows: the origin first, then the peers."""
    with urllib.request.urlopen(f"{url}/status", timeout=10) as answer:
        rows: list[dict[str, Any]] = json.load(answer)["peers"]
    return sorted(rows, key=lambda row: not row["origin"])


class MinibitSwarm(Swarm):
    """Peers are forked from a process that has read its modules, as `minibit swarm` does."""

    name = "MiniBit"
    complete = "complete:"
    grant = "30-50"
    logs: Path | None = None  # a folder for event logs

    @classmethod
    def absence(cls) -> str | None:
        return None

    @classmethod
    def version(cls) -> str:
        return f"MiniBit {__version__}, grants {cls.grant} %"

    def open(self) -> list[MeasuredProcess]:
        task = self.task
        more = ["--grant", self.grant, *self._common("origin", task.origin_limit)]
        tracker, self._url = open_tracker(self.crew, task.share, task.block_size, more)
        self._nursery = self.crew.nursery(NURSERY)
        return [tracker]

    def launch(self, number: int) -> MeasuredProcess:
        return self.crew.fork(f"peer{number}", self._nursery, self.peer_arguments(number))

    def peer_arguments(self, number: int) -> list[str]:
        """What follows `minibit` on its command line."""
        place = ["--tracker", self._url, "--dir", str(self.place(number))]
        limit = self.task.limits[number]
        return ["peer", f"peer{number}", "0", "--until-eof", *place, *self._common(f"peer{number}", limit)]

    def sent(self) -> list[int]:
        """Peers report twice a second, so what they say is heard when it accounts for all that came."""
        deadline = time.monotonic() + REPORT_SECONDS
        while True:
            rows = status_rows(self._url)
            found = [row["uploaded"] for row in rows]
            settled = sum(found) >= self.task.peers * self.task.size and all(
                row["origin"] or row["completed_after"] for row in rows
            )
            if settled or time.monotonic() > deadline:
                return found
            time.sleep(LOOK_SECONDS)

    def registered(self) -> list[float]:
        return [row["completed_after"] or float("nan") for row in status_rows(self._url) if not row["origin"]]

    def _common(self, who: str, limit: int) -> list[str]:
        log = [] if self.logs is None else ["--log", str(self.logs / f"{who}.jsonl")]
        return ["--upload-limit", str(limit), *log]


class MinibitCommands(MinibitSwarm):
    """Each peer is a command of its own, so that Python and the modules are read by each of them."""

    def launch(self, number: int) -> MeasuredProcess:
        return self.crew.start(f"peer{number}", [*MINIBIT, *self.peer_arguments(number)])
