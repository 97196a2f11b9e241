"""How busy each uplink was in a swarm, from its event log, live or simulated.

    minibit swarm --scenario FILE.toml --simulate --log swarm.jsonl
    python tests/benchmarks/timeline.py swarm.jsonl

Of a live swarm's processes, name all logs. Logs of 0.3.0 and later are read, so that the same swarm can be
looked at before and after a change.
"""

import argparse
import sys
from pathlib import Path

from rig.timeline import drawn, read

from minibit.errors import MinibitError


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG")
    try:
        print(drawn(read(parser.parse_args().logs)))
    except MinibitError as error:
        print(f"timeline.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
