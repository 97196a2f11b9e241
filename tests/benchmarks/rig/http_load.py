"""Announces over HTTP as fast as a tracker answers them, by `wrk`."""

import json
import resource
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from minibit.errors import MinibitError
from minibit.torrent import bencode

NUMWANT = 50
PORTS = 20000
# What wrk runs: the next peer's request, and in the end what came of all. Other answers than 200 are counted.
SCRIPT = """
local number, headers = 0, {{}}
if {close} then headers["Connection"] = "close" end
function request()
  number = (number + 1) % {peers}
  local own = "&peer_id=-PR0001-" .. string.format("%012d", number) .. "&port=" .. ({ports} + number)
  local rest = "&uploaded=0&downloaded=0&left=" .. (number % 2) .. "&compact=1&numwant={numwant}"
  return wrk.format("GET", "/announce?info_hash={info_hash}" .. own .. rest, headers)
end
function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    'RESULT {{"requests":%d,"us":%d,"p99_us":%d,"refused":%d,"broken":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(99), wrong.status,
    wrong.connect + wrong.write + wrong.timeout))
end
"""


@dataclass(frozen=True)
class HttpLoad:
    """`peers` announce in turns to the tracker at `url`, from this machine's one address."""

    url: str
    info_hash: bytes
    peers: int
    folder: Path

    @staticmethod
    def absence() -> str | None:
        return None if shutil.which("wrk") else "apt-get install wrk"

    def press(self, seconds: float, connections: int, *, close: bool) -> dict[str, float]:
        """Announces per second, milliseconds in which 99 of 100 were answered, and how much of a core wrk
        was busy; with `close`, each announce has a connection of its own, as most clients have.

        Raises:
            MinibitError: some were refused or broken.
        """
        script = self.folder / "announce.lua"
        written = SCRIPT.format(
            close=str(close).lower(),
            peers=self.peers,
            ports=PORTS,
            numwant=NUMWANT,
            info_hash=quote(self.info_hash, safe=""),
        )
        script.write_text(written)
        load = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s"]
        before = _spent()
        done = subprocess.run(["wrk", *load, "-s", script, self.url], capture_output=True, text=True)
        busy = (_spent() - before) / seconds
        found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not found:
            raise MinibitError(f"wrk did not measure {self.url}: {done.stdout}{done.stderr}")
        result = json.loads(found[0].removeprefix("RESULT "))
        if result["refused"] or result["broken"] or not result["requests"]:
            raise MinibitError(f"the tracker at {self.url} did not answer as it should: {result}")
        rate = result["requests"] / result["us"] * 1e6
        return {"rate": rate, "p99": result["p99_us"] / 1000, "driver": busy}

    def listed(self) -> int:
        """How many peers one answer lists.

        Raises:
            MinibitError: it is no answer to an announce.
        """
        # One that is known asks: a tracker may have as many as it takes.
        asked = f"peer_id=-PR0001-{1:012}&port={PORTS + 1}&uploaded=0&downloaded=0&left=1&compact=1"
        url = f"{self.url}/announce?info_hash={quote(self.info_hash, safe='')}&{asked}&numwant={NUMWANT}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = bencode.decode(answer.read())
        if not isinstance(said, dict) or not isinstance(peers := said.get(b"peers"), bytes):
            raise MinibitError(f"{self.url} answers an announce with {said!r}")
        return len(peers) // 6


def _spent() -> float:
    """Seconds of processor of all children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
