"""`python -m minibit`, and the `minibit` command."""

import gc
import os
import sys
from typing import Final

READING: Final = 200_000  # new objects before garbage is looked for; at 700, that is a twelfth of a start


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        _open_what_is_closed()
        gc.set_threshold(READING)
        from minibit.cli.main import main as run

        code = run()
    except KeyboardInterrupt:  # as early as this, while modules are still being read
        code = 130
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Standard streams that were closed (`>&-`) lead nowhere: else the first file or socket that is
    opened takes their number, and what is said goes there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    main()
