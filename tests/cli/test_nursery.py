"""What a swarm's processes are forked from has read all that they need."""

import subprocess
import sys

PROGRAM = """
import sys
from minibit.cli import nursery
nursery.rehearse()
before = set(sys.modules)
code = nursery.main(["peer", "ana", "0", "--tracker", "http://127.0.0.1:9", "--until-eof"])
print(code, *sorted(set(sys.modules) - before))
"""


def test_a_child_reads_no_module_before_it_begins(tmp_path):
    run = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(
        run, cwd=tmp_path, input="", capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.splitlines()[-1] == "0"
