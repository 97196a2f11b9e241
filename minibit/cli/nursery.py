"""What a swarm's processes are forked from: it reads all that a tracker and a peer need, and waits."""

import sys

from minibit.cli import peer, tracker
from minibit.cli.main import main
from minibit.lab.nursery import serve

READ = (peer, tracker)  # by each command only when it runs; here for all of them

if __name__ == "__main__":
    arguments = serve()
    sys.exit(0 if arguments is None else main(arguments))
