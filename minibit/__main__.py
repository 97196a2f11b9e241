"""`python -m minibit`, and the `minibit` command."""

import sys


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    from minibit.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
