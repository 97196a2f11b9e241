"""`python -m tests.fuzz`: fuzz every parser of what strangers send, for as many inputs as you like.

    python -m tests.fuzz                          a million inputs
    python -m tests.fuzz --long                   ten million
    python -m tests.fuzz --inputs 5000 --target bencode --seed 7

Targets take turns, a line tells each one's count and rate. An input that breaks a promise is written to
`tests/fuzz/found/`, where the suite tries it again ever after; the exit code is then 1. Run one process per
core, each with a `--seed` of its own.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

ROUND = 20_000  # inputs of one target before the next one's turn
SLOW = 0.25  # s of processor for one input of 4 KiB at most, which no parser needs that is not quadratic
FOUND = Path(__file__).parent / "found"


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parent.parent))  # as pytest has it
    from fuzz.campaign import run
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz MiniBit's parsers.")
    parser.add_argument("--long", action="store_true", help="ten million inputs")
    parser.add_argument("--inputs", type=int, default=None, help="how many inputs in all")
    parser.add_argument("--target", choices=TARGETS, help="this one only")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    names = [chosen.target] if chosen.target else list(TARGETS)
    wanted = chosen.inputs or (10_000_000 if chosen.long else 1_000_000)

    done = findings = turn = 0
    started = time.monotonic()
    while done < wanted:
        name, count = names[turn % len(names)], min(ROUND, wanted - done)
        begun = time.monotonic()
        tried, found = run(TARGETS[name], count, chosen.seed * 1_000_003 + turn, slow=SLOW)
        done, turn, findings = done + tried, turn + 1, findings + len(found)
        rate = tried / (time.monotonic() - begun)
        print(f"{done:>11,} inputs  {name:<15} {rate:>8,.0f}/s  {findings} findings", flush=True)
        for finding in found:
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"{name}.{hashlib.sha1(finding.data).hexdigest()[:12]}"
            path.write_bytes(finding.data)
            print(f"  {path.name}: {finding.said}", flush=True)
    rate = done / (time.monotonic() - started)
    print(f"{done:,} inputs, {rate:,.0f}/s, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
