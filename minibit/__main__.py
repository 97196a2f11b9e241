"""`python -m minibit`, and the `minibit` command."""

import sys


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        from minibit.cli.main import main as run

        code = run()
    except KeyboardInterrupt:  # as early as this, while modules are still being read
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
