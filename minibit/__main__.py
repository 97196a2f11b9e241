"""`python -m minibit`, and the `minibit` command."""


def main() -> None:
    """Run the command line."""
    from minibit.cli import app

    app()


if __name__ == "__main__":
    main()
