"""What a swarm's processes are forked from: it reads all that a tracker and a peer need, and waits."""

import atexit
import gc
import os
import sys
from contextlib import suppress

if __name__ == "__main__":
    gc.disable()  # nothing that is read is garbage
    from minibit.cli import peer, tracker
    from minibit.cli.main import command_line, main
    from minibit.lab.nursery import serve

    READ = (peer, tracker)  # by each command only when it runs; here for all of them
    gc.enable()
    for word in ("tracker", "peer"):
        command_line(word)
    arguments = serve()
    if arguments is None:
        sys.exit()
    code = main(arguments)
    atexit._run_exitfuncs()  # a strategy of the user's may have some; of ours there are none
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # `main` has said so
            stream.flush()
    # Python's own end would take apart what all processes share, page by page: 25 ms of each, for nobody.
    os._exit(code)
