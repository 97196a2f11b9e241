"""What a swarm's processes are forked from: it reads all that a tracker and a peer need, and waits."""

import os
import sys
from contextlib import suppress

from minibit.cli import peer, tracker
from minibit.cli.main import command_line, main
from minibit.lab.nursery import serve

READ = (peer, tracker)  # by each command only when it runs; here for all of them

if __name__ == "__main__":
    for word in ("tracker", "peer"):
        command_line(word)
    arguments = serve()
    if arguments is None:
        sys.exit()
    code = main(arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # `main` has said so
            stream.flush()
    # Python's own end would take apart what all processes share, page by page: 25 ms of each, for nobody.
    os._exit(code)
