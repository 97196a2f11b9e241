"""What a swarm's processes are forked from: it reads all that a tracker and a peer need, and waits."""

import sys
from typing import Final

from minibit.cli import peer, tracker
from minibit.cli.main import command, main
from minibit.lab.nursery import serve

READ: Final = (peer, tracker)  # by each command only when it runs; here for all of them
COMMON: Final = (("peer", "name", "0"), ("tracker",))


def rehearse() -> None:
    """Understand a command line of either kind, and do nothing about it.

    Typer reads most of what it needs for that when it first does it: a tenth of a second for each process.
    """
    group = command()
    for words in COMMON:
        with group.make_context("minibit", list(words)) as context:
            if (chosen := group.get_command(context, words[0])) is not None:
                chosen.make_context(words[0], list(words[1:]), parent=context).close()


if __name__ == "__main__":
    rehearse()
    arguments = serve()
    sys.exit(0 if arguments is None else main(arguments))
